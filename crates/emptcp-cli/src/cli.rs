//! The command line.

use crate::{
    commands,
    failure::{self, How},
    session::{Global, Session},
};
use clap::{Parser, Subcommand};
use std::{ffi::OsString, process::ExitCode};

/// Programmable Multipath TCP on a stock Linux kernel.
#[derive(Debug, Parser)]
#[command(
    name = "emptcp",
    version,
    long_about = "Programmable Multipath TCP on a stock Linux kernel.\n\n\
        You write a policy file; `emptcp apply` compiles it to small BPF programs, and the MPTCP traffic that passes \
        your devices obeys at once. No process has to keep running.",
    after_long_help = "\
Examples:
  emptcp doctor                     what does this kernel offer?
  emptcp check policy.toml          find mistakes, change nothing
  emptcp apply policy.toml          put the file in force, all of it or nothing
  emptcp stats --watch 1            see what it does
  emptcp remove                     take it back; packets pass untouched again
  emptcp trace analyze a.pcap       what happened in these connections?

Exit status:
  0  done
  1  failure; whatever was in force stays in force
  2  the command line or the policy file is wrong
  3  done, but the result could not be written

Environment:
  EMPTCP_ELEMENTS  folder of installed elements, instead of /var/lib/emptcp/elements
  EMPTCP_LOG       what to log to stderr, as in `debug` or `libbpf=debug`
  NO_COLOR         when set, no colours"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(commands::apply::Apply),
    Check(commands::check::Check),
    List(commands::list::List),
    Show(commands::show::Show),
    Stats(commands::stats::Stats),
    Flows(commands::flows::Flows),
    Monitor(commands::monitor::Monitor),
    Remove(commands::remove::Remove),
    Elements(commands::elements::Elements),
    Element(commands::element::Element),
    Sdk(commands::sdk::Sdk),
    Doctor(commands::doctor::Doctor),
    Trace(commands::trace::Trace),
}

/// Reads the command line and runs the command.
pub(crate) fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        // clap has failed, so `--json` is searched in the arguments.
        Err(error) => return failure::usage(&error, arguments.iter().any(|argument| argument == "--json")),
    };
    let how = How {
        json: cli.global.json,
        verbose: cli.global.verbose,
        netns: cli.global.netns.clone(),
    };
    let done = Session::new(cli.global).and_then(|mut session| cli.command.run(&mut session));
    done.map_or_else(|error| failure::report(&error, &how), |()| ExitCode::SUCCESS)
}

impl Command {
    fn run(self, session: &mut Session) -> anyhow::Result<()> {
        match self {
            Self::Apply(command) => command.run(session),
            Self::Check(command) => command.run(session),
            Self::List(command) => command.run(session),
            Self::Show(command) => command.run(session),
            Self::Stats(command) => command.run(session),
            Self::Flows(command) => command.run(session),
            Self::Monitor(command) => command.run(session),
            Self::Remove(command) => command.run(session),
            Self::Elements(command) => command.run(session),
            Self::Element(command) => command.run(session),
            Self::Sdk(command) => command.run(session),
            Self::Doctor(command) => command.run(session),
            Self::Trace(command) => command.run(session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }
}
