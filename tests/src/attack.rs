//! An attacker on the path: it knows the addresses and ports of running connections, but sees no packets.
//!
//! * [`attack`]: opens connections, sends forged segments, and compares every record with the kernels of both hosts.
//! * [`Outcome`]: the result.

use crate::live::{Bed, seconds};
use emptcp_abi::{Flow, flow_flag, flow_state};
use emptcp_lab::{Connection, End, FourTuple, Host, Injector, IpVersion, Lab, Path};
use mptcp_wire::{
    AddressId, DataSequenceNumber, Key, Nonce, PacketBuilder, SubflowSequenceNumber, Token, TruncatedHmac, Version,
    WireDataSequenceNumber,
    mptcp::{
        AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpFail, MpFastclose, MpJoin, MpPrio,
    },
    tcp::{Flags, State},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// What counts there is what the core counts; nothing else is done to a packet.
const POLICY: &str = "[[policy]]\nname = \"watch\"\ndevice = [\"path1\", \"path2\"]\nhook = [\"ingress\", \"egress\"]\n\
                      do = ['count']\n";

/// The largest window of the hosts: lower sequence numbers are stale.
const WINDOW: u32 = 65_536;

/// Bytes that each end sends before the attack: more than a window, so that the first numbers are stale.
const BEFORE: usize = 400_000;

/// Numbers from the begin reach so far.
const STALE: u32 = 50_000;

/// The least distance of a guess from the right number: within a window, the kernels accept it themselves.
const FAR: u32 = 1 << 26;

/// A kind of segment.
type Make = fn(PacketBuilder<'static>, &mut SmallRng) -> PacketBuilder<'static>;

const PAYLOAD: &[u8] = &[0x5a; 500];

/// Every kind, by name.
const KINDS: [(&str, Make); 17] = [
    ("SYN", |packet, _| packet.flags(Flags::SYN).acknowledgement(0)),
    ("SYN with MP_CAPABLE", |packet, _| {
        let capable = MpCapable {
            version: Version::V1,
            flags: CapableFlags::HMAC,
            keys: CapableKeys::None,
        };
        packet.flags(Flags::SYN).acknowledgement(0).mptcp(capable)
    }),
    ("SYN with MP_JOIN", |packet, random| {
        let join = MpJoin::Syn {
            backup: true,
            address_id: AddressId(random.random()),
            token: Token(random.random()),
            nonce: Nonce(random.random()),
        };
        packet.flags(Flags::SYN).acknowledgement(0).mptcp(join)
    }),
    ("SYN-ACK", |packet, _| packet.flags(Flags::SYN | Flags::ACK)),
    ("SYN-ACK with MP_CAPABLE", |packet, random| {
        let capable = MpCapable {
            version: Version::V1,
            flags: CapableFlags::HMAC,
            keys: CapableKeys::Sender(Key(random.random())),
        };
        packet.flags(Flags::SYN | Flags::ACK).mptcp(capable)
    }),
    ("FIN", |packet, _| packet.flags(Flags::FIN | Flags::ACK)),
    ("RST", |packet, _| packet.flags(Flags::RST).acknowledgement(0)),
    ("RST with ACK", |packet, _| packet.flags(Flags::RST | Flags::ACK)),
    ("data", |packet, _| {
        packet.flags(Flags::ACK | Flags::PSH).payload(PAYLOAD)
    }),
    ("data with DSS", |packet, random| {
        let mapping = Mapping {
            data_sequence: WireDataSequenceNumber::Long(random.random()),
            subflow_sequence: SubflowSequenceNumber(random.random()),
            length: PAYLOAD.len() as u16,
            checksum: None,
        };
        let dss = Dss {
            data_ack: Some(WireDataSequenceNumber::Long(random.random())),
            mapping: Some(mapping),
            data_fin: random.random(),
        };
        packet.flags(Flags::ACK | Flags::PSH).mptcp(dss).payload(PAYLOAD)
    }),
    ("pure ACK", |packet, _| packet.flags(Flags::ACK)),
    ("DATA_ACK", |packet, random| {
        let dss = Dss {
            data_ack: Some(WireDataSequenceNumber::Long(random.random())),
            ..Dss::default()
        };
        packet.flags(Flags::ACK).mptcp(dss)
    }),
    ("third ACK of MP_CAPABLE", |packet, random| {
        let capable = MpCapable {
            version: Version::V1,
            flags: CapableFlags::HMAC,
            keys: CapableKeys::Both {
                sender: Key(random.random()),
                receiver: Key(random.random()),
            },
        };
        packet.flags(Flags::ACK).mptcp(capable)
    }),
    ("MP_PRIO", |packet, _| {
        let priority = MpPrio {
            backup: true,
            address_id: None,
        };
        packet.flags(Flags::ACK).mptcp(priority)
    }),
    ("ADD_ADDR", |packet, random| {
        let announcement = AddAddr {
            address_id: AddressId(random.random()),
            address: [10, 1, 0, random.random()].into(),
            port: None,
            form: AddAddrForm::Announcement(TruncatedHmac(random.random())),
        };
        packet.flags(Flags::ACK).mptcp(announcement)
    }),
    ("MP_FASTCLOSE", |packet, random| {
        let close = MpFastclose {
            receiver_key: Key(random.random()),
        };
        packet.flags(Flags::RST | Flags::ACK).mptcp(close)
    }),
    ("MP_FAIL", |packet, random| {
        let fail = MpFail {
            data_sequence: DataSequenceNumber(random.random()),
        };
        packet.flags(Flags::ACK).mptcp(fail)
    }),
];

/// Duration and rate of the attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Connections, each with two subflows; every other one begins over IPv6.
    pub connections: usize,
    /// For how long segments are forged.
    pub time: Duration,
    /// Forged segments a second.
    pub rate: u32,
    /// Seed of kinds, victims and numbers.
    pub seed: u64,
}

/// The result of an attack.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Forged segments sent, by kind.
    pub forged: BTreeMap<&'static str, u64>,
    /// Segments that the cores of both hosts counted meanwhile as unacceptable, or as a SYN on an established record.
    /// Some may be segments of the hosts, so it can exceed the number of forged ones.
    pub counted: u64,
    /// Subflows that were compared, on both hosts.
    pub compared: usize,
    /// Differences between records and kernels, as text.
    pub faults: Vec<String>,
}

/// A running connection.
struct Pair {
    ends: [Connection; 2],
}

/// A subflow in one direction, as a target of the attacker.
struct Victim {
    from: SocketAddr,
    to: SocketAddr,
    injector: usize,
    /// Right numbers when the attack begins, and initial ones where they are stale: sequence, acknowledgement.
    right: [u32; 2],
    first: [Option<u32>; 2],
}

impl Pair {
    /// Sends bytes both ways and reads them.
    fn exchange(&self, bytes: usize) {
        for [from, to] in [[0, 1], [1, 0]] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    self.ends[from]
                        .as_tcp()
                        .write_all(&vec![1; bytes])
                        .expect("the socket writes")
                });
                let mut got = vec![0; bytes];
                self.ends[to].as_tcp().read_exact(&mut got).expect("the socket reads");
                assert!(got.iter().all(|byte| *byte == 1), "other bytes arrived");
            });
        }
    }
}

/// Two paths without delay, small windows.
fn bed() -> Option<Bed> {
    let bed = Bed::new(Lab::builder().path(Path::new()).path(Path::new()))?;
    for host in bed.hosts() {
        host.set_sysctl("net.ipv4.tcp_rmem", format!("4096 {WINDOW} {WINDOW}"))
            .expect("a sysctl");
    }
    Some(bed)
}

fn open(bed: &Bed, connections: usize) -> Vec<Pair> {
    let listeners =
        [IpVersion::V4, IpVersion::V6].map(|version| (version, bed.lab.server().listen(version).expect("a port")));
    let pairs: Vec<Pair> = (0..connections)
        .map(|index| {
            let (version, listener) = &listeners[index % 2];
            let address = bed.lab.server_address(0, *version).expect("an address");
            let client = bed
                .lab
                .client()
                .connect(SocketAddr::new(address, listener.port()), seconds(20.0));
            let ends = [
                client.expect("it connects"),
                listener.accept(seconds(20.0)).expect("it accepts"),
            ];
            Pair { ends }
        })
        .collect();
    for pair in &pairs {
        pair.exchange(BEFORE);
        let begin = Instant::now();
        while pair
            .ends
            .iter()
            .any(|end| end.info().expect("its state").subflows.len() < 2)
        {
            assert!(begin.elapsed() < seconds(20.0), "the second subflow does not come");
            pair.exchange(1000);
        }
        // Both subflows must have carried more than a window.
        pair.exchange(BEFORE);
    }
    pairs
}

/// The kernels' state of a subflow, from the point of view of one host.
struct Kernel {
    key: FourTuple,
    token: [Option<Token>; 2],
    established: bool,
    initial: bool,
    joined: bool,
    backup: bool,
    /// Initial sequence numbers: of this host, of the other.
    isn: [u32; 2],
    /// `snd_una` and `rcv_nxt`.
    una: u32,
    next: u32,
}

/// The subflows of a connection as the kernel of host `end` has them; empty while something is under way.
fn kernel(hosts: [&Host; 2], pair: &Pair, end: usize) -> Option<Vec<Kernel>> {
    let infos = [0, 1].map(|end| pair.ends[end].info().expect("its state"));
    let mut found = Vec::new();
    for flow in &infos[end].subflows {
        let key = flow.addresses;
        let other = infos[1 - end]
            .subflows
            .iter()
            .find(|other| other.addresses == key.reversed())?;
        let state = hosts[end].subflow_state(&key).ok()??;
        let peer = hosts[1 - end].subflow_state(&key.reversed()).ok()??;
        let next = |isn: u32, received: u64| isn.wrapping_add(1).wrapping_add(received as u32);
        // The opener of the subflow counts its SYN as an acknowledged byte.
        if !matches!(flow.tcp.bytes_acked.checked_sub(other.tcp.bytes_received), Some(0 | 1)) {
            return None;
        }
        found.push(Kernel {
            key,
            token: [infos[end].token, infos[1 - end].token],
            established: state.state == State::Established,
            initial: state.flags.is_initial(),
            joined: state.flags.is_joined(),
            backup: state.flags.is_backup(),
            isn: [peer.remote_initial.0, state.remote_initial.0],
            una: next(peer.remote_initial.0, other.tcp.bytes_received),
            next: next(state.remote_initial.0, flow.tcp.bytes_received),
        });
    }
    Some(found)
}

/// Differences between a record and the kernel.
fn differences(kernel: &Kernel, flow: Option<&Flow>) -> Vec<String> {
    let Some(flow) = flow else {
        return vec!["no record".to_owned()];
    };
    let flags = u32::from(flow.flags);
    let has = |flag| u64::from(flags & flag != 0);
    let token = |token: Option<Token>| token.map_or(0, |token| token.0.into());
    let both = [
        (
            "established",
            u64::from(kernel.established),
            u64::from(u32::from(flow.state) == flow_state::ESTABLISHED),
        ),
        ("initial", u64::from(kernel.initial), has(flow_flag::INITIAL)),
        ("joined", u64::from(kernel.joined), has(flow_flag::JOINED)),
        (
            "backup",
            u64::from(kernel.backup),
            has(flow_flag::BACKUP_LOCAL | flow_flag::BACKUP_REMOTE),
        ),
        ("partial", 0, has(flow_flag::PARTIAL)),
        ("local token", token(kernel.token[0]), flow.local_token.0.into()),
        ("remote token", token(kernel.token[1]), flow.remote_token.0.into()),
        ("snd_una", kernel.una.into(), flow.remote().acknowledgement.into()),
        ("rcv_nxt", kernel.next.into(), flow.local().acknowledgement.into()),
        ("contiguous sent", kernel.una.into(), flow.local().contiguous.into()),
        (
            "contiguous received",
            kernel.next.into(),
            flow.remote().contiguous.into(),
        ),
        ("highest sent", kernel.una.into(), flow.local().end.into()),
        ("highest received", kernel.next.into(), flow.remote().end.into()),
    ];
    both.into_iter()
        .filter(|(_, kernel, record)| kernel != record)
        .map(|(what, kernel, record)| format!("{what}: kernel {kernel}, record {record}"))
        .collect()
}

/// Compares every record with the kernel. Returns how many there were, and the differences.
fn compare(bed: &Bed, pairs: &[Pair]) -> (usize, Vec<String>) {
    let (mut compared, mut faults) = (0, Vec::new());
    for (end, host) in bed.hosts().into_iter().enumerate() {
        let records = bed.records(host);
        let mut connections = BTreeMap::new();
        for (number, pair) in pairs.iter().enumerate() {
            let Some(flows) = kernel(bed.hosts(), pair, end) else {
                faults.push(format!("connection {number} has bytes under way"));
                continue;
            };
            for kernel in &flows {
                compared += 1;
                let record = records.get(&(kernel.key.local, kernel.key.remote));
                let found = differences(kernel, record);
                faults.extend(
                    found
                        .into_iter()
                        .map(|text| format!("{} {}: {text}", host.role(), kernel.key)),
                );
                let Some(record) = record else { continue };
                let owner = connections.entry(record.connection.0).or_insert(number);
                if record.connection.0 == 0 || *owner != number {
                    faults.push(format!("{} {}: in the connection of another", host.role(), kernel.key));
                }
            }
        }
    }
    (compared, faults)
}

/// The same, until nothing differs or 10 s are over: the last acknowledgements may still be under way.
fn compare_at_rest(bed: &Bed, pairs: &[Pair]) -> (usize, Vec<String>) {
    let begin = Instant::now();
    loop {
        let (compared, faults) = compare(bed, pairs);
        if faults.is_empty() || begin.elapsed() > seconds(10.0) {
            return (compared, faults);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn counted(bed: &Bed) -> u64 {
    let of = |host| {
        let core = bed.stats(host).core;
        core["unacceptable"] + core["syn_on_established"]
    };
    bed.hosts().into_iter().map(of).sum()
}

fn victims(bed: &Bed, pairs: &[Pair]) -> Vec<Victim> {
    let mut victims = Vec::new();
    for pair in pairs {
        for flow in kernel(bed.hosts(), pair, 1).expect("nothing is under way") {
            let path = bed.lab.path_of(&flow.key).expect("a path of the lab");
            // A subflow with little traffic may still be within a window of its beginning.
            let stale = |isn: u32, now: u32| (now.wrapping_sub(isn) > WINDOW + 2 * STALE).then_some(isn);
            let (own, other) = (stale(flow.isn[0], flow.una), stale(flow.isn[1], flow.next));
            // Towards the server, then towards the client.
            victims.push(Victim {
                from: flow.key.remote,
                to: flow.key.local,
                injector: path * 2 + 1,
                right: [flow.next, flow.una],
                first: [other, own],
            });
            victims.push(Victim {
                from: flow.key.local,
                to: flow.key.remote,
                injector: path * 2,
                right: [flow.una, flow.next],
                first: [own, other],
            });
        }
    }
    victims
}

/// A number that was right at the begin of the subflow, or any that is not close to the right one.
fn number(random: &mut SmallRng, right: u32, first: Option<u32>) -> u32 {
    if let Some(first) = first.filter(|_| random.random_ratio(1, 4)) {
        return first.wrapping_add(random.random_range(0..STALE));
    }
    let far = random.random_range(FAR..u32::MAX - FAR);
    right.wrapping_add(far)
}

/// Opens connections, sends forged segments of every kind while they run, and compares the records of both hosts with
/// the kernels when the traffic has stopped. `None` if this machine does not support labs.
///
/// # Panics
/// When the lab or a connection fails.
pub fn attack(attack: &Attack) -> Option<Outcome> {
    let bed = bed()?;
    for host in bed.hosts() {
        bed.apply(host, POLICY);
    }
    let pairs = open(&bed, attack.connections);
    let (compared, faults) = compare_at_rest(&bed, &pairs);
    assert_eq!(
        (compared, faults),
        (attack.connections * 4, Vec::new()),
        "before the attack"
    );
    let before = counted(&bed);

    let injectors: Vec<Injector> = [0, 1]
        .into_iter()
        .flat_map(|path| [End::Client, End::Server].map(|end| (path, end)))
        .map(|(path, end)| bed.lab.injector(path, end).expect("an emulated path"))
        .collect();
    let victims = victims(&bed, &pairs);
    let spared = victims.iter().filter(|victim| victim.first.contains(&None)).count();
    if spared > 0 {
        eprintln!(
            "{spared} of {} directions have carried too little for numbers from their begin to be stale",
            victims.len()
        );
    }
    let mut random = SmallRng::seed_from_u64(attack.seed);
    let mut outcome = Outcome::default();
    let (begin, mut sent, mut exchanged) = (Instant::now(), 0_u64, Instant::now());
    while begin.elapsed() < attack.time {
        let due = (begin.elapsed().as_secs_f64() * f64::from(attack.rate)) as u64;
        while sent < due {
            let victim = &victims[random.random_range(0..victims.len())];
            let (name, make) = KINDS[(sent % KINDS.len() as u64) as usize];
            let [sequence, acknowledgement] = [0, 1].map(|at| number(&mut random, victim.right[at], victim.first[at]));
            let packet = PacketBuilder::new(victim.from, victim.to)
                .window(random.random())
                .sequence(sequence)
                .acknowledgement(acknowledgement);
            let packet = make(packet, &mut random);
            let mut frame = vec![0; packet.buffer_length()];
            packet.build(&mut frame).expect("a packet");
            injectors[victim.injector].send(&mut frame).expect("the link is up");
            *outcome.forged.entry(name).or_default() += 1;
            sent += 1;
        }
        // Keep the connections active: each sends data twice a second.
        if exchanged.elapsed() > Duration::from_millis(500) {
            exchanged = Instant::now();
            pairs.iter().for_each(|pair| pair.exchange(1000));
        }
        thread::sleep(Duration::from_millis(2));
    }
    pairs.iter().for_each(|pair| pair.exchange(1000));
    let (compared, faults) = compare_at_rest(&bed, &pairs);
    outcome.compared = compared;
    outcome.faults = faults;
    outcome.counted = counted(&bed) - before;
    bed.assert_clean("a stranger's segments");
    Some(outcome)
}
