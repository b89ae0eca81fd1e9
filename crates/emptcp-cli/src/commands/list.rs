//! `emptcp list`.

use crate::{commands::words, session::Session, table::Table, units};
use anyhow::Result;
use clap::Args;
use emptcp::{Catalog, Error, Instance, stats::Stats};
use serde_json::json;

/// List the policies in force
#[derive(Args, Debug)]
#[command(
    long_about = "List the policies in force in this network namespace, one per line, with what they have matched: \
        of all instances, or of the one that --instance names.",
    after_long_help = "\
Example:
  emptcp list

JSON:
  [{\"instance\", \"policy\", \"id\", \"direction\", \"devices\", \"matched\": {\"packets\", \"bytes\"}}]
  \"packets\" are segments on the wire."
)]
pub(crate) struct List {}

impl List {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        session.enter_netns()?;
        let all = collect(session)?;
        let policies = || {
            all.iter()
                .flat_map(|stats| stats.policies.iter().map(move |policy| (stats, policy)))
        };
        if session.wants_json() {
            let entries = policies().map(|(stats, policy)| {
                json!({
                    "instance": stats.instance,
                    "policy": policy.name,
                    "id": policy.id,
                    "direction": policy.direction,
                    "devices": policy.devices,
                    "matched": policy.matched,
                })
            });
            return session.print_json(&entries.collect::<Vec<_>>());
        }
        let mut table = Table::new(&["instance", "policy", "direction", "devices", ">segments", ">bytes"]);
        for (stats, policy) in policies() {
            table.row([
                stats.instance.clone(),
                policy.name.clone(),
                words::direction(policy.direction).to_owned(),
                policy.devices.join(", "),
                policy.matched.packets.to_string(),
                units::bytes(policy.matched.bytes),
            ]);
        }
        let text = if table.is_empty() {
            "no policy is in force here\n".to_owned()
        } else {
            table.render(0)
        };
        Ok(session.print(&text)?)
    }
}

fn collect(session: &Session) -> Result<Vec<Stats>> {
    let catalog = Catalog::load()?;
    if let Some(name) = session.named_instance() {
        let instance = Instance::open(name)?;
        return Ok(vec![instance.stats(&catalog)?]);
    }
    let mut all = Vec::new();
    for name in Instance::list()? {
        match Instance::open(&name).and_then(|instance| instance.stats(&catalog)) {
            Ok(stats) => all.push(stats),
            // Removed meanwhile, or nothing is in force in it yet.
            Err(Error::NoInstance { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}
