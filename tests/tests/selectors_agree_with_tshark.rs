//! Every selector selects exactly the packets that tshark selects, on captures of real hosts.
//!
//! The frames of all captures are replayed in order, in the direction in which they went. A policy sees only packets of
//! subflows that the flow table knows, so both results are compared over the packets that a policy without a condition
//! selects; a separate test checks which packets these are.

use emptcp_packet::{require, testing::is_root, testrun::Input};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    captures::{Frame, LOCAL_SENDS, REMOTE_SENDS, read, shared},
    hosts::Peer,
    sandbox::{DEVICE, Place, alone},
    tshark,
};
use mptcp_wire::{LinkType, Segment, tcp::Flags};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// The replayed part of a capture: its first frames, then frames with rare properties, and every n-th of the rest. Of a
/// capture with very many subflows only the first ones.
const FIRST: usize = 100;
const OF_THE_REST: usize = 40;
const SUBFLOWS: usize = 600;

/// Captures in the order of replay.
struct Replay {
    /// The frames; the sender's hardware address shows the direction.
    frames: Vec<Frame>,
    /// The first frame of each capture.
    begins: Vec<usize>,
    /// The frames as a file.
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Replay {
    fn new(captures: &[PathBuf]) -> Self {
        let (mut frames, mut begins) = (Vec::new(), Vec::new());
        for capture in captures {
            begins.push(frames.len());
            frames.extend(with_directions(sample(read(capture))));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("replay.pcap");
        tshark::write(&file, &frames);
        Self {
            frames,
            begins,
            file,
            _folder: folder,
        }
    }

    fn capture_of(&self, frame: usize) -> usize {
        self.begins.partition_point(|&begin| begin <= frame)
    }

    /// The numbers of the frames that a condition selects.
    fn selected(&self, place: &mut Place, when: &str) -> BTreeSet<usize> {
        place.switch(&file("x", when, "mark fwmark=1"));
        let mut selected = BTreeSet::new();
        for (number, frame) in self.frames.iter().enumerate() {
            if self.begins.contains(&number) {
                place.sandbox.forget().expect("empty tables");
            }
            let from = if frame.bytes[6..12] == REMOTE_SENDS {
                Peer::Client
            } else {
                Peer::Server
            };
            let output = place.input(from, &Input::new(&frame.bytes));
            assert_eq!(output.packet, frame.bytes, "frame {number}");
            if output.mark == Some(1) {
                selected.insert(number);
            }
        }
        let counted: u64 = place.policies().iter().map(|policy| policy.matched.packets).sum();
        assert_eq!(
            counted,
            selected.len() as u64,
            "{when}: the counted and the marked packets are the same"
        );
        selected
    }
}

/// A policy for both directions.
fn file(name: &str, when: &str, actor: &str) -> String {
    let when = if when.is_empty() {
        String::new()
    } else {
        format!("when = '''{when}'''\n")
    };
    format!(
        "[[policy]]\nname = \"{name}\"\ndevice = \"{DEVICE}\"\nhook = [\"ingress\", \"egress\"]\n{when}do = ['count', '{actor}']\n"
    )
}

fn segment(frame: &Frame) -> Segment<'_> {
    Segment::parse(&frame.bytes, LinkType::Ethernet).expect("only TCP segments are read")
}

fn sample(frames: Vec<Frame>) -> Vec<Frame> {
    let rare = |frame: &Frame| {
        let segment = segment(frame);
        let flags = segment.tcp().flags().bits() & (Flags::SYN | Flags::FIN | Flags::RST).bits() != 0;
        // DSS with DATA_FIN, and every other MPTCP option.
        let mut options = segment.options().flatten();
        flags
            || options.any(|option| match *option.bytes() {
                [30, _, subtype, flags, ..] if subtype >> 4 == 2 => flags & 0x10 != 0,
                [30, ..] => true,
                _ => false,
            })
    };
    let (mut opened, mut left_out) = (HashSet::new(), HashSet::new());
    let mut wanted = |number: usize, frame: &Frame| {
        let segment = segment(frame);
        let ends = (
            segment.source().min(segment.destination()),
            segment.source().max(segment.destination()),
        );
        let flags = segment.tcp().flags();
        if flags.contains(Flags::SYN) && !flags.contains(Flags::ACK) && !opened.contains(&ends) {
            if opened.len() < SUBFLOWS {
                opened.insert(ends)
            } else {
                left_out.insert(ends)
            };
        }
        !left_out.contains(&ends) && (number < FIRST || number.is_multiple_of(OF_THE_REST) || rare(frame))
    };
    let numbered = frames.into_iter().enumerate();
    numbered
        .filter(|(number, frame)| wanted(*number, frame))
        .map(|(_, frame)| frame)
        .collect()
}

/// Sets the hardware addresses by side: hosts that open connections are remote.
fn with_directions(mut frames: Vec<Frame>) -> Vec<Frame> {
    let mut openers: HashSet<IpAddr> = HashSet::new();
    let mut opened: HashMap<(SocketAddr, SocketAddr), bool> = HashMap::new();
    for frame in &mut frames {
        let segment = segment(frame);
        let (source, destination) = (segment.source(), segment.destination());
        let syn = segment.tcp().flags().contains(Flags::SYN) && !segment.tcp().flags().contains(Flags::ACK);
        let known = opened
            .get(&(source, destination))
            .copied()
            .or_else(|| opened.get(&(destination, source)).map(|side| !side));
        let from_remote = known.unwrap_or_else(|| {
            if openers.contains(&source.ip()) {
                true
            } else if openers.contains(&destination.ip()) {
                false
            } else if syn {
                openers.insert(source.ip());
                true
            } else {
                source < destination
            }
        });
        opened.entry((source, destination)).or_insert(from_remote);
        let sender = if from_remote { REMOTE_SENDS } else { LOCAL_SENDS };
        let receiver = if from_remote { LOCAL_SENDS } else { REMOTE_SENDS };
        frame.bytes[..6].copy_from_slice(&receiver);
        frame.bytes[6..12].copy_from_slice(&sender);
    }
    frames
}

/// The properties of a frame by the rules of RFC 8684 and RFC 9293 alone.
#[derive(Default)]
struct Stream {
    syn: bool,
    syn_ack: bool,
    third_ack: bool,
    ended: bool,
}

/// Which packets the table must know, and which it cannot: those of streams without MPTCP in the SYN, and in streams
/// with it those that carry no MPTCP option before the handshake is complete, and those after an RST or both FINs.
/// Returns the first kind.
fn check_known(replay: &Replay, known: &BTreeSet<usize>) -> BTreeSet<usize> {
    let rows = tshark::fields(
        &replay.file,
        "frame",
        &[
            "tcp.stream",
            "tcp.flags.syn",
            "tcp.flags.ack",
            "tcp.flags.reset",
            "tcp.flags.fin",
            "tcp.options.mptcp.subtype",
        ],
    );
    // The same stream in another capture is another one.
    let mut streams: HashMap<(usize, &str), Stream> = HashMap::new();
    // tshark treats equal addresses, ports and numbers in two captures as one stream: not compared.
    let mut captures_of: HashMap<&str, HashSet<usize>> = HashMap::new();
    for (number, row) in rows.iter().take(replay.frames.len()).enumerate() {
        captures_of
            .entry(&row[0])
            .or_default()
            .insert(replay.capture_of(number));
    }
    let (mut must, mut cannot) = (BTreeSet::new(), 0);
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().take(replay.frames.len()).enumerate() {
        let is = |column: usize| row[column] == "1" || row[column] == "True";
        let (syn, ack, reset, fin) = (is(1), is(2), is(3), is(4));
        let opens = row[5].split(',').any(|subtype| subtype == "0" || subtype == "1");
        let stream = streams.entry((replay.capture_of(number), &row[0])).or_default();
        let mptcp = !row[5].is_empty();
        stream.syn |= syn && !ack && opens;
        stream.syn_ack |= stream.syn && syn && ack && opens;
        stream.third_ack |= stream.syn_ack && !syn && ack && mptcp;
        let is_known = known.contains(&number);
        if !stream.syn {
            cannot += 1;
            if is_known && !mptcp {
                wrong.push(number + 1);
            }
        } else if !stream.ended && (stream.third_ack || mptcp && !reset && !fin) {
            must.insert(number);
            if !is_known {
                wrong.push(number + 1);
            }
        } else {
            cannot += 1;
        }
        stream.ended |= reset || fin;
    }
    println!(
        "{} frames that the table must know, {cannot} that it cannot; {} that it knows",
        must.len(),
        known.len()
    );
    assert!(
        wrong.is_empty(),
        "{} frames: the table has records that it cannot have, or lacks some that it must have: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    must.retain(|&number| captures_of[rows[number][0].as_str()].len() == 1);
    assert!(
        must.len() * 2 > replay.frames.len(),
        "only {} frames to compare",
        must.len()
    );
    must
}

/// Conditions on earlier packets.
const STATEFUL: [&str; 5] = ["subflow is", "role(", "connection ==", "dsn in +", "ssn in +"];

const REAL_ACK: &str = "tcp.flags.ack==1 && tcp.flags.syn==0 && tcp.flags.fin==0 && tcp.flags.reset==0";

/// Conditions and display filters that mean the same, whatever the capture.
fn pairs() -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = [
        ("ip.version == 4", "ip"),
        ("ip.version == 6", "ipv6"),
        ("ip_version(version=4)", "ip"),
        ("direction is ingress", "eth.src==02:00:00:00:00:01"),
        ("direction(direction=egress)", "eth.src==02:00:00:00:00:02"),
        ("device == lo", "frame"),
        ("packet is syn", "tcp.flags.syn==1 && tcp.flags.ack==0"),
        ("packet is synack", "tcp.flags.syn==1 && tcp.flags.ack==1"),
        ("packet is ack", "tcp.flags.ack==1"),
        ("packet is data", "tcp.len>0"),
        ("packet is fin", "tcp.flags.fin==1"),
        ("packet is rst", "tcp.flags.reset==1"),
        ("packet has mp_capable", "tcp.options.mptcp.subtype==0"),
        ("packet has mp_join", "tcp.options.mptcp.subtype==1"),
        ("packet has dss", "tcp.options.mptcp.subtype==2"),
        ("packet has dss_map", "tcp.options.mptcp.dseqnpresent.flag==1"),
        ("packet has dss_ack", "tcp.options.mptcp.dataackpresent.flag==1"),
        (
            "packet has data_fin",
            "tcp.options.mptcp.datafin.flag==1 && tcp.options.mptcp.dseqnpresent.flag==1",
        ),
        (
            "packet has add_addr",
            "tcp.options.mptcp.subtype==3 && !(tcp.options.mptcp.echo==1)",
        ),
        (
            "packet has add_addr_echo",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.echo==1",
        ),
        (
            "add_addr.address in 10.0.0.0/8",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.ipv4==10.0.0.0/8",
        ),
        (
            "add_addr.address not in 0.0.0.0/0",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.ipv6",
        ),
        (
            "add_addr.port in 1-65535",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.port",
        ),
        (
            "add_addr.id == 1",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.addrid==1",
        ),
        (
            "add_addr.id != 1",
            "tcp.options.mptcp.subtype==3 && tcp.options.mptcp.addrid!=1",
        ),
        (
            "join.address_id != 0",
            "tcp.flags.syn==1 && tcp.options.mptcp.subtype==1 && tcp.options.mptcp.addrid!=0",
        ),
        (
            "join.backup",
            "tcp.flags.syn==1 && tcp.options.mptcp.subtype==1 && tcp.options.mptcp.backup.flag==1",
        ),
        (
            "join.backup == no",
            "tcp.flags.syn==1 && tcp.options.mptcp.subtype==1 && tcp.options.mptcp.backup.flag==0",
        ),
        ("packet has remove_addr", "tcp.options.mptcp.subtype==4"),
        ("packet has mp_prio", "tcp.options.mptcp.subtype==5"),
        ("packet has mp_fail", "tcp.options.mptcp.subtype==6"),
        ("packet has mp_fastclose", "tcp.options.mptcp.subtype==7"),
        ("packet has mp_tcprst", "tcp.options.mptcp.subtype==8"),
        ("packet has sack", "tcp.options.sack_le"),
        ("packet has timestamps", "tcp.options.timestamp.tsval"),
        (
            "packet has mp_capable|mp_join|mp_prio",
            "tcp.options.mptcp.subtype==0 || tcp.options.mptcp.subtype==1 || tcp.options.mptcp.subtype==5",
        ),
        ("ip.dscp == 0", "ip.dsfield.dscp==0 || ipv6.tclass.dscp==0"),
        ("ip.dscp == 4", "ip.dsfield.dscp==4 || ipv6.tclass.dscp==4"),
        ("tcp.dstport in 0-1023", "tcp.dstport<=1023"),
        ("ports(side=source, ports=32768-65535)", "tcp.srcport>=32768"),
        (
            "tcp.port in 40000-50000",
            "(tcp.srcport>=40000 && tcp.srcport<=50000) || (tcp.dstport>=40000 && tcp.dstport<=50000)",
        ),
        ("ip.src in 10.0.0.0/8", "ip.src==10.0.0.0/8"),
        ("dst(prefix=10.1.0.0/16)", "ip.dst==10.1.0.0/16"),
        ("ssn in +0..+1000", "tcp.len>0 && tcp.seq<=1000"),
        (
            "ssn in +1000..+20000",
            "tcp.len>0 && tcp.seq<=20000 && tcp.seq + tcp.len > 1001",
        ),
        (
            "dsn in +0..+1",
            "(tcp.options.mptcp.dseqnpresent.flag==1 && mptcp.dss.dsn==1) || (tcp.options.mptcp.subtype==0 && tcp.options.mptcp.version==1 && tcp.len>0)",
        ),
        (
            "dsn in +0..+100000",
            "(tcp.options.mptcp.dseqnpresent.flag==1 && mptcp.dss.dsn<=100000) || (tcp.options.mptcp.subtype==0 && tcp.options.mptcp.version==1 && tcp.len>0)",
        ),
        ("ssn in 0..2147483648", "tcp.len>0 && tcp.seq_raw<2147483648"),
    ]
    .map(|(when, filter)| (when.to_owned(), filter.to_owned()))
    .into();
    pairs.push(("packet is pure_ack".to_owned(), format!("{REAL_ACK} && tcp.len==0")));
    pairs.push((
        "(packet is data and not packet has dss_map) or (packet is pure_ack and (ip.version == 6 or packet has sack))".to_owned(),
        format!("(tcp.len>0 && !(tcp.options.mptcp.dseqnpresent.flag==1)) || ({REAL_ACK} && tcp.len==0 && (ipv6 || tcp.options.sack_le))"),
    ));
    pairs
}

/// Conditions about single hosts, subflows and connections of these captures.
fn particular(replay: &Replay) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let fields = [
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.stream",
        "tcp.seq_raw",
        "tcp.options.mptcp.subtype",
    ];
    let openings = tshark::fields(
        &replay.file,
        "tcp.flags.syn==1 && tcp.flags.ack==0 && tcp.options.mptcp.subtype<=1",
        &fields,
    );
    let (initial, joined): (Vec<_>, Vec<_>) = openings.iter().partition(|row| row[8] == "0");
    // Roles are those of the streams, from the SYN on.
    pairs.push(("subflow is initial".to_owned(), streams_of(&initial)));
    pairs.push(("role(role=joined)".to_owned(), streams_of(&joined)));
    let streams: HashSet<_> = openings.iter().map(|row| row[6].as_str()).collect();
    // The captures of version 0 have forged tokens and keys, which tshark accepts: not compared there.
    let version_0 = !tshark::fields(&replay.file, "tcp.options.mptcp.version==0", &["frame.number"]).is_empty();
    let tokens = tshark::fields(
        &replay.file,
        "mptcp.expected_token",
        &["mptcp.expected_token", "mptcp.stream", "tcp.stream"],
    );
    for row in tokens
        .iter()
        .filter(|row| streams.contains(row[2].as_str()))
        .step_by(tokens.len() / 3 + 1)
    {
        let token: u32 = row[0]
            .split(',')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("a token");
        if token == 0 || version_0 {
            continue;
        }
        pairs.push((
            format!("connection == {token:#010x}"),
            // Known from the third ACK on: it is the first packet that shows both keys.
            format!(
                "mptcp.stream=={} && !(tcp.flags.syn==1 && tcp.options.mptcp.subtype==0)",
                row[1]
            ),
        ));
    }
    let mut streams = HashSet::new();
    for row in initial
        .iter()
        .step_by(initial.len() / 4 + 1)
        .chain(joined.iter().step_by(joined.len() / 3 + 1))
    {
        if !streams.insert(&row[6]) {
            continue;
        }
        let v4 = !row[0].is_empty();
        let (name, [source, destination]) = if v4 {
            ("ip", [&row[0], &row[1]])
        } else {
            ("ipv6", [&row[2], &row[3]])
        };
        let (from, to) = (&row[4], &row[5]);
        let end = |address: &str, port: &str| {
            if v4 {
                format!("{address}:{port}")
            } else {
                format!("[{address}]:{port}")
            }
        };
        let one = format!(
            "{name}.addr=={source} && {name}.addr=={destination} && ((tcp.srcport=={from} && {name}.src=={source}) || (tcp.dstport=={from} && {name}.dst=={source})) && tcp.port=={to}"
        );
        pairs.push((
            format!("subflow == {} <-> {}", end(source, from), end(destination, to)),
            one.clone(),
        ));
        pairs.push((
            format!("subflow(address_a={destination}, port_a={to}, address_b={source}, port_b={from})"),
            one,
        ));
        pairs.push((
            format!("ip.pair == {source}, {destination}"),
            format!("{name}.src=={source} && {name}.dst=={destination}"),
        ));
        pairs.push((format!("ip.src == {source}"), format!("{name}.src=={source}")));
        pairs.push((format!("dst(prefix={source})"), format!("{name}.dst=={source}")));
        let begin: u64 = row[7].parse().expect("a sequence number");
        if begin < 4_294_000_000 {
            let (low, high) = (begin + 3, begin + 2000);
            pairs.push((
                format!("ssn in {low}..{high}"),
                format!("tcp.len>0 && tcp.seq_raw<{high} && tcp.seq_raw + tcp.len > {low}"),
            ));
        }
    }
    pairs
}

fn streams_of(rows: &[&Vec<String>]) -> String {
    let numbers: BTreeSet<_> = rows.iter().map(|row| format!("tcp.stream=={}", row[6])).collect();
    if numbers.is_empty() {
        "tcp.stream==4294967295".to_owned()
    } else {
        numbers.into_iter().collect::<Vec<_>>().join("||")
    }
}

fn agree(captures: &[PathBuf], more: impl Fn(&Replay) -> Vec<(String, String)>) {
    let replay = Replay::new(captures);
    let mut pairs = pairs();
    pairs.extend(more(&replay));
    let filters: Vec<_> = pairs.iter().map(|(_, filter)| filter.clone()).collect();
    let wanted = tshark::matching(&replay.file, &filters);
    let mut place = Place::new(Hook::TcIngress, Peer::Client, &file("x", "", "count"));
    let known = replay.selected(&mut place, "");
    let sure = check_known(&replay, &known);
    // Where a short data sequence number lies below the key's, tshark subtracts without extension to 64 bits: not
    // compared.
    let senseless = tshark::matching(&replay.file, &["mptcp.dss.dsn > 9223372036854775807".to_owned()]).remove(0);
    println!(
        "{} frames with a data sequence number that tshark cannot place",
        senseless.len()
    );
    let mut failures = Vec::new();
    let mut never = Vec::new();
    for ((when, filter), wanted) in pairs.iter().zip(wanted) {
        let mut wanted: BTreeSet<_> = wanted.intersection(&known).copied().collect();
        let mut selected = replay.selected(&mut place, when);
        if STATEFUL.iter().any(|word| when.starts_with(word)) {
            // Segments after the end of a subflow belong to no record with a history.
            wanted = &wanted & &sure;
            selected = &selected & &sure;
            if when.starts_with("dsn") {
                wanted = &wanted - &senseless;
                selected = &selected - &senseless;
            }
        }
        if wanted.is_empty() {
            never.push(when.as_str());
        }
        if selected != wanted {
            let first = |set: Vec<usize>| {
                format!(
                    "{} ({:?})",
                    set.len(),
                    set.iter().take(5).map(|number| number + 1).collect::<Vec<_>>()
                )
            };
            failures.push(format!(
                "{when}\n  {filter}\n  selected {}, tshark {}; only selected: {}; only tshark: {}",
                selected.len(),
                wanted.len(),
                first(selected.difference(&wanted).copied().collect()),
                first(wanted.difference(&selected).copied().collect())
            ));
        }
    }
    println!(
        "{} captures, {} frames, {} of subflows that the table knows, {} conditions; without any packet: {never:?}",
        captures.len(),
        replay.frames.len(),
        known.len(),
        pairs.len()
    );
    assert!(
        failures.is_empty(),
        "{} conditions disagree:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        never.len() * 2 < pairs.len(),
        "most conditions were never true: {never:?}"
    );
}

fn with(folder: &str, name: &str, body: impl FnOnce(&[PathBuf]) + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let Some(captures) = shared(folder) else { return };
    let captures: Vec<_> = captures
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(name))
        .collect();
    assert!(!captures.is_empty(), "no capture");
    alone(|| body(&captures));
}

#[test]
fn on_version_1_captured_at_the_client() {
    with("traces/v1", "client.pcap", |captures| agree(captures, particular));
}

#[test]
fn on_version_1_captured_at_the_server() {
    with("traces/v1", "server.pcap", |captures| agree(captures, particular));
}

#[test]
fn on_version_0_of_other_people() {
    with("traces/v0-public", "", |captures| agree(captures, particular));
}
