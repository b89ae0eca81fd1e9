//! The `emptcp` command.
//!
//! * [`cli`]: the command line; [`commands`]: one file per command.
//! * [`session`]: what all commands share: the output, the instance, `--json`.
//! * [`failure`]: an error in words, as JSON and as exit code; [`not_in_force`]: one that holds devices; [`advice`]:
//!   what to type about it.
//! * [`table`], [`units`], [`words`], [`progress`], [`watch`]: how things are shown.

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
