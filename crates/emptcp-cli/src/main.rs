//! The `emptcp` command.
//!
//! * [`cli`]: the command line; [`commands`]: one file per command.
//! * [`session`]: what all commands share: the output, the instance, `--json`.
//! * [`failure`]: an error in words, as JSON and as exit code.
//! * [`table`], [`units`], [`progress`], [`watch`]: how things are shown.

mod cli;
mod commands;
mod failure;
mod progress;
mod session;
mod table;
mod units;
mod watch;

fn main() -> std::process::ExitCode {
    cli::run()
}
