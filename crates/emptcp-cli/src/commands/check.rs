//! `emptcp check`.

use crate::{
    commands::{chains, in_force, policy_file},
    session::{GREEN, Session},
    table::Table,
    units, words,
};
use anyhow::Result;
use clap::Args;
use emptcp::plan::PolicyPlan;
use serde_json::json;
use std::path::PathBuf;

/// Find the mistakes of a policy file; changes nothing, needs no rights
#[derive(Args, Debug)]
#[command(
    override_usage = "emptcp check [OPTIONS] <FILE>\n       emptcp check [OPTIONS] --in-force",
    long_about = "Find the mistakes of a policy file: each with line, column, what was found and what would be \
        accepted. Changes nothing, asks the kernel nothing and needs no rights; whether the devices exist and what \
        the verifier says, `emptcp apply --dry-run` checks.\n\n\
        With --in-force and no file, ask the kernel instead whether every device of the policies in force really runs \
        them: a device may be gone, or created again under its old name with nothing attached. The exit status is 1 when \
        one does not, or when nothing is in force; suitable for a monitoring system.",
    after_long_help = "\
Examples:
  emptcp check policy.toml
  emptcp check --in-force       does every device still run its policies?

JSON:
  {\"file\", \"policies\": [{\"name\", \"direction\", \"devices\", \"attach\", \"hooks\", \"elements\",
   \"longest_path\"}], \"rules\", \"tables\": {\"flows\", \"half_open\", \"connections\", \"state\", \"events\"},\n   \"memory\" (bytes that the tables take), \"warnings\"}
  With --plan also \"plan\". For a wrong file, with exit status 2:
  {\"error\": {\"kind\": \"policy_file\", \"message\", \"diagnostics\":
   [{\"source\", \"line\", \"column\", \"width\", \"message\", \"help\", \"text\",
     \"corrected\" (the corrected line; null: not known)}]}}
  With --in-force: {\"devices\": [{\"instance\", \"device\", \"direction\", \"state\", \"renamed_to\", \"moved\", \"came_back\", \"qdisc\"}]}; when one is off, with exit
  status 1: {\"error\": {\"kind\": \"not_in_force\", \"message\", \"devices\"}}, the devices that are off"
)]
pub(crate) struct Check {
    /// The policy file; `-` is the standard input
    #[arg(required_unless_present = "in_force")]
    file: Option<PathBuf>,
    /// Ask whether every device still runs the policies in force
    #[arg(long, conflicts_with_all = ["file", "plan"])]
    in_force: bool,
    /// Show the compiled plan too: rules and chains
    #[arg(long)]
    plan: bool,
}

impl Check {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let Some(path) = self.file.as_deref().filter(|_| !self.in_force) else {
            return in_force::check(session);
        };
        let policies = policy_file::read(path)?;
        let plan = policies.plan();
        let memory = policies.memory()?;
        let warnings = policies.warnings()?;
        if session.wants_json() {
            let mut answer = json!({
                "file": path.display().to_string(),
                "policies": policies.iter().map(summary).collect::<Vec<_>>(),
                "rules": plan.rules.len(),
                "tables": plan.tables,
                "memory": memory,
                "warnings": warnings,
            });
            if self.plan {
                answer["plan"] = json!(plan);
            }
            return session.print_json(&answer);
        }
        let mut table = Table::new(&[
            "policy",
            "direction",
            "devices",
            "attach",
            "can run at",
            ">elements",
            ">longest path",
        ]);
        for policy in policies.iter() {
            table.row([
                policy.name.clone(),
                words::direction(policy.direction).to_owned(),
                policy.devices.join(", "),
                words::attach(policy.attach).to_owned(),
                words::hooks(&policy.hooks),
                policy.nodes.len().to_string(),
                policy.longest_path.to_string(),
            ]);
        }
        let mut text = table.render(0);
        if self.plan {
            text += &format!("\n{}", chains::plan(plan, policies.elements()));
        }
        text += &format!(
            "\n{GREEN}ok{GREEN:#}: {}: {} and {}; the tables take {}\n",
            path.display(),
            units::count_of(plan.policies.len(), "policy", "policies"),
            units::count_of(plan.rules.len(), "rule of the classifier", "rules of the classifier"),
            units::bytes(memory)
        );
        text += &words::warnings(&warnings);
        Ok(session.print(&text)?)
    }
}

fn summary(policy: &PolicyPlan) -> serde_json::Value {
    json!({
        "name": policy.name,
        "direction": policy.direction,
        "devices": policy.devices,
        "attach": policy.attach,
        "hooks": policy.hooks,
        "elements": policy.nodes.len(),
        "longest_path": policy.longest_path,
    })
}
