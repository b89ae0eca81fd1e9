//! `emptcp list`.

use crate::{
    advice,
    session::{Session, YELLOW},
    table::Table,
    units, words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{ErrorKind, MovedHere, model::Stats, stale};
use serde_json::{Value, json};

/// List the policies in force
#[derive(Args, Debug)]
#[command(
    long_about = "List the policies in force in this network namespace, one per line, with what they have matched: \
        of all instances, or of the one that --instance names. A device that does not run its policies is marked: it is \
        gone, not attached, or was created again; `emptcp apply` attaches again. A renamed device still runs its \
        policies. One that was moved to another network namespace may obey them there: `emptcp remove`, or `emptcp apply` of a file \
        without it, detaches it.\n\n\
        With --all, the instances of all network namespaces, one per line: `live`; `dead`, when the namespace is gone \
        and `emptcp remove --stale` would free it; `unknown`, when neither is proved and it stays.",
    after_long_help = "\
Examples:
  emptcp list
  emptcp list --all          what uses memory, also for namespaces that are gone?

JSON:
  [{\"instance\", \"namespace\", \"policy\", \"id\", \"direction\", \"devices\",
   \"device_states\": [{\"device\", \"direction\", \"state\", \"renamed_to\" (null: it was not), \"moved\",
     \"came_back\" (from another namespace, with another index and the same programs), \"qdisc\" (root qdisc that emptcp made for classes, or null)}],
   \"matched\": {\"packets\", \"bytes\"}}]
  state: \"attached\" | \"renamed\" (and in force) | \"gone\" | \"moved\" (to another network namespace, where its
    policies still act) | \"moved_idle\" (there, but with another index: no policy acts) | \"not_attached\" |
    \"created_again\" | \"qdisc_replaced\" | \"class_changed\" (of that qdisc)
  \"packets\" are segments on the wire. \"namespace\" is null; for a device that was moved here with the programs of another
  namespace's instance it is the inode number of that namespace, \"policy\", \"id\" and \"matched\" are null, and state is
  \"moved_here\" or \"moved_here_idle\".
  With --all: [{\"namespace\" (inode number), \"netns\" (name, or null), \"instance\",
   \"state\": \"live\" | \"dead\" | \"unknown\", \"why\",
   \"held_by\": [{\"pid\", \"command\"}] (for a live one without a name, at most 8 processes), \"policies\" (names; null: not readable), \"bytes\"}]"
)]
pub(crate) struct List {
    /// The instances of all network namespaces, dead ones too
    #[arg(long)]
    all: bool,
}

impl List {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        if self.all {
            return everywhere(session);
        }
        let all = collect(session)?;
        let moved = match session.named_instance() {
            Some(_) => Vec::new(),
            None => session.namespace()?.moved_here()?,
        };
        let policies = || {
            all.iter()
                .flat_map(|stats| stats.policies.iter().map(move |policy| (stats, policy)))
        };
        if session.wants_json() {
            let entries = policies().map(|(stats, policy)| {
                json!({
                    "instance": stats.instance,
                    "namespace": null,
                    "policy": policy.name,
                    "id": policy.id,
                    "direction": policy.direction,
                    "devices": policy.devices,
                    "device_states": words::states_of(policy, &stats.devices),
                    "matched": policy.matched,
                })
            });
            return session.print_json(&entries.chain(moved.iter().map(foreign)).collect::<Vec<_>>());
        }
        let mut table = Table::new(&["instance", "policy", "direction", "devices", ">segments", ">bytes"]);
        for (stats, policy) in policies() {
            table.row([
                stats.instance.clone(),
                policy.name.clone(),
                words::direction(policy.direction).to_owned(),
                words::devices(policy, &stats.devices),
                policy.matched.packets.to_string(),
                units::bytes(policy.matched.bytes),
            ]);
        }
        let text = if table.is_empty() {
            "no policy is in force here\n".to_owned()
        } else {
            table.render(0)
        };
        Ok(session.print(&(text + &moved.iter().map(foreign_text).collect::<String>()))?)
    }
}

/// A device with the programs of another namespace's instance, as an entry of the list.
fn foreign(moved: &MovedHere) -> Value {
    json!({
        "instance": moved.instance,
        "namespace": moved.namespace,
        "policy": null,
        "id": null,
        "direction": moved.direction,
        "devices": [moved.device],
        "device_states": [{
            "device": moved.device,
            "direction": moved.direction,
            "state": if moved.acts { "moved_here" } else { "moved_here_idle" },
            "renamed_to": null,
            "moved": true,
            "came_back": false,
            "qdisc": null,
        }],
        "matched": null,
    })
}

/// The same as text, with what to do.
fn foreign_text(moved: &MovedHere) -> String {
    let namespace = match &moved.netns {
        Some(name) => format!("`{name}`"),
        None => moved.namespace.to_string(),
    };
    format!(
        "{YELLOW}warning:{YELLOW:#} {} {} {} instance `{}` of network namespace {namespace}, from where it was moved; \
         `emptcp remove` there detaches it\n",
        moved.device,
        words::direction(moved.direction),
        if moved.acts {
            "obeys the policies of"
        } else {
            "has the programs of"
        },
        moved.instance,
    )
}

fn everywhere(session: &Session) -> Result<()> {
    let mut all = stale::everywhere()?;
    all.retain(|found| session.named_instance().is_none_or(|name| name == found.instance));
    if session.wants_json() {
        return session.print_json(&all);
    }
    let text = if all.is_empty() {
        match session.named_instance() {
            Some(name) => format!("there is no instance `{name}` in any network namespace\n"),
            None => "there is no instance in any network namespace\n".to_owned(),
        }
    } else {
        words::instances(&all)
    };
    Ok(session.print(&text)?)
}

fn collect(session: &Session) -> Result<Vec<Stats>> {
    let catalog = crate::commands::catalog()?;
    let mut all = Vec::new();
    for instance in session.instances()? {
        match instance.stats(&catalog) {
            Ok(stats) => all.push(stats),
            Err(error) if session.named_instance().is_some() => return Err(error.into()),
            // It was removed in the meantime.
            Err(error) if error.kind() == ErrorKind::NoInstance => {}
            // The rest is still listed.
            Err(error) if error.kind() == ErrorKind::NothingInForce => session.warn(&advice::in_full(&error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}
