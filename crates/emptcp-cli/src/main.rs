//! The `emptcp` command.
//!
//! * [`cli`]: the command line; [`commands`]: one file per command.
//! * [`session`]: what all commands share: the output, the instance, `--json`.
//! * [`failure`]: reports an error as text, JSON and exit code; [`not_in_force`]: an error with devices; [`advice`]:
//!   what to type next.
//! * [`table`], [`units`], [`words`], [`progress`], [`watch`]: parts of the output.

mod advice;
mod cli;
mod commands;
mod document;
mod failure;
mod not_in_force;
mod progress;
mod session;
mod table;
mod units;
mod watch;
mod words;

fn main() -> std::process::ExitCode {
    cli::run()
}
