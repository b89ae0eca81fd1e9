//! What must be seen of each actor, by the kernels of both hosts and by tshark.

use super::{
    case::{Moment, Scale, Traffic},
    seen::{Finding, PATH, Seen},
};
use emptcp_lab::End;

/// Each direction of the traffic with its rate on the path of the policies.
fn ways<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (bool, &'static str, f64)> + 'a {
    [(true, "upload"), (false, "download")]
        .into_iter()
        .filter(|(up, _)| seen.case.traffic.goes(*up))
        .map(|(up, name)| (up, name, seen.rate(up, PATH)))
}

/// Whether the policy sees the payload of this direction.
fn meets(seen: &Seen<'_>, up: bool) -> bool {
    seen.case.place.sees_uploads() == up
}

/// A direction that the policy does not touch has at least this much of its path, Mbit/s: more than any limit here. With
/// small windows all of it may fit the shorter path.
fn free(seen: &Seen<'_>) -> f64 {
    if seen.case.scale == Scale::None { 0.2 } else { 5.0 }
}

/// The path carries what it did.
pub fn goes_on(seen: &Seen<'_>) -> Vec<Finding> {
    ways(seen)
        .map(|(_, way, rate)| {
            Finding::new(
                format!("{way} on path 2 by the receiver's kernel, Mbit/s"),
                rate,
                free(seen),
                1e9,
            )
        })
        .collect()
}

/// No payload passes where the policy sees it; the other path goes on.
pub fn data_stops(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (up, way, rate) in ways(seen) {
        let judge = format!("{way} on path 2 by the receiver's kernel, Mbit/s");
        if meets(seen, up) {
            findings.push(Finding::new(judge, rate, 0.0, 0.01));
            findings.push(Finding::new(
                format!("{way} on path 1, Mbit/s"),
                seen.rate(up, 0),
                1.0,
                1e9,
            ));
        } else if seen.case.traffic != Traffic::Both {
            findings.push(Finding::new(judge, rate, free(seen), 1e9));
        }
    }
    findings
}

/// Without its packets in one direction a subflow carries nothing in the other either.
pub fn everything_stops(seen: &Seen<'_>) -> Vec<Finding> {
    ways(seen)
        .map(|(_, way, rate)| {
            Finding::new(
                format!("{way} on path 2, packets of this mark routed to a black hole, Mbit/s"),
                rate,
                0.0,
                0.05,
            )
        })
        .collect()
}

fn dscp(seen: &Seen<'_>) -> &'static str {
    if seen.case.ipv6 {
        "ipv6.tclass.dscp"
    } else {
        "ip.dsfield.dscp"
    }
}

/// Frames, and how many of them have the code point 46.
fn marked(seen: &Seen<'_>, in_direction: bool, only: &str) -> (f64, f64) {
    let frames = seen.frames(in_direction, only, &[dscp(seen)]);
    let marked = frames.iter().filter(|fields| fields[0] == "46").count();
    (frames.len() as f64, marked as f64)
}

/// Each frame behind the hook has the code point, none of the other direction.
pub fn every_frame_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    let (frames, with) = marked(seen, true, "tcp");
    let (others, strange) = marked(seen, false, "tcp");
    vec![
        Finding::new("frames of the direction that tshark sees", frames, 100.0, 1e9),
        Finding::new("share of them with DSCP 46", with / frames.max(1.0), 1.0, 1.0),
        Finding::new(
            "frames of the other direction with DSCP 46",
            strange.min(others),
            0.0,
            0.0,
        ),
    ]
}

/// A tenth of the data frames has it.
pub fn one_in_ten_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    let (frames, with) = marked(seen, true, "tcp.len > 0");
    let (_, without_data) = marked(seen, true, "tcp.len == 0");
    // Five times the standard deviation of so many draws.
    let margin = 5.0 * (0.09 / frames.max(1.0)).sqrt();
    vec![
        Finding::new("data frames that tshark sees", frames, 100.0, 1e9),
        Finding::new(
            "share of them with DSCP 46",
            with / frames.max(1.0),
            0.1 - margin,
            0.1 + margin,
        ),
        Finding::new("frames without data with DSCP 46", without_data, 0.0, 0.0),
    ]
}

/// Exactly the frames have it whose mapping meets the range.
pub fn a_range_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    // Where the numbers of each connection begin, as the receiver's kernel says.
    let end = if seen.case.place.sees_uploads() {
        End::Server
    } else {
        End::Client
    };
    let begins: Vec<u64> = seen
        .transfers
        .iter()
        .filter_map(|(report, _)| report.series(end).last())
        .map(|sample| sample.info.data_next.wrapping_sub(sample.info.bytes_received))
        .collect();
    let fields = [
        "tcp.options.mptcp.rawdataseqno",
        "tcp.options.mptcp.datalvllen",
        dscp(seen),
    ];
    let frames = seen.frames(true, "tcp.len > 0 && tcp.options.mptcp.rawdataseqno", &fields);
    let (mut inside, mut wrong) = (0.0, 0.0);
    for fields in &frames {
        let [Ok(number), Ok(length)] = [0, 1].map(|at| fields[at].split(',').next().unwrap_or_default().parse::<u64>())
        else {
            continue;
        };
        // Numbers of 32 and of 64 bits; whose connection it is, the distance tells.
        let offset = |begin: &u64| {
            if number > u64::from(u32::MAX) {
                number.wrapping_sub(*begin)
            } else {
                u64::from((number as u32).wrapping_sub(*begin as u32))
            }
        };
        let from = begins.iter().map(offset).min().unwrap_or(u64::MAX);
        let within = from < 2_000_000 && from.saturating_add(length) > 1_000_000;
        inside += f64::from(u8::from(within));
        wrong += f64::from(u8::from(within != (fields[2] == "46")));
    }
    vec![
        Finding::new(
            "data frames with a mapping in tshark's eyes",
            frames.len() as f64,
            100.0,
            1e9,
        ),
        Finding::new("of them within the range", inside, 10.0, 1e9),
        Finding::new("frames marked that lie outside, or unmarked inside", wrong, 0.0, 0.0),
    ]
}

/// Whole rate of all subflows on the path: the policy's, where it sees their payload.
fn rates(seen: &Seen<'_>, least: f64, most: f64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (up, way, rate) in ways(seen) {
        let judge = format!("{way} on path 2 by the receiver's kernel, Mbit/s");
        if meets(seen, up) {
            findings.push(Finding::new(judge, rate, 4.0 * least, 4.0 * most));
        } else if seen.case.traffic != Traffic::Both {
            findings.push(Finding::new(judge, rate, free(seen), 1e9));
        }
    }
    findings
}

/// The payload on the path has the rate of the policy.
pub fn the_rate_holds(seen: &Seen<'_>) -> Vec<Finding> {
    // HTB counts whole frames, those of acknowledgements too: with payload both ways these take their part.
    let least = if seen.case.traffic == Traffic::Both { 0.55 } else { 0.75 };
    rates(seen, least, 1.1)
}

/// The window acts where the acknowledgements of the payload pass.
pub fn each_connection_has_its_rate(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    let mut findings = Vec::new();
    for (up, way, _) in ways(seen) {
        let rate = (seen.rate(up, 0) + seen.rate(up, PATH)) / count;
        let judge = format!("{way} of a connection by the receiver's kernel, Mbit/s");
        if meets(seen, up) {
            if seen.case.traffic != Traffic::Both {
                findings.push(Finding::new(
                    judge,
                    rate,
                    if seen.case.scale == Scale::None {
                        0.2
                    } else {
                        (10.0 / count).min(4.5)
                    },
                    1e9,
                ));
            }
        } else {
            findings.push(Finding::new(judge, rate, 4.0 * 0.75, 4.0 * 1.1));
        }
    }
    findings
}

/// Both kernels have lost the subflows on the path, and only those.
pub fn the_subflow_is_gone(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = seen.transfers.len() as f64;
    // With the policy there from the beginning the subflow is refused: none was ever established.
    let resets = if seen.case.moment == Moment::MidTransfer {
        count
    } else {
        0.0
    };
    for (end, host, mib) in [
        (End::Client, "client", &seen.mib[0]),
        (End::Server, "server", &seen.mib[1]),
    ] {
        findings.push(Finding::new(
            format!("subflows on path 2 that the {host}'s kernel still has"),
            seen.subflows_at_the_end(end, PATH) as f64,
            0.0,
            0.0,
        ));
        findings.push(Finding::new(
            format!("subflows on path 1 that the {host}'s kernel has"),
            seen.subflows_at_the_end(end, 0) as f64,
            count,
            count,
        ));
        findings.push(Finding::new(
            format!("EstabResets of the {host}"),
            mib.get("Tcp", "EstabResets") as f64,
            resets,
            1e9,
        ));
    }
    for (up, way) in [(true, "upload"), (false, "download")] {
        if seen.case.traffic.goes(up) {
            findings.push(Finding::new(
                format!("{way} on path 1, Mbit/s"),
                seen.rate(up, 0),
                free(seen),
                1e9,
            ));
        }
    }
    findings
}

/// The kernel that got MP_PRIO has marked the subflow, and sends nothing on it.
pub fn the_peer_sends_no_more(seen: &Seen<'_>) -> Vec<Finding> {
    // The host that gets the acknowledgements is the one that sends the payload.
    let (end, host) = if seen.case.place.sees_uploads() {
        (End::Server, "server")
    } else {
        (End::Client, "client")
    };
    let mut findings = vec![Finding::new(
        format!("subflows on path 2 that the {host}'s kernel takes for backup"),
        seen.backups(end) as f64,
        seen.transfers.len() as f64,
        seen.transfers.len() as f64,
    )];
    findings.extend(ways(seen).map(|(_, way, rate)| {
        Finding::new(
            format!("{way} on path 2 by the receiver's kernel, Mbit/s"),
            rate,
            0.0,
            0.4,
        )
    }));
    findings
}

/// The client never hears of the second address.
pub fn no_subflow_comes(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    let held = !seen.case.place.sees_uploads();
    let (least, most) = if held { (0.0, 0.0) } else { (count, 1e9) };
    let announced = seen.mib[0].get("MPTcpExt", "AddAddr") as f64;
    vec![
        Finding::new("ADD_ADDR that the client's kernel has met", announced, least, most),
        Finding::new(
            "subflows on path 2 that the client's kernel has",
            seen.subflows_at_the_end(End::Client, PATH) as f64,
            least,
            most,
        ),
    ]
}
