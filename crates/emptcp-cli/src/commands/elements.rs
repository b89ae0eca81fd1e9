//! `emptcp elements`.

use crate::{
    failure::Note,
    session::{BOLD, Session},
    table::Table,
    words,
};
use anyhow::Result;
use clap::Args;
use emptcp::element::{self, ElementInfo};
use emptcp::manifest::Need;
use emptcp::{nearest, values, visible};

/// List the elements that policies can use
#[derive(Args, Debug)]
#[command(
    long_about = "List the selectors and actors that policies can use, those of emptcp and those that were installed \
        by `emptcp element install`; or explain the ones that are named, with their arguments and counters.",
    after_long_help = "\
Examples:
  emptcp elements
  emptcp elements rate_limit mark

JSON:
  [{\"name\", \"kind\": \"selector\" | \"actor\", \"summary\", \"hooks\", \"folder\" (null: shipped),
    \"manifest\": {...}}]"
)]
pub(crate) struct Elements {
    /// Explain these
    names: Vec<String>,
}

impl Elements {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        super::catalog()?;
        let mut all = element::list()?;
        if !self.names.is_empty() {
            if let Some(unknown) = self
                .names
                .iter()
                .find(|name| !all.iter().any(|info| info.name == **name))
            {
                return Err(not_there(unknown, &all));
            }
            all.retain(|info| self.names.contains(&info.name));
        }
        if session.wants_json() {
            return session.print_json(&all);
        }
        let text = if self.names.is_empty() {
            table(&all).render(0)
        } else {
            all.iter().map(explain).collect::<Vec<_>>().join("\n")
        };
        Ok(session.print(&text)?)
    }
}

/// There is no such element; suggests a similar name.
fn not_there(name: &str, all: &[ElementInfo]) -> anyhow::Error {
    let error = anyhow::Error::from(emptcp::PacketError::UnknownElement(name.to_owned()));
    match nearest(name, all.iter().map(|info| info.name.as_str())) {
        Some(near) => error.context(Note(format!("did you mean `{near}`?"))),
        None => error,
    }
}

/// Name, kind, hooks, origin, summary.
pub(crate) fn table(elements: &[ElementInfo]) -> Table {
    let mut table = Table::new(&["element", "kind", "runs at", "from", "summary"]).wrapped();
    for info in elements {
        table.row([
            info.name.clone(),
            words::kind(info.kind).to_owned(),
            words::hooks(&info.hooks),
            info.folder.as_ref().map_or("emptcp", |_| "installed").to_owned(),
            info.summary.clone(),
        ]);
    }
    table
}

fn explain(info: &ElementInfo) -> String {
    let mut text = format!(
        "{BOLD}{}{BOLD:#} ({}): {}\n  runs at {}\n",
        info.name,
        words::kind(info.kind),
        visible(&info.summary),
        words::hooks(&info.hooks)
    );
    if let Some(folder) = &info.folder {
        text += &format!("  installed in {}\n", visible(&folder.display().to_string()));
    }
    if !info.manifest.arguments.is_empty() {
        let mut table = Table::new(&["argument", "default", "value", "meaning"]).wrapped();
        for argument in &info.manifest.arguments {
            table.row([
                argument.name.clone(),
                argument.default.clone().unwrap_or_else(|| "needed".to_owned()),
                values::describe(argument),
                argument.help.clone(),
            ]);
        }
        text += &table.render(2);
    }
    if !info.manifest.fields.is_empty() {
        let fields = info.manifest.fields.iter().map(|field| {
            let name = visible(&field.name);
            match field.aliases.as_slice() {
                [] => name.to_string(),
                aliases => format!("{name} (elsewhere {})", visible(&aliases.join(", "))),
            }
        });
        text += &format!("  conditions test {}\n", fields.collect::<Vec<_>>().join(", "));
    }
    if !info.manifest.needs.is_empty() {
        let needs = info.manifest.needs.iter().map(|need| match need {
            Need::FlowView => "the record of the subflow",
            Need::Connection => "the record of the connection",
            Need::Class => "a class of its own in the queue of the device",
        });
        text += &format!("  needs {}\n", needs.collect::<Vec<_>>().join(", "));
    }
    if !info.manifest.counters.is_empty() {
        let counters = info.manifest.counters.iter();
        let counters = counters.map(|counter| format!("{} ({})", counter.name, counter.unit.word()));
        text += &format!("  counts {}\n", counters.collect::<Vec<_>>().join(", "));
    }
    text
}
