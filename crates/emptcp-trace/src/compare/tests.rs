//! Two synthetic captures, with every change that a middlebox can make between them.

use super::testing::Made;
use super::{ClockOffset, CompareSettings, ComparedKind, Comparison, Point, Stage, compare};
use crate::{Direction, Span};
use mptcp_wire::crypto::derive;
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpCapable, MpJoin};
use mptcp_wire::tcp::Flags;
use mptcp_wire::tcp::option::TcpOption;
use mptcp_wire::{AddressId, Key, Nonce, PacketBuilder, Token, TruncatedHmac, Version};
use std::net::SocketAddr;

const SERVER_KEY: Key = Key([9; 8]);
const DELAY: i64 = 10;

/// The path between the two points.
#[derive(Clone, Copy)]
struct Between {
    client: &'static str,
    shift: u32,
    clock: i64,
    keeps_options: bool,
}

const NOTHING: Between = Between {
    client: "10.0.0.1:4000",
    shift: 0,
    clock: 0,
    keeps_options: true,
};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Both captures under construction.
struct Both {
    between: Between,
    captures: [Made; 2],
}

impl Both {
    fn new(between: Between) -> Self {
        Self {
            between,
            captures: Default::default(),
        }
    }

    /// A packet that passes both points. `client`: who sends it, before translation.
    fn pass(
        &mut self,
        time: i64,
        from_client: bool,
        with: impl Fn(PacketBuilder<'static>, bool) -> PacketBuilder<'static>,
    ) {
        let between = self.between;
        for (point, at_b) in [(0, false), (1, true)] {
            let client = address(if at_b { between.client } else { NOTHING.client });
            let server = address("10.0.9.9:80");
            let (source, destination) = if from_client {
                (client, server)
            } else {
                (server, client)
            };
            let packet = with(PacketBuilder::new(source, destination), at_b);
            let time = if at_b == from_client { time + DELAY } else { time };
            let clock = if at_b { between.clock } else { 0 };
            self.captures[point].packet(time + clock, &packet);
        }
    }

    fn handshake(&mut self) {
        let (shift, keeps) = (self.between.shift, self.between.keeps_options);
        let of = move |at_b: bool| if at_b { shift } else { 0 };
        let capable = |keys| MpCapable {
            version: Version::V1,
            flags: CapableFlags::HMAC,
            keys,
        };
        let timestamps = |value| TcpOption::Timestamps { value, echo_reply: 0 };
        self.pass(0, true, |packet, at_b| {
            let packet = packet
                .flags(Flags::SYN)
                .sequence(1000_u32.wrapping_add(of(at_b)))
                .option(timestamps(1));
            if at_b && !keeps {
                packet
            } else {
                packet.mptcp(capable(CapableKeys::None))
            }
        });
        self.pass(20, false, |packet, at_b| {
            let packet = packet.flags(Flags::SYN | Flags::ACK).sequence(5000);
            packet
                .acknowledgement(1001_u32.wrapping_add(of(at_b)))
                .mptcp(capable(CapableKeys::Sender(SERVER_KEY)))
        });
        self.pass(40, true, |packet, at_b| {
            let packet = packet.flags(Flags::ACK).sequence(1001_u32.wrapping_add(of(at_b)));
            packet.acknowledgement(5001).option(timestamps(2))
        });
    }

    fn data(&mut self, time: i64, sequence: u32, timestamp: u32) {
        let shift = self.between.shift;
        self.pass(time, true, |packet, at_b| {
            data(
                packet,
                sequence.wrapping_add(if at_b { shift } else { 0 }),
                timestamp,
                100,
            )
        });
    }

    fn compare(self, settings: CompareSettings) -> Comparison {
        let [a, b] = self.captures.map(Made::sorted);
        compare(a, b, settings).unwrap()
    }
}

fn data(packet: PacketBuilder<'static>, sequence: u32, timestamp: u32, length: usize) -> PacketBuilder<'static> {
    let option = TcpOption::Timestamps {
        value: timestamp,
        echo_reply: 0,
    };
    let packet = packet.flags(Flags::ACK).sequence(sequence).acknowledgement(5001);
    packet.option(option).payload(&[7; 4000][..length])
}

#[test]
fn addresses_and_sequence_numbers_may_be_translated_and_clocks_be_an_hour_apart() {
    let between = Between {
        client: "192.0.2.7:61000",
        shift: 3_000_000_000,
        clock: 3_600_000,
        keeps_options: true,
    };
    let mut both = Both::new(between);
    both.handshake();
    for number in 0..20 {
        both.data(60 + number, 1001 + 100 * number as u32, 10 + number as u32);
    }
    let comparison = both.compare(CompareSettings::default());
    assert_eq!(comparison.connections.len(), 1);
    let subflow = &comparison.connections[0].subflows[0];
    assert!(subflow.translated);
    assert_eq!((subflow.client_at, subflow.kind), (Point::A, ComparedKind::Capable));
    assert_eq!(subflow.isn_shift[Direction::ClientToServer], Some(3_000_000_000));
    assert_eq!(comparison.clock.offset, Span::from_seconds(3600));
    let up = &subflow.directions[Direction::ClientToServer];
    assert_eq!(
        (up.packets, up.same, up.lost.packets, up.appeared.packets),
        ([22, 22], 22, 0, 0)
    );
    assert_eq!((up.delay.min, up.delay.max), (Some(10.0), Some(10.0)));
    assert!(up.fields.is_empty(), "{:?}", up.fields);
}

#[test]
fn a_removed_option_and_a_lost_copy_are_counted() {
    let mut both = Both::new(Between {
        keeps_options: false,
        ..NOTHING
    });
    both.handshake();
    both.data(60, 1001, 10);
    // Lost, and sent again.
    let (client, server) = (address(NOTHING.client), address("10.0.9.9:80"));
    both.captures[0].packet(61, &data(PacketBuilder::new(client, server), 1101, 11, 100));
    both.data(300, 1101, 250);
    both.data(400, 1201, 350);
    let comparison = both.compare(CompareSettings::default());
    let up = &comparison.connections[0].subflows[0].directions[Direction::ClientToServer];
    let removed = up.options.iter().find(|option| option.removed > 0).unwrap();
    assert_eq!(
        (removed.option.to_string(), removed.stage, removed.removed),
        ("MP_CAPABLE".to_owned(), Stage::Syn, 1)
    );
    assert_eq!((up.lost.packets, up.lost.bytes, up.delay.max), (1, 100, Some(10.0)));
}

#[test]
fn aggregates_that_are_cut_between_the_points_lose_nothing() {
    let mut both = Both::new(NOTHING);
    both.handshake();
    let (client, server) = (address(NOTHING.client), address("10.0.9.9:80"));
    both.captures[0].packet(60, &data(PacketBuilder::new(client, server), 1001, 10, 4000));
    for piece in 0..4 {
        let packet = data(PacketBuilder::new(client, server), 1001 + 1000 * piece, 10, 1000);
        both.captures[1].packet(70 + i64::from(piece), &packet);
    }
    both.data(100, 5001, 11);
    let comparison = both.compare(CompareSettings::default());
    let up = &comparison.connections[0].subflows[0].directions[Direction::ClientToServer];
    assert_eq!(
        (up.resegmented, up.lost.bytes, up.lost.packets, up.appeared.packets),
        (4, 0, 0, 0)
    );
    assert_eq!((up.bytes, up.delay.max), ([4100, 4100], Some(10.0)));
}

#[test]
fn captures_given_in_the_other_order_say_the_same() {
    let mut both = Both::new(NOTHING);
    both.handshake();
    both.data(60, 1001, 10);
    both.captures.swap(0, 1);
    let comparison = both.compare(CompareSettings::default());
    let subflow = &comparison.connections[0].subflows[0];
    assert_eq!(subflow.client_at, Point::B);
    for direction in Direction::BOTH {
        assert_eq!(subflow.directions[direction].delay.min, Some(10.0));
    }
}

#[test]
fn packets_that_pass_while_the_other_capture_does_not_run_are_not_lost() {
    let mut both = Both::new(NOTHING);
    both.handshake();
    for number in 0..10 {
        both.data(60 + 100 * number, 1001 + 100 * number as u32, 10 + number as u32);
    }
    let mut late = both.captures[1].clone().sorted();
    late.retain(|time| time > 300 && time < 900);
    both.captures[1] = late;
    let settings = CompareSettings {
        clock: ClockOffset::Same,
        ..CompareSettings::default()
    };
    let comparison = both.compare(settings);
    let up = &comparison.connections[0].subflows[0].directions[Direction::ClientToServer];
    assert_eq!((up.lost.packets, up.same), (0, 6));
    assert!(up.lost.outside >= 4);
}

#[test]
fn a_window_of_few_packets_counts_what_it_gave_up() {
    let mut both = Both::new(NOTHING);
    both.handshake();
    for number in 0..50 {
        both.data(60, 1001 + 100 * number, 10 + number);
    }
    let settings = CompareSettings {
        packets: 8,
        ..CompareSettings::default()
    };
    let comparison = both.compare(settings);
    assert!(comparison.exceeded > 0);
}

#[test]
fn joins_are_put_to_their_connection_by_the_token_that_either_capture_has() {
    let mut both = Both::new(NOTHING);
    both.handshake();
    let token = derive(Version::V1, SERVER_KEY).token;
    for (number, token) in [token, Token(7)].into_iter().enumerate() {
        let client = SocketAddr::new([10, 0, 1, 1].into(), 5000 + number as u16);
        let server = address("10.0.9.9:80");
        let syn = MpJoin::Syn {
            backup: false,
            address_id: AddressId(2),
            token,
            nonce: Nonce(1),
        };
        let packet = PacketBuilder::new(client, server)
            .flags(Flags::SYN)
            .sequence(1)
            .mptcp(syn);
        both.captures[0].packet(50, &packet);
        both.captures[1].packet(60, &packet);
        let answer = MpJoin::SynAck {
            backup: false,
            address_id: AddressId(0),
            hmac: TruncatedHmac(5),
            nonce: Nonce(6),
        };
        let packet = PacketBuilder::new(server, client).flags(Flags::SYN | Flags::ACK);
        let packet = packet.sequence(9).acknowledgement(2).mptcp(answer);
        both.captures[1].packet(70, &packet);
        both.captures[0].packet(80, &packet);
    }
    let comparison = both.compare(CompareSettings::default());
    let kinds: Vec<_> = comparison
        .connections
        .iter()
        .map(|connection| (connection.kind, connection.subflows.len()))
        .collect();
    assert_eq!(kinds, [(ComparedKind::Capable, 2), (ComparedKind::Join, 1)]);
    assert!(comparison.connections[0].subflows[1].opened_by_client);
}

/// The subflow of a client port whose SYN is lost between the points, while packets that belong to it, or to an earlier
/// connection of these ports, pass before the SYN is repeated. `stray`: the sequence number of those.
fn with_strays(stray: u32, at: [bool; 2]) -> Comparison {
    let mut both = Both::new(NOTHING);
    let (client, server) = (address(NOTHING.client), address("10.0.9.9:80"));
    let syn = |timestamp| {
        let value = TcpOption::Timestamps {
            value: timestamp,
            echo_reply: 0,
        };
        PacketBuilder::new(client, server)
            .flags(Flags::SYN)
            .sequence(1000)
            .option(value)
    };
    // Both captures began before.
    let other = PacketBuilder::new(address("10.0.7.7:7"), server).flags(Flags::ACK);
    both.captures[0].packet(-500, &other);
    both.captures[1].packet(-500 + DELAY, &other);
    both.captures[0].packet(0, &syn(1));
    for number in 0..2 {
        let packet = PacketBuilder::new(client, server).flags(Flags::ACK).sequence(stray);
        let reset = PacketBuilder::new(server, client).flags(Flags::RST);
        let time = 100 + 50 * number;
        for (point, late) in [(0, 0), (1, DELAY)] {
            if at[point] {
                both.captures[point].packet(time + late, &packet);
                both.captures[point].packet(time + 2 * DELAY - late, &reset);
            }
        }
    }
    both.pass(1000, true, |_, _| syn(2));
    both.pass(1020, false, |packet, _| {
        packet
            .flags(Flags::SYN | Flags::ACK)
            .sequence(5000)
            .acknowledgement(1001)
    });
    both.data(1100, 1001, 3);
    both.data(1200, 1101, 4);
    both.compare(CompareSettings::default())
}

#[test]
fn packets_before_a_syn_do_not_split_its_subflow_and_only_the_lost_syn_is_lost() {
    for stray in [1000, 1001] {
        let comparison = with_strays(stray, [true, true]);
        assert_eq!(comparison.connections.len(), 2, "{stray}");
        let subflow = &comparison.connections[1].subflows[0];
        let up = &subflow.directions[Direction::ClientToServer];
        assert_eq!(
            (up.packets, up.lost.packets, up.appeared.packets),
            ([6, 5], 1, 0),
            "{stray}"
        );
        assert_eq!(up.lost.first_handshake.map(|number| number.0), Some(2), "{stray}");
        let down = &subflow.directions[Direction::ServerToClient];
        assert_eq!((down.packets, down.lost.packets, down.appeared.packets), ([3, 3], 0, 0));
    }
}

#[test]
fn strays_in_one_capture_alone_are_only_there() {
    for (at, packets) in [([true, false], [6, 3]), ([false, true], [4, 5])] {
        let comparison = with_strays(1001, at);
        assert_eq!(comparison.connections.len(), 2, "{at:?}");
        let up = &comparison.connections[1].subflows[0].directions[Direction::ClientToServer];
        assert_eq!((up.packets, up.same), (packets, 3), "{at:?}");
        let (lost, appeared) = if at[0] { (3, 0) } else { (1, 2) };
        assert_eq!((up.lost.packets, up.appeared.packets), (lost, appeared), "{at:?}");
    }
}

#[test]
fn strays_of_an_earlier_connection_on_the_same_ports_stay_out_of_the_new_one() {
    let mut both = Both::new(NOTHING);
    let (client, server) = (address(NOTHING.client), address("10.0.9.9:80"));
    both.pass(0, true, |_, _| {
        PacketBuilder::new(client, server)
            .flags(Flags::ACK | Flags::FIN)
            .sequence(3_000_000_000)
    });
    both.pass(200, true, |packet, _| packet.flags(Flags::SYN).sequence(1000));
    both.pass(220, false, |packet, _| {
        packet
            .flags(Flags::SYN | Flags::ACK)
            .sequence(5000)
            .acknowledgement(1001)
    });
    both.data(300, 1001, 3);
    let comparison = both.compare(CompareSettings::default());
    let packets: Vec<_> = comparison
        .connections
        .iter()
        .map(|connection| connection.subflows[0].directions[Direction::ClientToServer].packets)
        .collect();
    assert_eq!(packets, [[1, 1], [2, 2]]);
}
