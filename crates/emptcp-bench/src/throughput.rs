//! MPTCP over a veth pair, with a policy that counts every packet on both ends and without any, in turn.

use anyhow::{Result, anyhow};
use emptcp_kernel::{ApplyOptions, Catalog, netns};
use emptcp_lab::{Direction, Host, Lab, Path};
use std::time::Duration;

const PAIRS: usize = 5;
const SECONDS: u64 = 3;
/// Ratio that must be kept with tc, from the issue's list of targets.
const MUST: f64 = 0.97;
const INSTANCE: &str = "bench";

const POLICY: &str = r#"
[[policy]]
name = "everything-in"
device = "path1"
hook = "ingress"
attach = "tc"
do = ["count"]

[[policy]]
name = "everything-out"
device = "path1"
hook = "egress"
do = ["count"]
"#;

fn transfer(lab: &Lab) -> Result<f64> {
    let report = lab
        .bulk()
        .duration(Duration::from_secs(SECONDS))
        .direction(Direction::Upload)
        .verify(false)
        .run()?;
    let stream = report.upload.ok_or_else(|| anyhow!("the transfer reported nothing"))?;
    Ok(stream.goodput())
}

fn apply(host: &Host, catalog: &Catalog) -> Result<()> {
    let plan = emptcp_plan::compile("bench.toml", POLICY, &catalog.manifests()).map_err(|e| anyhow!("{e}"))?;
    netns::within(host.netns().name(), || {
        emptcp_kernel::apply(INSTANCE, &plan, POLICY, catalog, &ApplyOptions::default())
    })??;
    Ok(())
}

fn remove(host: &Host) -> Result<()> {
    netns::within(host.netns().name(), || emptcp_kernel::remove(INSTANCE))??;
    Ok(())
}

/// Prints the median of the paired ratios.
pub(crate) fn measure() -> Result<()> {
    let catalog = Catalog::built_in();
    let lab = Lab::builder().path(Path::direct()).build()?;
    println!("\nthroughput over veth, tc at both ends, {PAIRS} pairs of {SECONDS} s:");
    let mut ratios = Vec::new();
    transfer(&lab)?;
    for pair in 0..PAIRS {
        let without = transfer(&lab)?;
        for host in [lab.client(), lab.server()] {
            apply(host, &catalog)?;
        }
        let with = transfer(&lab);
        for host in [lab.client(), lab.server()] {
            remove(host)?;
        }
        let with = with?;
        println!(
            "  {}: without {without:.0} Mbit/s, with {with:.0} Mbit/s, ratio {:.3}",
            pair + 1,
            with / without
        );
        ratios.push(with / without);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    println!(
        "  median ratio {ratio:.3} (must be >= {MUST}{})",
        if ratio >= MUST { ": kept" } else { ": MISSED" }
    );
    Ok(())
}
