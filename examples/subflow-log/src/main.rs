//! Logs every MPTCP subflow that comes or goes, one JSON object per line, for as long as it runs.
//!
//! ```text
//! subflow-log DEVICE [NAMESPACE]
//! ```

use emptcp::{Apply, ErrorKind, Instance, Namespace, Policies};
use std::{env, error::Error};

/// In force while the program runs. Policies of other names are left alone. What a killed program leaves in force, the
/// next one replaces and removes.
struct InForce(Instance);

impl Drop for InForce {
    fn drop(&mut self) {
        match self.0.remove() {
            Err(error) if error.kind() != ErrorKind::NoInstance => eprintln!("the policy could not be removed: {error}"),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
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
    let instance = namespace.instance("subflow-log").apply(&policies, Apply::new())?.instance;
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
