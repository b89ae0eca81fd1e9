//! `cargo xtask fuzz`: flow records against their model, on random packets.

use crate::packages::{self, Purpose};
use crate::process::Invocation;
use crate::report;

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Packets at each hook
    #[arg(long, default_value_t = 10_000_000)]
    packets: u64,
    /// The first sequence of packets; a difference names the seed that shows it again
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this hook
    #[arg(long, value_name = "HOOK", value_parser = HOOKS)]
    hook: Option<String>,
}

const HOOKS: [&str; 3] = ["xdp", "ingress", "egress"];

/// Compares at every hook that is asked for, one after the other; stops at the first difference.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !crate::is_root() {
        anyhow::bail!("this loads BPF programs: run it as root");
    }
    report::section("setup", "packages that the build needs", || {
        packages::install(Purpose::Build)
    })?;
    let program = [
        "--quiet",
        "--locked",
        "--package",
        "emptcp-tests",
        "--bin",
        "emptcp-test-fuzz",
    ];
    let hooks = HOOKS
        .into_iter()
        .filter(|hook| arguments.hook.as_deref().is_none_or(|only| only == *hook));
    for hook in hooks {
        report::section("fuzz", &format!("records against their model at {hook}"), || {
            Invocation::cargo(["run"])
                .arguments(program)
                .arguments(["--", hook])
                .arguments([arguments.seed.to_string(), arguments.packets.to_string()])
                .run()
        })?;
    }
    Ok(())
}
