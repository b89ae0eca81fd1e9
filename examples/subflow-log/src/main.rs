//! Logs every MPTCP subflow that comes or goes, one JSON object per line. A subflow that begins is seen in both
//! directions, and each direction has an event for it.
//!
//! ```text
//! subflow-log DEVICE [NAMESPACE]
//! ```

use emptcp::{Apply, ErrorKind, Instance, Namespace, Policies};
use std::{env, error::Error, process::ExitCode};

/// In force while the program runs. Policies of other names are left alone. Ctrl-C or a kill leaves the policy in
/// force; `emptcp --instance subflow-log remove` takes it away, and the next run replaces it.
struct InForce(Instance);

impl Drop for InForce {
    fn drop(&mut self) {
        match self.0.remove() {
            Err(error) if error.kind() != ErrorKind::NoInstance => {
                eprintln!("the policy could not be removed: {error}")
            }
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("subflow-log: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let device = arguments.next().ok_or("usage: subflow-log DEVICE [NAMESPACE]")?;
    let namespace = match arguments.next() {
        Some(name) => Namespace::find(&name)?,
        None => Namespace::current()?,
    };
    let policies = Policies::parse(
        "subflow-log",
        &format!(
            r#"
                [[policy]]
                name   = "log"
                device = "{device}"
                hook   = ["ingress", "egress"]
                do     = ["get_connect", "get_subflow"]
            "#
        ),
    )?;
    let instance = namespace
        .instance("subflow-log")
        .apply(&policies, Apply::new())?
        .instance;
    let in_force = InForce(instance);
    // Ends when somebody removes the instance, or when its reader goes away.
    for event in in_force.0.events()? {
        let line = serde_json::to_string(&event?)?;
        if writeln(&line).is_err() {
            break;
        }
    }
    Ok(())
}

fn writeln(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
