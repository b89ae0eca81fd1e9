//! `emptcp stats`.

use crate::{
    session::{BOLD, Session},
    table::Table,
    units,
    watch::{Frame, Watch},
    words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{
    manifest::Unit,
    model::{NamedCounter, PolicyStats, Stats as Counters},
};
use std::time::Instant;

/// Show what was counted: per policy and element, by the core, and in the tables
#[derive(Args, Debug)]
#[command(
    long_about = "Show what was counted: for every policy what it matched and what each of its elements did or why \
        it did not, the counters of the core with their meaning, and how full the tables are. Policies and elements count segments \
        as on the wire, so an aggregate (GRO, TSO) counts as its segments, and what an element does once per packet, \
        such as emitting an event, counts once. The core counts packets as the hook sees them: an aggregate is one. \
        Bytes are TCP payload.\n\n\
        The core counts from when the instance was made until `emptcp remove`; a policy and its elements keep counting across an `emptcp \
        apply` that does not change the policy; a new or changed policy begins at 0.",
    after_long_help = "\
Examples:
  emptcp stats
  emptcp stats --watch 1
  emptcp stats --nonzero --json

JSON:
  {\"instance\", \"generation\", \"core\": {NAME: count},
   \"devices\": [{\"device\", \"direction\", \"state\", \"renamed_to\", \"moved\", \"came_back\", \"qdisc\"}] (as for `emptcp list`),
   \"policies\": [{\"name\", \"id\", \"direction\", \"devices\", \"matched\": {\"packets\", \"bytes\"},
     \"elements\": [{\"element\", \"source\", \"counters\": [{\"name\", \"unit\", \"packets\", \"bytes\"}]}]}],
   \"tables\": [{\"name\", \"used\", \"size\", \"evicted\" (null: not known)}]}
  \"packets\" of a counter is the count, in its \"unit\": \"segments\" | \"packets\" | \"events\"; of \"matched\" it is segments.
  With --nonzero, counters and tables that are 0 are left out."
)]
pub(crate) struct Stats {
    #[command(flatten)]
    watch: Watch,
    /// Leave out what is zero
    #[arg(long)]
    nonzero: bool,
}

/// The core's counters in words: what is counted, then the consequence.
const CORE: &[(&str, &str)] = &[
    ("not_tcp", "packets that are not Ethernet, IP or TCP: passed"),
    ("fragment", "IP fragments: passed unread"),
    ("malformed", "packets shorter than their headers say: passed"),
    ("untracked", "TCP packets of no known MPTCP subflow: passed"),
    ("tracked", "packets of a known subflow"),
    (
        "selected",
        "packets of a subflow that some policy applies to: its chains ran",
    ),
    (
        "resolved",
        "times that the policies of a subflow were looked up: once for each policy set and direction",
    ),
    ("flow_new", "subflows whose SYN or SYN-ACK was seen"),
    (
        "flow_established",
        "subflows that were seen to be established; what `apply` takes over from sockets is not counted, unless packets showed it before",
    ),
    ("flow_closed", "subflows closed by FIN or RST"),
    (
        "flow_failed",
        "times that the table had no room for a subflow: its packets passed; set a larger `flows` in [tables]",
    ),
    ("connection_new", "connections seen"),
    (
        "connection_unknown",
        "MP_JOINs to a connection that is not known: it began before the policies, or elsewhere",
    ),
    (
        "chain_broken",
        "packets for which a chain ended early: passed; stays 0, but when a device changes between tcx and clsact, or between native and generic XDP",
    ),
    ("truncated", "packets whose headers could not be read: passed"),
    (
        "flow_evicted",
        "established subflows forgotten for newer ones: set a larger `flows` in [tables]",
    ),
    (
        "event_lost",
        "events that could not be written: must stay 0, report it if not; `emptcp monitor` itself reports what it missed",
    ),
    (
        "unacceptable",
        "packets with sequence numbers that their sender cannot have sent: passed, but not counted for the subflow",
    ),
    (
        "syn_on_established",
        "SYNs and SYN-ACKs with the addresses and ports of an established subflow: passed, but not counted for it",
    ),
    (
        "reanchored",
        "times that a subflow was followed again after packets of it were missed",
    ),
    (
        "seen_before",
        "packets that another device had counted: a bridge and its port, a VLAN and its parent",
    ),
    (
        "flow_partial",
        "subflows that packets showed in mid-stream, so that role and tokens may be unknown: apply policies before connections begin",
    ),
];

impl Stats {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let instance = session.instance()?;
        let catalog = crate::commands::catalog()?;
        let mut before: Option<(Instant, Counters)> = None;
        self.watch.run(session, || {
            let mut counters = instance.stats(&catalog)?;
            if self.nonzero {
                leave_out_zeros(&mut counters);
            }
            if session.wants_json() {
                return Ok(Frame::Json(Box::new(counters)));
            }
            let now = Instant::now();
            let text = self.text(
                &counters,
                before.as_ref().map(|(then, counters)| (now - *then, counters)),
            );
            if self.watch.is_on() {
                before = Some((now, counters));
            }
            Ok(Frame::Text(text))
        })
    }

    fn text(&self, stats: &Counters, before: Option<(std::time::Duration, &Counters)>) -> String {
        let mut text = format!(
            "{BOLD}instance {}{BOLD:#}: policy set {}\n",
            stats.instance, stats.generation
        );
        for policy in &stats.policies {
            text += &format!(
                "\n{BOLD}policy {}{BOLD:#}: {} of {}, matched {}",
                policy.name,
                words::direction(policy.direction),
                words::devices(policy, &stats.devices),
                units::counter(policy.matched),
            );
            // A policy that was changed in between has new counters.
            let then =
                before.and_then(|(time, stats)| Some((time, stats.policies.iter().find(|p| p.id == policy.id)?)));
            if let Some((time, then)) = then {
                let bytes = policy.matched.bytes.saturating_sub(then.matched.bytes);
                text += &format!(", now {}", units::rate(bytes, time));
            }
            text.push('\n');
            text += &Self::elements(policy);
        }
        text + &self.core(stats) + &tables(stats)
    }

    /// A column for each unit that the counters of the policy have.
    fn elements(policy: &PolicyStats) -> String {
        let all: Vec<&NamedCounter> = policy.elements.iter().flat_map(|element| &element.counters).collect();
        let mut units = Unit::ALL.to_vec();
        units.retain(|unit| all.iter().any(|counter| counter.unit == *unit));
        let has_bytes = units != [Unit::Events];
        let mut headings = vec!["element".to_owned(), "counter".to_owned()];
        headings.extend(units.iter().map(|unit| format!(">{}", unit.word())));
        headings.extend(has_bytes.then(|| ">bytes".to_owned()));
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let mut table = Table::new(&headings);
        for element in &policy.elements {
            for (position, counter) in element.counters.iter().enumerate() {
                let source = if position == 0 { element.source.as_str() } else { "" };
                let mut row = vec![source.to_owned(), counter.name.clone()];
                row.extend(units.iter().map(|unit| {
                    if *unit == counter.unit {
                        counter.counter.packets.to_string()
                    } else {
                        String::new()
                    }
                }));
                row.extend(has_bytes.then(|| match counter.unit {
                    Unit::Events => String::new(),
                    Unit::Segments | Unit::Packets => units::bytes(counter.counter.bytes),
                }));
                table.row(row);
            }
        }
        if table.is_empty() {
            String::new()
        } else {
            table.render(2)
        }
    }

    fn core(&self, stats: &Counters) -> String {
        let mut table = Table::new(&["core", ">count", "meaning"]);
        for (name, meaning) in CORE {
            let packets = stats.core.get(*name).copied().unwrap_or_default();
            if packets > 0 || !self.nonzero {
                table.row([(*name).to_owned(), packets.to_string(), (*meaning).to_owned()]);
            }
        }
        if table.is_empty() {
            String::new()
        } else {
            format!("\n{}", table.render(0))
        }
    }
}

/// For --nonzero: drops counters that are 0, and tables without an entry.
fn leave_out_zeros(stats: &mut Counters) {
    stats.core.retain(|_, packets| *packets > 0);
    for element in stats.policies.iter_mut().flat_map(|policy| &mut policy.elements) {
        element.counters.retain(|counter| counter.counter.packets > 0);
    }
    stats.tables.retain(|entry| entry.used > 0);
}

fn tables(stats: &Counters) -> String {
    let mut table = Table::new(&["table", ">used", ">size", ">full", ">evicted"]);
    for entry in &stats.tables {
        table.row([
            entry.name.clone(),
            entry.used.to_string(),
            entry.size.to_string(),
            units::percent(entry.used, entry.size),
            entry
                .evicted
                .map_or_else(|| "-".to_owned(), |evicted| evicted.to_string()),
        ]);
    }
    if table.is_empty() {
        String::new()
    } else {
        format!("\n{}", table.render(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp::abi::core_counter;

    #[test]
    fn every_counter_of_the_core_is_explained() {
        let names: Vec<_> = core_counter::ALL.iter().map(|(name, _)| name.to_lowercase()).collect();
        let explained: Vec<_> = CORE.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, explained);
    }
}
