//! `emptcp remove`.

use crate::{
    commands::words,
    session::{BOLD, Session},
};
use anyhow::Result;
use clap::Args;

/// Take the policies out of force and remove everything that belongs to them
#[derive(Args, Debug)]
#[command(
    long_about = "Take the policies of this instance out of force: programs, tables and counters go, and the traffic \
        runs as before. Asks nothing. Filters and programs of others are left alone.",
    after_long_help = "\
Examples:
  emptcp remove
  emptcp remove --instance lab

JSON:
  {\"instance\", \"detached\": [{\"device\", \"direction\", \"kind\"}]}"
)]
pub(crate) struct Remove {}

impl Remove {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        session.enter_netns()?;
        let removed = emptcp::remove(session.instance())?;
        if session.wants_json() {
            return session.print_json(&removed);
        }
        let mut text = String::new();
        for spot in &removed.detached {
            text += &format!(
                "detached from {} {} ({})\n",
                spot.device,
                words::direction(spot.direction),
                spot.kind.name()
            );
        }
        text += &format!("{BOLD}instance {}{BOLD:#} is removed\n", removed.instance);
        Ok(session.print(&text)?)
    }
}
