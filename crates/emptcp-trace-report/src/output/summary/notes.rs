//! Short notes about a connection or a subflow.

use super::super::units;
use emptcp_trace::Span;
use emptcp_trace::record::{Connection, End, Fallback, Kind, MarkKind, Opener, RttSummary, Subflow};

/// With fewer samples of a round-trip time than this, the 95th percentile is not shown.
const FEW: u64 = 20;

/// How a connection ended.
pub(super) fn end(end: End) -> &'static str {
    match end {
        End::DataFin => "DATA_FIN",
        End::Fastclose => "FASTCLOSE",
        End::Fallback => "as TCP",
        End::Refused => "refused",
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
        Fallback::SynAckMirrored => "SYN+ACK mirrors the option",
        Fallback::SynAgainWithoutOption => "SYN again without option",
        Fallback::DssDisappeared => "DSS disappeared",
        Fallback::WrongChecksum => "wrong checksum",
        Fallback::OneSided => "one-sided",
        Fallback::Incomplete => "handshake not captured",
    }
}

/// Notes.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) words: Vec<String>,
    /// Something went wrong, or the figures are incomplete.
    pub(super) grave: bool,
}

impl Notes {
    fn plain(&mut self, is_so: bool, words: impl FnOnce() -> String) {
        if is_so {
            self.words.push(words());
        }
    }

    fn grave(&mut self, is_so: bool, words: impl FnOnce() -> String) {
        self.plain(is_so, words);
        self.grave |= is_so;
    }
}

/// Notes about a connection.
pub(super) fn connection(connection: &Connection) -> Notes {
    let mut notes = Notes::default();
    notes.grave(!connection.fallback.is_empty(), || {
        let classes: Vec<_> = connection.fallback.iter().map(|class| fallback(*class)).collect();
        format!("fallback ({})", classes.join(", "))
    });
    notes.plain(connection.handovers > 0, || {
        units::count(connection.handovers.into(), "handover")
    });
    let backup = connection.subflows.iter().any(|subflow| subflow.backup);
    notes.plain(backup, || "backup".to_owned());
    notes.plain(connection.events.contains(&MarkKind::Stall), || {
        let [to_server, to_client] = connection.longest_stall.0;
        format!("stalled {}", units::span(to_server.max(to_client)))
    });
    let [same_dsn, unmapped] = [connection.same_dsn.total(), connection.unmapped.total()];
    notes.plain(same_dsn > 0, || {
        format!(
            "{} sent again on the same subflow as new TCP data",
            units::bytes(same_dsn)
        )
    });
    notes.plain(unmapped > 0, || format!("{} without mapping", units::bytes(unmapped)));
    notes.plain(connection.events.contains(&MarkKind::V1WithSha1), || {
        "tokens by SHA-1".to_owned()
    });
    let suspicious = [
        (MarkKind::KeyChanged, "key changed"),
        (MarkKind::WrongHmac, "wrong HMAC"),
        (MarkKind::StreamCorruptionSuspected, "stream corruption suspected"),
    ];
    for (kind, words) in suspicious {
        notes.grave(connection.events.contains(&kind), || words.to_owned());
    }
    notes.plain(connection.partial, || "begins before the capture".to_owned());
    let [twice, missing] = [connection.captured_twice.total(), connection.not_captured.total()];
    notes.plain(twice > 0, || {
        format!("{} captured twice", units::count(twice, "packet"))
    });
    notes.plain(missing > 0, || format!("{} not captured", units::bytes(missing)));
    notes.plain(connection.clock_steps > 0, || {
        units::count(connection.clock_steps.into(), "clock step")
    });
    notes.grave(connection.events.contains(&MarkKind::MalformedOption), || {
        units::count(connection.malformed_options.total(), "malformed option")
    });
    notes.grave(connection.events.contains(&MarkKind::OptionsStopped), || {
        "options stop".to_owned()
    });
    notes.plain(connection.continued, || "continued".to_owned());
    notes.grave(connection.truncated, || "memory limit reached".to_owned());
    notes.grave(connection.lossy_capture, || "capture lost packets".to_owned());
    notes
}

/// Notes about a subflow, its round-trip time first.
pub(super) fn subflow(subflow: &Subflow) -> String {
    let mut notes = Vec::new();
    notes.extend(rtt(subflow));
    if subflow.kind == Kind::Join && subflow.opened_by == Opener::Server {
        notes.push("opened by the server".to_owned());
    }
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
        notes.push(format!("RST reason {}", reason.0));
    }
    notes.join(", ")
}

/// The round-trip time of the path: the longer one of the two directions, because the other covers only the part near
/// the capture. That of the handshake, when data went only in the near direction.
fn rtt(subflow: &Subflow) -> Option<String> {
    let median = |rtt: &RttSummary| rtt.p50.unwrap_or(0.0);
    let [to_server, to_client] = &subflow.rtt.0;
    let longer = if median(to_server) > median(to_client) {
        to_server
    } else {
        to_client
    };
    let handshake = subflow.hs_rtt.into_iter().flatten().fold(0.0, f64::max);
    if handshake > 2.0 * median(longer) {
        return Some(format!("RTT {} (handshake)", units::milliseconds(handshake)));
    }
    let (median, high) = longer.p50.zip(longer.p95)?;
    if longer.n < FEW {
        return Some(format!("RTT {}", units::milliseconds(median)));
    }
    let (median, high) = (units::milliseconds(median), units::milliseconds(high));
    Some(format!("RTT {median} (95 % within {high})"))
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

/// How long a subflow lasted.
pub(super) fn lifetime(subflow: &Subflow) -> Span {
    subflow.t_last - subflow.t_syn
}
