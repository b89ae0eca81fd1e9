//! `emptcp show`.

use crate::{
    commands::chains,
    session::{BOLD, DIM, Session},
    table::Table,
    units, words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{Catalog, in_force::DeviceState, instance::Shown};

/// Show the policy set in force in full
#[derive(Args, Debug)]
#[command(
    long_about = "Show the policy set in force in full: where it is attached, every chain node by node, the rules of \
        the classifier, the sizes of the tables, and the policy file as it was applied.",
    after_long_help = "\
Examples:
  emptcp show
  emptcp show --source > policy.toml     get the file back

JSON:
  {\"name\", \"folder\", \"generation\", \"applied_at\" (seconds since 1970), \"source\",
   \"plan\": {\"policies\", \"rules\", \"features\", \"tables\"}, \"policy_ids\", \"tables\",
   \"attachments\": [{\"device\", \"ifindex\", \"direction\", \"kind\", \"link\", \"alive\", \"moved\",
     \"came_back\" (name of the device that has the programs under another index, or null)}],
   \"devices\": [{\"device\", \"direction\", \"state\", \"renamed_to\", \"moved\", \"came_back\", \"qdisc\"}] (as for `emptcp list`)}"
)]
pub(crate) struct Show {
    /// Only the policy file as it was applied
    #[arg(long)]
    source: bool,
}

impl Show {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let instance = session.instance()?;
        let shown = instance.show()?;
        if session.wants_json() {
            let mut answer = serde_json::to_value(&shown)?;
            answer["devices"] = serde_json::to_value(instance.devices(&crate::commands::catalog()?)?)?;
            return session.print_json(&answer);
        }
        if self.source {
            return Ok(session.print_raw(&shown.source)?);
        }
        let catalog = crate::commands::catalog()?;
        Ok(session.print(&in_full(&shown, &instance.devices(&catalog)?, &catalog))?)
    }
}

fn in_full(shown: &Shown, devices: &[DeviceState], catalog: &Catalog) -> String {
    let mut text = format!(
        "{BOLD}instance {}{BOLD:#}: policy set {}, applied {}\npinned at {}\n",
        shown.name,
        shown.generation,
        units::date(shown.applied_at),
        shown.folder.display(),
    );
    text += &format!("\n{BOLD}attached{BOLD:#}\n{}\n", attachments(shown).render(2));
    text += &format!("{BOLD}devices{BOLD:#}\n{}\n", states(devices).render(2));
    text += &chains::plan(&shown.plan, catalog);
    let tables = &shown.tables;
    text += &format!(
        "\n{BOLD}tables{BOLD:#}: {} flows, {} half-open, {} connections, {} states per element, {} of events for each CPU\n",
        tables.flows,
        tables.half_open,
        tables.connections,
        tables.state,
        units::bytes(u64::from(tables.events)),
    );
    text += &format!("\n{BOLD}source{BOLD:#}\n");
    for (number, line) in (1..).zip(shown.source.lines()) {
        text += &format!("{DIM}{number:>4}{DIM:#} {line}\n");
    }
    text
}

fn attachments(shown: &Shown) -> Table {
    let mut table = Table::new(&["device", ">index", "direction", "attached by", ">link", ""]);
    for attachment in &shown.attachments {
        table.row([
            attachment.device.clone().unwrap_or_else(|| "-".to_owned()),
            attachment.ifindex.to_string(),
            words::direction(attachment.direction).to_owned(),
            attachment.kind.name().to_owned(),
            attachment.link.map_or_else(|| "-".to_owned(), |link| link.to_string()),
            match (&attachment.device, attachment.alive) {
                _ if attachment.moved => "the device was moved to another network namespace".to_owned(),
                _ if attachment.came_back.is_some() => format!(
                    "{} came back with another index: the programs pass every packet; apply again",
                    attachment.came_back.as_deref().unwrap_or_default()
                ),
                (None, _) => "the device is gone".to_owned(),
                (_, false) => "the kernel no longer has it; apply again".to_owned(),
                (_, true) => String::new(),
            },
        ]);
    }
    table
}

fn states(devices: &[DeviceState]) -> Table {
    let mut table = Table::new(&["device", "direction", "state"]);
    for device in devices {
        table.row([
            device.device.clone(),
            words::direction(device.direction).to_owned(),
            match &device.qdisc {
                Some(qdisc) => format!("{}, root qdisc {qdisc} made for classes", device.words()),
                None => device.words(),
            },
        ]);
    }
    table
}
