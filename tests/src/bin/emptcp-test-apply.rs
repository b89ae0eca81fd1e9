//! Applies a policy file in a network namespace, for tests that kill it: `emptcp-test-apply NETNS FILE`.

use emptcp_packet::{ApplyOptions, Catalog, instance::DEFAULT};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(netns), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: emptcp-test-apply NETNS FILE".into());
    };
    emptcp_host::namespace::enter(&netns)?;
    let text = std::fs::read_to_string(&file)?;
    let catalog = Catalog::load()?;
    let plan = emptcp_plan::compile(&file, &text, &catalog.manifests())?;
    emptcp_packet::apply(DEFAULT, &plan, &text, &catalog, &ApplyOptions::default())?;
    Ok(())
}
