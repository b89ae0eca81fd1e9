//! What is remarkable about a connection or a subflow, in few words.

use super::super::units;
use crate::Span;
use crate::record::{Connection, End, Fallback, MarkKind, RttSummary, Subflow};

/// How a connection ended.
pub(super) fn end(end: End) -> &'static str {
    match end {
        End::DataFin => "DATA_FIN",
        End::Fastclose => "FASTCLOSE",
        End::Fallback => "as TCP",
        End::Idle => "idle",
        End::Eot => "open",
    }
}

fn fallback(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::MpFail => "MP_FAIL",
        Fallback::InfiniteMapping => "infinite mapping",
        Fallback::SynAckWithoutOption => "SYN+ACK without option",
        Fallback::AckWithoutOption => "ACK without option",
        Fallback::SynAgainWithoutOption => "SYN again without option",
        Fallback::DssDisappeared => "DSS disappeared",
        Fallback::WrongChecksum => "wrong checksum",
        Fallback::OneSided => "one-sided",
        Fallback::Incomplete => "handshake not captured",
    }
}

/// What is remarkable about a connection.
pub(super) fn connection(connection: &Connection) -> String {
    let mut notes = Vec::new();
    if !connection.fallback.is_empty() {
        let classes: Vec<_> = connection.fallback.iter().map(|class| fallback(*class)).collect();
        notes.push(format!("fallback ({})", classes.join(", ")));
    }
    if connection.handovers > 0 {
        notes.push(units::count(connection.handovers.into(), "handover"));
    }
    if connection.subflows.iter().any(|subflow| subflow.backup) {
        notes.push("backup".to_owned());
    }
    let [to_server, to_client] = connection.longest_stall.0;
    if connection.events.contains(&MarkKind::Stall) {
        notes.push(format!("stalled {}", units::span(to_server.max(to_client))));
    }
    let suspicious = [
        (MarkKind::KeyChanged, "key changed"),
        (MarkKind::V1WithSha1, "tokens by SHA-1"),
        (MarkKind::WrongHmac, "wrong HMAC"),
        (MarkKind::StreamCorruptionSuspected, "stream corruption suspected"),
    ];
    for (kind, words) in suspicious {
        if connection.events.contains(&kind) {
            notes.push(words.to_owned());
        }
    }
    let flags = [
        (connection.partial, "begins before the capture"),
        (connection.continued, "continued"),
        (connection.truncated, "memory limit met"),
        (connection.lossy_capture, "capture lost packets"),
    ];
    notes.extend(
        flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, words)| (*words).to_owned()),
    );
    notes.join(", ")
}

/// What is remarkable about a subflow, its round-trip time first.
pub(super) fn subflow(subflow: &Subflow) -> String {
    let mut notes = Vec::new();
    notes.extend(rtt(subflow));
    if !subflow.established {
        notes.push("not established".to_owned());
    }
    if subflow.backup {
        notes.push("backup".to_owned());
    }
    if subflow.syn_retx > 0 {
        notes.push(format!("{} SYN sent again", subflow.syn_retx));
    }
    if subflow.hmac_ok == Some(false) {
        notes.push("wrong HMAC".to_owned());
    }
    if let Some(reason) = subflow.rst_reason {
        notes.push(format!("RST reason {reason}"));
    }
    notes.join(", ")
}

/// The round-trip time of the direction that has more samples, which is that of the data; else that of the handshake.
fn rtt(subflow: &Subflow) -> Option<String> {
    let [to_server, to_client] = subflow.rtt.0;
    let busier = if to_server.n > to_client.n {
        to_server
    } else {
        to_client
    };
    if let RttSummary {
        p50: Some(median),
        p95: Some(high),
        ..
    } = busier
    {
        let (median, high) = (units::milliseconds(median), units::milliseconds(high));
        return Some(format!("RTT {median}, p95 {high}"));
    }
    let handshake = subflow.hs_rtt.into_iter().flatten().fold(0.0, f64::max);
    (handshake > 0.0).then(|| format!("RTT {} (SYN)", units::milliseconds(handshake)))
}

/// How a subflow ended.
pub(super) fn subflow_end(subflow: &Subflow) -> &'static str {
    match (subflow.rst.0, subflow.fin.0) {
        ([false, false], [false, false]) => "open",
        ([false, false], [true, true]) => "FIN",
        ([false, false], _) => "half-closed",
        _ => "RST",
    }
}

/// How long a subflow lived.
pub(super) fn lifetime(subflow: &Subflow) -> Span {
    subflow.t_last - subflow.t_syn
}
