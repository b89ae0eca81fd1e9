//! How the cost of a packet grows with the number of flows in the table.

use crate::{
    cases::{self, DEVICE},
    packets::{self, open_flow},
};
use anyhow::{Context, Result};
use emptcp::{
    Catalog,
    manifest::Hook,
    testrun::{Input, Sandbox},
};
use std::sync::Arc;

const FEW: u32 = 100;
const MANY: u32 = 1_000_000;
/// Ratio that must be kept, from the packet-plane specification.
const MUST: f64 = 1.5;
/// Flows whose packets are sent in turn: more than fit in the processor's caches.
const VISITED: u32 = 2_000;

/// Ports of one client; further flows are further clients.
fn place(flow: u32) -> (u16, u32) {
    (20_000 + (flow % 40_000) as u16, flow / 40_000)
}

/// Measures with a hundred flows and with a million.
pub(crate) fn measure(runs: usize, repeat: u32) -> Result<()> {
    let catalog = Arc::new(Catalog::built_in());
    let text = format!(
        "[tables]\nflows = {}\nconnections = 65536\n{}",
        MANY + MANY / 4,
        cases::policy(Hook::TcIngress, "ip.src in 203.0.113.0/24", &["count"])
    );
    let sandbox = Sandbox::new(
        cases::compile(&text, &catalog)?.plan(),
        Hook::TcIngress,
        &catalog,
        &[(DEVICE, 1)],
    )?;
    let mut costs = Vec::new();
    let mut opened = 0;
    for flows in [FEW, MANY] {
        for flow in opened..flows {
            let (port, client) = place(flow);
            open_flow(&sandbox, port, client)?;
        }
        opened = flows;
        let visited = VISITED.min(flows);
        let step = flows / visited;
        let each = (repeat / visited).max(1);
        let mut medians = Vec::new();
        for _ in 0..runs {
            let mut total = 0_u64;
            for index in 0..visited {
                let (port, client) = place(index * step);
                let packet = cases::pure_ack(port, client);
                total += u64::from(
                    sandbox
                        .run(&Input {
                            repeat: each,
                            ..Input::new(&packet)
                        })?
                        .duration_ns,
                );
            }
            medians.push(u32::try_from(total / u64::from(visited)).context("a mean that is no number of ns")?);
        }
        costs.push(packets::median(&mut medians));
    }
    let present = sandbox.records()?.len();
    let ratio = f64::from(costs[1]) / f64::from(costs[0].max(1));
    println!(
        "\nflow table: {FEW} flows {} ns, {present} flows {} ns a packet, ratio {ratio:.2} (must be <= {MUST}{})",
        costs[0],
        costs[1],
        if ratio <= MUST { ": kept" } else { ": MISSED" }
    );
    Ok(())
}
