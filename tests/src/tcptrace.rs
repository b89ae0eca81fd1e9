//! Figures of tcptrace about each direction of every TCP connection of a capture.

use crate::command::output_of;
use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command};

/// Sender and receiver.
pub type Ends = (SocketAddr, SocketAddr);

/// Figures by sender and receiver; several in the order of time if ports are reused. Names of columns are without the
/// suffixes `_a2b` and `_b2a` of tcptrace. Empty for a capture without TCP connections.
///
/// # Panics
/// When tcptrace is missing, fails, or has no such column.
pub fn figures<const N: usize>(capture: &Path, columns: [&str; N]) -> BTreeMap<Ends, Vec<[f64; N]>> {
    let text = output_of(Command::new("tcptrace").args(["-lr", "-n", "--csv"]).arg(capture));
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let names: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
    let mut figures = BTreeMap::new();
    for line in lines {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        let cell = |name: &str| {
            let at = names.iter().position(|one| *one == name);
            cells[at.unwrap_or_else(|| panic!("tcptrace has no column {name}"))]
        };
        let end = |host, port| {
            SocketAddr::new(
                cell(host).parse().expect("an address"),
                cell(port).parse().expect("a port"),
            )
        };
        let (a, b) = (end("host_a", "port_a"), end("host_b", "port_b"));
        for (from, to, way) in [(a, b, "a2b"), (b, a, "b2a")] {
            let number = |name: &str| cell(&format!("{name}_{way}")).parse::<f64>().expect("a number");
            figures
                .entry((from, to))
                .or_insert_with(Vec::new)
                .push(columns.map(number));
        }
    }
    figures
}
