//! The shared captures through the entry programs: compares the records with the analysis of the same captures, and
//! retransmissions with tcptrace. Round trips are left out: a replay cannot reproduce the time.
//! If the two differ, `data/flow_replay.txt` lists both values and the reason. A difference that is not listed fails,
//! and so does a listed one that does not occur.
//!
//! `EMPTCP_REPLAY=all` replays every capture; else some are left out, to save time.

use emptcp_abi::{Flow, FlowKey, flow_flag};
use emptcp_packet::{
    require,
    testing::is_root,
    testrun::{Input, Sandbox, Verdict},
};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    captures::{self, Frame},
    sandbox::{DEVICE, alone, policy},
    tcptrace::{Ends, figures},
    traces::{analysed, write},
};
use emptcp_trace::{
    Direction,
    record::{Connection, Kind, Opener, Subflow},
};
use mptcp_wire::{IpVersion, LinkType, Segment};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::SocketAddr,
    path::Path,
};

/// The most payload of a packet; larger ones are split, because the kernel's test run refuses them, and none is larger
/// on the wire.
const LARGEST: usize = 2800;

/// Captures with more packets than this are replayed only when all are asked for.
const PACKETS: usize = 9000;

/// The wire packets of a frame, which may be an aggregate.
fn cut(frame: Frame) -> Vec<Frame> {
    let Ok(segment) = Segment::parse(&frame.bytes, LinkType::Ethernet) else {
        return vec![frame];
    };
    let payload = segment.payload_length();
    if payload <= LARGEST {
        return vec![frame];
    }
    let (network, tcp) = (segment.network_offset(), segment.transport_offset());
    let header = tcp + segment.tcp().header_length();
    let (sequence, v4) = (segment.tcp().sequence().0, segment.ip_version() == IpVersion::V4);
    let mut frames = Vec::new();
    for begin in (0..payload).step_by(1400) {
        let length = (payload - begin).min(1400);
        let mut bytes = frame.bytes[..header + length].to_vec();
        let (at, value) = match v4 {
            true => (network + 2, header + length - network),
            false => (network + 4, header + length - network - 40),
        };
        bytes[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
        bytes[tcp + 4..tcp + 8].copy_from_slice(&sequence.wrapping_add(begin as u32).to_be_bytes());
        if begin + length < payload {
            // FIN and PSH belong to the last.
            bytes[tcp + 13] &= !0x09;
        }
        frames.push(Frame {
            time: frame.time,
            bytes,
        });
    }
    frames
}

/// The last state of the records of a capture: by client and server, in the order of time.
fn replay(sandbox: &Sandbox, frames: &[Frame], ends: &BTreeSet<(SocketAddr, SocketAddr)>) -> BTreeMap<Ends, Vec<Seen>> {
    sandbox.forget().expect("tables");
    let mut found: BTreeMap<Ends, Vec<Seen>> = BTreeMap::new();
    for frame in frames {
        let Ok(segment) = Segment::parse(&frame.bytes, LinkType::Ethernet) else {
            continue;
        };
        let (source, destination) = (segment.source(), segment.destination());
        // The client is the remote side.
        let (from_client, client, server) = if ends.contains(&(source, destination)) {
            (true, source, destination)
        } else if ends.contains(&(destination, source)) {
            (false, destination, source)
        } else {
            continue;
        };
        let input = Input::new(&frame.bytes);
        let output = if from_client {
            sandbox.run(&input)
        } else {
            sandbox.run_opposite(&input)
        };
        let output = output.unwrap_or_else(|error| panic!("{error}: {} bytes", frame.bytes.len()));
        assert_eq!(output.verdict, Verdict::Pass);
        let key = FlowKey::new(server, client);
        let (established, opening) = (
            sandbox.record(&key).expect("tables"),
            sandbox.half_open(&key).expect("tables"),
        );
        let seen = found.entry((client, server)).or_default();
        for flow in [established, opening].into_iter().flatten() {
            match seen.iter_mut().find(|seen| seen.flow.id == flow.id) {
                Some(earlier) => (earlier.flow, earlier.live) = (flow, true),
                None => seen.push(Seen {
                    flow,
                    live: true,
                    after: [0; 2],
                }),
            }
        }
        for seen in seen.iter_mut() {
            seen.live = [established, opening]
                .iter()
                .flatten()
                .any(|flow| flow.id == seen.flow.id);
        }
        // Segments in flight when a record ends may look like a mid-stream subflow.
        let whole = seen.iter_mut().rev().find(|seen| seen.is_whole());
        if let Some(last) = whole.filter(|last| !last.live) {
            last.after[usize::from(from_client)] += segment.payload_length() as u64;
        }
    }
    found
}

impl Seen {
    /// Its handshake was seen.
    fn is_whole(&self) -> bool {
        u32::from(self.flow.flags) & flow_flag::PARTIAL == 0
    }
}

/// The last state of a record.
#[derive(Clone, Copy, Debug)]
struct Seen {
    flow: Flow,
    /// It was there at the end.
    live: bool,
    /// Payload of the packet that ended it, and of those that were still on their way, by side.
    after: [u64; 2],
}

/// The values of the record and of the analysis.
#[derive(Debug, Default)]
struct Comparison {
    values: u64,
    differences: BTreeMap<String, (String, String)>,
}

impl Comparison {
    fn compare<T: PartialEq + ToString>(&mut self, place: String, ours: T, theirs: T) {
        self.values += 1;
        if ours != theirs {
            self.differences.insert(place, (ours.to_string(), theirs.to_string()));
        }
    }
}

/// The sender of a direction, by the record's sides: the client is remote.
fn side(direction: Direction) -> usize {
    match direction {
        Direction::ClientToServer => 1,
        Direction::ServerToClient => 0,
    }
}

fn compare_subflow(
    place: &str,
    connection: &Connection,
    subflow: &Subflow,
    seen: &Seen,
    theirs: [Option<u64>; 2],
    to: &mut Comparison,
) {
    let flow = &seen.flow;
    let has = |flag: u32| u32::from(flow.flags) & flag != 0;
    let by = |client: bool| if client { "client" } else { "server" };
    let client_opened = subflow.opened_by == Opener::Client;
    to.compare(
        format!("{place} initial"),
        has(flow_flag::INITIAL),
        subflow.kind == Kind::Initial,
    );
    to.compare(
        format!("{place} joined"),
        has(flow_flag::JOINED),
        subflow.kind == Kind::Join,
    );
    to.compare(
        format!("{place} opened_by"),
        by(has(flow_flag::REMOTE_OPENED)),
        by(client_opened),
    );
    to.compare(format!("{place} version"), flow.version, connection.version.number());
    let tokens = [flow.remote_token, flow.local_token];
    for ((token, theirs), who) in tokens.iter().zip(connection.tokens).zip(["client", "server"]) {
        let theirs = theirs.map_or_else(String::new, |token| token.to_string());
        let ours = token.known().map_or_else(String::new, |token| token.to_string());
        to.compare(format!("{place} token_{who}"), ours, theirs);
    }
    let over = (subflow.fin[Direction::ClientToServer] && subflow.fin[Direction::ServerToClient])
        || subflow.rst[Direction::ClientToServer]
        || subflow.rst[Direction::ServerToClient];
    to.compare(format!("{place} over"), !seen.live, over);
    for (direction, theirs) in Direction::BOTH.into_iter().zip(theirs) {
        let (sender, way) = (&flow.sender[side(direction)], direction.name());
        to.compare(
            format!("{place} bytes_{way}"),
            sender.bytes + seen.after[side(direction)],
            subflow.payload[direction] + subflow.retx[direction],
        );
        to.compare(format!("{place} unacceptable_{way}"), sender.unacceptable, 0);
        to.compare(format!("{place} reanchored_{way}"), sender.reanchored, 0);
        if let Some(theirs) = theirs {
            let ours = u64::from(sender.retransmissions);
            let possible = sender.uncertain > 0 && ours.abs_diff(theirs) * 100 <= theirs.max(ours);
            to.compare(
                format!("{place} retransmitted_{way}"),
                if possible { theirs } else { ours },
                theirs,
            );
        }
    }
}

fn compare_connection(capture: &str, connection: &Connection, records: &[(&Subflow, &Seen)], to: &mut Comparison) {
    for direction in Direction::BOTH {
        let senders = records.iter().map(|(_, seen)| &seen.flow.sender[side(direction)]);
        let known: Vec<_> = senders
            .filter(|sender| sender.dsn_next.0 != 0 && sender.idsn.0 != 0)
            .collect();
        let first = |sender: &emptcp_abi::Sender| sender.idsn.first_byte();
        let Some(highest) = known
            .iter()
            .map(|sender| sender.dsn_next.0.wrapping_sub(first(sender).0))
            .max()
        else {
            continue;
        };
        let lowest = known
            .iter()
            .map(|sender| sender.dsn_first.0.wrapping_sub(first(sender).0))
            .min();
        let place = format!("{capture} {} dsn_{}", connection.conn_id.0, direction.name());
        let theirs = connection.data[direction] + connection.fin[direction];
        to.compare(format!("{place}.first"), lowest.unwrap_or(0), 0);
        // Bytes that the capture lacks are missing in the sum of the analysis.
        if connection.loss[direction] == 0 {
            to.compare(format!("{place}.length"), highest, theirs);
        }
    }
}

fn compare_capture(sandbox: &Sandbox, name: &str, frames: &[Frame], folder: &Path, to: &mut Comparison) {
    let written = folder.join("capture.pcap");
    write(&written, frames);
    let (analysed, judged) = (analysed(&written), figures(&written, ["rexmt_data_pkts"]));
    let subflows = || analysed.connections.iter().flat_map(|connection| &connection.subflows);
    let ends = subflows().map(|subflow| (subflow.client, subflow.server)).collect();
    let found = replay(sandbox, frames, &ends);
    for connection in &analysed.connections {
        let mut records = Vec::new();
        // One that fell back to TCP in its handshake has no record.
        let is_mptcp = |subflow: &&Subflow| subflow.established && (subflow.kind == Kind::Join || connection.complete);
        for subflow in connection.subflows.iter().filter(is_mptcp) {
            let place = format!("{name} {}.{}", subflow.conn_id.0, subflow.sf_id.0);
            let ends = (subflow.client, subflow.server);
            // Reused ports: the n-th use is the n-th record.
            let mut uses: Vec<_> = subflows()
                .filter(|other| (other.client, other.server) == ends)
                .collect();
            uses.sort_by_key(|other| other.t_syn);
            let number = uses
                .iter()
                .position(|other| other.t_syn == subflow.t_syn)
                .expect("itself");
            let seen = found.get(&ends).map(Vec::as_slice).unwrap_or_default();
            let whole: Vec<_> = seen.iter().filter(|seen| seen.is_whole()).collect();
            let Some(seen) = whole.get(number) else {
                to.compare(format!("{place} record"), "none", "one");
                continue;
            };
            let only = |from, to| match judged.get(&(from, to)).map(Vec::as_slice) {
                Some([[packets]]) => Some(*packets as u64),
                _ => None,
            };
            let theirs = [only(ends.0, ends.1), only(ends.1, ends.0)];
            compare_subflow(&place, connection, subflow, seen, theirs, to);
            records.push((subflow, *seen));
        }
        compare_connection(name, connection, &records, to);
    }
}

/// `place | ours | theirs`, with `#` for reasons.
fn named() -> BTreeMap<String, (String, String)> {
    let text = include_str!("../data/flow_replay.txt");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
            let [place, ours, theirs] = cells[..] else {
                panic!("flow_replay.txt: {line}")
            };
            (place.to_owned(), (ours.to_owned(), theirs.to_owned()))
        })
        .collect()
}

#[test]
fn records_of_replayed_captures_say_what_the_analysis_and_tcptrace_say() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let Some(captures) = captures::shared("traces") else {
        return;
    };
    let all = std::env::var_os("EMPTCP_REPLAY").is_some_and(|value| value == "all");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let folder = tempfile::tempdir().unwrap();
    let (mut comparison, mut replayed, mut packets) = (Comparison::default(), BTreeSet::new(), 0);
    alone(|| {
        let catalog = emptcp_packet::Catalog::built_in();
        let policies = format!(
            "[tables]\nflows = 2048\n{}",
            policy("none", "ingress", "connection.bytes < 1", &["count"])
        );
        let plan = emptcp_plan::compile("replay.toml", &policies, &catalog.manifests()).expect("a policy file");
        let sandbox = Sandbox::new(&plan, Hook::TcIngress, &catalog, &[(DEVICE, 1)]).expect("programs that load");
        for capture in &captures {
            let frames: Vec<_> = captures::read(capture).into_iter().flat_map(cut).collect();
            if !all && frames.len() > PACKETS {
                continue;
            }
            let name = capture
                .strip_prefix(&root)
                .unwrap_or(capture)
                .to_string_lossy()
                .into_owned();
            packets += frames.len();
            compare_capture(&sandbox, &name, &frames, folder.path(), &mut comparison);
            replayed.insert(name);
        }
    });
    let known: BTreeMap<_, _> = named()
        .into_iter()
        .filter(|(place, _)| place.split(' ').next().is_some_and(|name| replayed.contains(name)))
        .collect();
    let mut complaints = String::new();
    for (place, (ours, theirs)) in &comparison.differences {
        if known.get(place) != Some(&(ours.clone(), theirs.clone())) {
            let _ = writeln!(complaints, "{place} | {ours} | {theirs}");
        }
    }
    for place in known
        .keys()
        .filter(|place| !comparison.differences.contains_key(*place))
    {
        let _ = writeln!(complaints, "listed, but there is no difference: {place}");
    }
    eprintln!(
        "{} captures, {packets} packets, {} values",
        replayed.len(),
        comparison.values
    );
    assert!(complaints.is_empty(), "\n{complaints}");
    assert!(
        replayed.len() > 40 && comparison.values > 2000,
        "{} captures, {} values",
        replayed.len(),
        comparison.values
    );
}
