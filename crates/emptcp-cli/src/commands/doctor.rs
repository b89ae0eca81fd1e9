//! `emptcp doctor`.

use crate::{
    advice, progress,
    session::{BOLD, GREEN, RED, Session},
    table::Table,
};
use anyhow::Result;
use clap::Args;

/// Show what this kernel offers and why it matters
#[derive(Args, Debug)]
#[command(
    long_about = "Show what this kernel offers, tested rather than guessed from its version, and why it matters. \
        Changes nothing: tests run in a network namespace of their own. What needs a missing right is reported as not tested. The exit status \
        is 0 for every result.",
    after_long_help = "\
Example:
  emptcp doctor

JSON:
  {\"kernel\", \"usable\", \"features\": [{\"name\", \"available\", \"detail\", \"consequence\"}]}
  available: null if a right for the test is missing"
)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let namespace = session.namespace()?;
        let mut report = progress::during("trying out", || namespace.probe())?;
        if let Some(advice) = report.hidden.as_ref().and_then(advice::on_bpffs) {
            let bpffs = report.features.iter_mut().filter(|feature| feature.name == "bpffs");
            bpffs.for_each(|feature| feature.detail += &format!("; {advice}"));
        }
        if session.wants_json() {
            return session.print_json(&report);
        }
        let mut table = Table::new(&["feature", "available", "found", "why it matters"]).wrapped();
        for feature in &report.features {
            table.row([
                feature.name.to_owned(),
                match feature.available {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "unknown",
                }
                .to_owned(),
                // Of a verifier log, only the first line.
                feature.detail.lines().next().unwrap_or_default().to_owned(),
                feature.consequence.to_owned(),
            ]);
        }
        let verdict = if report.usable {
            format!("{GREEN}emptcp works here{GREEN:#}")
        } else {
            format!("{RED}emptcp does not work here{RED:#}: see what is not available")
        };
        let untried = report.features.iter().any(|feature| feature.available.is_none());
        let root = if untried {
            "; some tests need CAP_SYS_ADMIN or more: run it as root with all capabilities to test everything"
        } else {
            ""
        };
        Ok(session.print(&format!(
            "{BOLD}Linux {}{BOLD:#}: {verdict}{root}\n\n{}",
            report.kernel,
            table.render(0)
        ))?)
    }
}
