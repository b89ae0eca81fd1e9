//! Applies a policy file in a network namespace, for tests that kill it: `emptcp-test-apply NETNS FILE`.

use emptcp::{ApplyOptions, Catalog, instance::DEFAULT};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(netns), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: emptcp-test-apply NETNS FILE".into());
    };
    emptcp::netns::enter(&netns)?;
    let text = std::fs::read_to_string(&file)?;
    let catalog = Catalog::load()?;
    let plan = emptcp::compile(&file, &text, &catalog.manifests())?;
    emptcp::apply(DEFAULT, &plan, &text, &catalog, &ApplyOptions::default())?;
    Ok(())
}
