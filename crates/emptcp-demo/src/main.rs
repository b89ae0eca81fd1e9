//! The demo: two emulated hosts, two paths, one real MPTCP transfer, steered by policies while it runs.
//!
//! * [`script`]: the timetable.
//! * [`policies`]: the policy files of the phases, and how they are put in force.
//! * [`run`]: the hosts, the transfer, and the course of events.
//! * [`samples`]: the measurements. [`verdict`]: compares them with the policies.
//! * [`table`]: the live table. [`chart`]: the picture.
//!
//! It ends with success only if the traffic did what the policies say.

mod chart;
mod policies;
mod run;
mod samples;
mod script;
mod table;
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run::demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
