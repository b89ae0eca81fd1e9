//! `emptcp remove`.

use crate::{
    failure::Unreported,
    session::{BOLD, Session},
    units, words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{ErrorKind, Removed, stale};
use serde_json::json;

/// Take the policies out of force and remove everything that belongs to them
#[derive(Args, Debug)]
#[command(
    long_about = "Take the policies of this instance out of force: programs, tables, counters and the root qdiscs for \
        classes are removed, and packets pass unchanged again. Does not ask for confirmation. Filters and programs of others stay. Nothing to \
        remove is no error. A root qdisc for classes whose instance was lost is removed too.\n\n\
        Signals that hosts have received stay valid: a subflow that `set_backup` made backup stays so (before you remove it, apply \
        `set_backup state=off` and let packets pass on the subflow), one that `reset` ended stays ended, an address that \
        `hold_add_addr` kept back until the sender gave up is not announced again.\n\n\
        With --stale, free instead the instances of network namespaces that are gone. `apply` and `remove` do \
        so by themselves. Without proof that its namespace is gone an instance stays, and is listed.",
    after_long_help = "\
Examples:
  emptcp remove
  emptcp remove --instance lab
  emptcp remove --stale

JSON:
  {\"instance\", \"removed\" (false: there was nothing), \"detached\": [{\"device\", \"direction\", \"kind\"}],
   \"unshaped\" (devices whose root qdisc for classes was removed)}
  With --stale: {\"freed\": [...], \"unknown\": [...]}, each as `emptcp list --all --json` shows them"
)]
pub(crate) struct Remove {
    /// Free the instances of network namespaces that are gone
    #[arg(long, conflicts_with = "instance")]
    stale: bool,
}

impl Remove {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        if self.stale {
            return free(session);
        }
        let instance = session.instance()?;
        let removed = match instance.remove() {
            Err(error) if error.kind() == ErrorKind::NoInstance => return nothing(session, instance.name()),
            removed => removed?,
        };
        report(session, &removed).map_err(|source| {
            let done = format!("instance `{}` is removed", removed.instance);
            Unreported { done, source }.into()
        })
    }
}

fn report(session: &Session, removed: &Removed) -> Result<()> {
    if session.wants_json() {
        return session.print_json(&json!({
            "instance": removed.instance,
            "removed": true,
            "detached": removed.detached,
            "unshaped": removed.unshaped,
        }));
    }
    let mut text = String::new();
    for attached in &removed.detached {
        text += &format!("detached from {}\n", words::attached_to(attached));
    }
    for device in &removed.unshaped {
        text += &format!("{device}: root qdisc for classes is removed\n");
    }
    text += &format!("{BOLD}instance {}{BOLD:#} is removed\n", removed.instance);
    Ok(session.print(&text)?)
}

/// The instance is already gone: no error.
fn nothing(session: &Session, name: &str) -> Result<()> {
    if session.wants_json() {
        return session.print_json(&json!({ "instance": name, "removed": false, "detached": [], "unshaped": [] }));
    }
    Ok(session.print(&format!(
        "there is no instance `{name}` in this network namespace: nothing to remove\n"
    ))?)
}

fn free(session: &Session) -> Result<()> {
    let done = stale::remove_stale()?;
    if session.wants_json() {
        return session.print_json(&done);
    }
    let mut text = if done.freed.is_empty() {
        "no network namespace that is gone has left anything\n".to_owned()
    } else {
        let bytes = done.freed.iter().map(|placed| placed.bytes).sum();
        format!(
            "{}\n{BOLD}freed{BOLD:#}: {}, {}\n",
            words::instances(&done.freed),
            units::count(done.freed.len() as u64, "instance"),
            units::bytes(bytes)
        )
    };
    if !done.unknown.is_empty() {
        text += &format!("\n{BOLD}kept{BOLD:#}\n{}", words::instances(&done.unknown));
    }
    Ok(session.print(&text)?)
}
