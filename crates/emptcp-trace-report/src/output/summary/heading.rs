//! The lines above the table: what the capture contains, and what was left out and why.

use super::grid::{BOLD, DIM, YELLOW, wrapped};
use super::{Counts, Summary, notes};
use crate::advice::Advice;
use crate::output::units::{self, count, number};
use emptcp_trace::record::{Capped, Encapsulated, End, Skipped, Totals};
use mptcp_wire::encapsulation::Encapsulation;

/// What the capture contains.
pub(super) fn heading(summary: &Summary, width: usize) -> String {
    let totals = &summary.totals;
    let mut text = String::new();
    let name = summary.name.as_deref().unwrap_or("nothing");
    let name = match summary.traces {
        0 | 1 => name.to_owned(),
        traces => format!("{}, from {name} on", count(traces, "trace")),
    };
    text.push_str(&format!("{BOLD}{name}{BOLD:#}\n"));
    let mut line = |style: anstyle::Style, words: &str| {
        for words in wrapped(words, width) {
            text.push_str(&format!("{style}{words}{style:#}\n"));
        }
    };
    line(anstyle::Style::new(), &packets(totals));
    line(anstyle::Style::new(), &connections(totals, &summary.counts));
    let plain = [encapsulated(&totals.encapsulated), skipped(&totals.skipped)];
    let grave = [
        faults(totals),
        link_types(&totals.skipped),
        malformed(totals),
        capped(&totals.capped),
        bounds(&summary.counts),
    ];
    for words in plain.into_iter().flatten() {
        line(DIM, &words);
    }
    for words in grave.into_iter().flatten() {
        line(YELLOW, &words);
    }
    text
}

/// The line below the table when it does not show everything.
pub(super) fn rest(shown: usize, of: u64) -> String {
    format!(
        "{DIM}the {shown} largest of {} connections; --top shows more{DIM:#}\n",
        number(of)
    )
}

/// How to make a better capture.
pub(super) fn better(advice: &Advice, width: usize) -> String {
    let mut text = String::from("\n");
    for line in wrapped(&format!("a better capture: {}", advice.why), width) {
        text += &format!("{DIM}{line}{DIM:#}\n");
    }
    for command in &advice.commands {
        text += &format!("  {command}\n");
    }
    text
}

fn packets(totals: &Totals) -> String {
    let mut words = format!("{}, {}", count(totals.packets, "packet"), units::bytes(totals.bytes));
    if let (Some(first), Some(last)) = (totals.first, totals.last) {
        words += &format!(", {} from {}", units::span(last - first), units::date(first));
    }
    words + &format!("; {} with MPTCP options", number(totals.mptcp))
}

fn connections(totals: &Totals, counts: &Counts) -> String {
    if counts.emitted == 0 {
        let joins = match totals.orphan_joins {
            0 => String::new(),
            joins => format!("; {} to connections that began before", count(joins, "MP_JOIN")),
        };
        return format!("no MPTCP connection{joins}");
    }
    let versions: Vec<_> = counts
        .versions
        .iter()
        .map(|(version, of)| (version.number(), of))
        .map(|(version, of)| match counts.versions.len() {
            1 => format!("version {version}"),
            _ => format!("{} of version {version}", number(*of)),
        })
        .collect();
    let mut words = vec![
        format!("{}, {}", count(counts.emitted, "MPTCP connection"), versions.join(", ")),
        match (counts.emitted, totals.complete) {
            (1, 0) => "not complete".to_owned(),
            (1, 1) => "complete".to_owned(),
            (_, complete) => format!("{} complete", number(complete)),
        },
        count(counts.subflows, "subflow"),
    ];
    // For a single connection, the table has the rest.
    if counts.emitted == 1 && totals.orphan_joins == 0 {
        return words.join("; ");
    }
    let some = [
        (counts.fallback, "with fallback"),
        (counts.handover, "with handover"),
        (totals.orphan_joins, "MP_JOIN without connection"),
    ];
    words.extend(
        some.iter()
            .filter(|(of, _)| *of > 0)
            .map(|(of, what)| format!("{} {what}", number(*of))),
    );
    let ends = counts
        .ends
        .iter()
        .map(|(how, of)| format!("{} {}", number(*of), ended(*how)));
    words.push(format!("ended: {}", ends.collect::<Vec<_>>().join(", ")));
    words.join("; ")
}

fn ended(end: End) -> &'static str {
    match end {
        End::Eot => "still open",
        end => notes::end(end),
    }
}

fn encapsulated(encapsulated: &Encapsulated) -> Option<String> {
    let kinds = Encapsulation::ALL.map(|kind| (encapsulated.of(kind), kind.name()));
    list("TCP inside of other headers: ", &kinds)
}

/// Link types that are not read, and what to do.
fn link_types(skipped: &Skipped) -> Option<String> {
    let named: Vec<_> = skipped
        .link_types
        .iter()
        .map(|(link, packets)| format!("{link} in {}", count(packets, "packet")))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "link types that are not read: {}; if they carry IP, capture on a device with Ethernet or IP packets \
             (`tcpdump -L -i DEVICE` lists the link types of a device, `-y TYPE` chooses one)",
            named.join(", ")
        )
    })
}

fn skipped(skipped: &Skipped) -> Option<String> {
    let Skipped {
        not_tcp,
        fragments,
        link_type,
        malformed,
        cut: _,
        link_types: _,
    } = *skipped;
    list(
        "left out: ",
        &[
            (not_tcp, "not TCP"),
            (fragments, "IP fragments"),
            (link_type, "of an unknown link type"),
            (malformed, "cut off or malformed"),
        ],
    )
}

/// Faults of the capture itself.
fn faults(totals: &Totals) -> Option<String> {
    let twice = match totals.captured_twice {
        0 => None,
        1 => Some("1 packet was captured twice; its copy is not counted".to_owned()),
        packets => Some(format!(
            "{} packets were captured twice; their copies are not counted",
            number(packets)
        )),
    };
    let back = match totals.clock_back {
        0 => None,
        times => Some(format!("the clock of the capture went back {}", count(times, "time"))),
    };
    let faults: Vec<_> = twice.into_iter().chain(back).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

fn malformed(totals: &Totals) -> Option<String> {
    list("", &[(totals.malformed_options, "MPTCP options malformed or cut off")])
}

fn capped(capped: &Capped) -> Option<String> {
    let Capped {
        connections,
        subflows,
        orphans,
        intervals,
        mappings,
        rtt,
        late,
    } = *capped;
    list(
        "memory limits reached: ",
        &[
            (connections, "connections ended early"),
            (subflows, "subflows not followed"),
            (orphans, "MP_JOIN forgotten early"),
            (intervals, "intervals of data forgotten early"),
            (mappings, "mappings forgotten early"),
            (rtt, "segments not timed"),
            (late, "packets too late to be sorted by time"),
        ],
    )
}

fn bounds(counts: &Counts) -> Option<String> {
    let what = match counts.lower_bounds {
        0 => return None,
        1 => "1 connection was".to_owned(),
        several => format!("{} connections were", number(several)),
    };
    Some(format!(
        "{what} not captured or followed completely: figures after >= are lower bounds"
    ))
}

fn list(what: &str, parts: &[(u64, &str)]) -> Option<String> {
    let parts: Vec<_> = parts
        .iter()
        .filter(|(of, _)| *of > 0)
        .map(|(of, words)| format!("{} {words}", number(*of)))
        .collect();
    (!parts.is_empty()).then(|| format!("{what}{}", parts.join(", ")))
}
