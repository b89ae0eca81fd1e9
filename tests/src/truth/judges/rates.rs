//! Rates by the receivers' kernels.

use super::{free, meets, ways};
use crate::truth::{
    case::Traffic,
    seen::{Finding, PATH, Seen},
};

/// The rate of the path is unchanged.
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

/// No payload passes where the policy sees it; the other path continues.
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

/// The total rate of all subflows on the path is that of the policy, if it sees their payload.
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
    // HTB counts whole frames, acknowledgements included, which take a share with payload in both directions.
    let least = if seen.case.traffic == Traffic::Both { 0.55 } else { 0.75 };
    rates(seen, least, 1.1)
}

/// The window takes effect where the acknowledgements of the payload pass. 1 Mbit/s is below the rate of 20
/// connections.
pub fn each_connection_has_its_rate(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    let mut findings = Vec::new();
    for (up, way, _) in ways(seen) {
        let rate = (seen.rate(up, 0) + seen.rate(up, PATH)) / count;
        let judge = format!("{way} of a connection by the receiver's kernel, Mbit/s");
        if !meets(seen, up) {
            findings.push(Finding::new(judge, rate, 0.75, 1.1));
        }
    }
    findings
}

/// The rate per subflow on the path, or per connection with both its subflows. TCP may stay below such a low rate, at
/// which a loss costs a time-out.
pub fn each_has_its_rate(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (up, way, path) in ways(seen) {
        if !meets(seen, up) {
            continue;
        }
        let rates = seen.rates(up);
        let mut rates: Vec<f64> = rates
            .iter()
            .map(|paths| paths[PATH] + if seen.actor.whole { paths[0] } else { 0.0 })
            .collect();
        rates.sort_by(f64::total_cmp);
        let middle = rates[rates.len() / 2];
        let greatest = rates[rates.len() - 1];
        findings.push(Finding::new(
            format!("{way} of the median one, Mbit/s"),
            middle,
            0.5 * 0.6,
            0.5 * 1.15,
        ));
        // A queue of retransmissions may be acknowledged at once.
        findings.push(Finding::new(
            format!("{way} of the fastest, Mbit/s"),
            greatest,
            0.5 * 0.6,
            0.5 * 1.5,
        ));
        findings.push(Finding::new(
            format!("{way} on path 2 in all, Mbit/s"),
            path,
            0.1,
            0.5 * 1.15 * rates.len() as f64,
        ));
    }
    findings
}

/// The rate holds, and the sender's kernel received ECN marks.
pub fn congestion_is_experienced(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = the_rate_holds(seen);
    for (up, host, mib) in [(true, "client", &seen.mib[0]), (false, "server", &seen.mib[1])] {
        if seen.case.traffic.goes(up) && meets(seen, up) {
            findings.push(Finding::new(
                format!("TCPDeliveredCE of the {host}, which sends"),
                mib.get("TcpExt", "TCPDeliveredCE") as f64,
                10.0,
                1e9,
            ));
        }
    }
    findings
}
