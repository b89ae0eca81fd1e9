//! Pictures of hand-made connections.

use super::{Collector, Quantity, Section, Xplot};
use crate::chart::{Scale, Shape};
use crate::output::sample;
use emptcp_trace::record::{Mark, MarkKind};
use emptcp_trace::{ConnectionId, Direction, Event, PacketEvent, PacketNumber, Piece, Run, Span, SubflowId, Timestamp};
use mptcp_wire::tcp::Flags;
use smallvec::smallvec;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex};

const DOWN: Direction = Direction::ServerToClient;

fn packet(number: u64, microseconds: i64, subflow: u32, dir: Direction) -> PacketEvent {
    PacketEvent {
        number: PacketNumber(number),
        t: Timestamp(1_700_000_000_000_000_000 + microseconds * 1000),
        conn_id: ConnectionId(0),
        sf_id: SubflowId(subflow),
        dir,
        flags: Flags::ACK,
        sequence: 1,
        acknowledgement: Some(1),
        payload: 0,
        window: 65_535,
        in_flight: 0,
        runs: smallvec![],
        data_ack: None,
        rtt: None,
        options: smallvec![],
    }
}

fn data(number: u64, microseconds: i64, subflow: u32, dsn: u64, piece: Piece) -> Event {
    let mut event = packet(number, microseconds, subflow, DOWN);
    event.payload = 1000;
    event.in_flight = 1000;
    event.runs.push(Run {
        dsn: Some(dsn),
        length: 1000,
        piece,
    });
    Event::Packet(Box::new(event))
}

fn answer(number: u64, microseconds: i64, subflow: u32, data_ack: u64) -> Event {
    let mut event = packet(number, microseconds, subflow, DOWN.reverse());
    event.data_ack = Some(data_ack);
    event.rtt = Some(Span(20_000_000));
    Event::Packet(Box::new(event))
}

fn join(microseconds: i64) -> Event {
    join_of(1, microseconds)
}

fn join_of(subflow: u32, microseconds: i64) -> Event {
    Event::Mark(Mark {
        conn_id: ConnectionId(0),
        sf_id: Some(SubflowId(subflow)),
        t: Timestamp(1_700_000_000_000_000_000 + microseconds * 1000),
        packet: PacketNumber(1),
        dir: Direction::ClientToServer,
        kind: MarkKind::Syn,
        bytes: 0,
        other_sf: None,
        detail: None,
        evidence: emptcp_trace::record::Evidence::default(),
    })
}

fn short() -> Vec<Event> {
    vec![
        data(1, 0, 0, 0, Piece::New),
        data(2, 1000, 0, 1000, Piece::New),
        join(5000),
        data(3, 30_000, 0, 1000, Piece::Retransmission),
        data(4, 40_000, 1, 1000, Piece::Reinjection { of: SubflowId(0) }),
        answer(5, 60_000, 1, 2000),
    ]
}

#[test]
fn the_sequence_picture_has_data_copies_acknowledgements_and_marks() {
    let mut collector = Collector::new(ConnectionId(0), Section::default());
    short().iter().for_each(|event| collector.observe(event));
    let picture = collector.picture(Quantity::Dsn, DOWN).expect("a picture");
    let names: Vec<_> = picture.chart.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "",
            "subflow 0",
            "subflow 1",
            "retransmission",
            "reinjection",
            "DATA_ACK",
            "subflow 0: retransmission",
            "subflow 1: reinjection",
        ]
    );
    let Some(Shape::Marks(marks)) = picture.chart.series.first().map(|series| &series.shape) else {
        panic!("marks are drawn first, below the data");
    };
    assert_eq!(marks, &[(0.005, "JOIN 1".to_owned())]);
    assert!(
        collector.picture(Quantity::Dsn, DOWN.reverse()).is_none(),
        "no data went up"
    );
    for what in Quantity::ALL {
        let svg = collector.picture(what, DOWN).expect("a picture").chart.to_svg();
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{what:?}");
    }
}

/// The record that ends the connection, with two subflows.
fn record() -> Event {
    Event::Connection(Box::new(sample::connection(0)))
}

fn drawn(events: &[Event]) -> Collector {
    let mut collector = Collector::new(ConnectionId(0), Section::default());
    events.iter().for_each(|event| collector.observe(event));
    collector
}

#[test]
fn hosts_file_and_the_addresses_of_subflows_are_in_every_picture() {
    let mut events = short();
    events.push(record());
    let collector = drawn(&events);
    for what in Quantity::ALL {
        let svg = collector.picture(what, DOWN).expect("a picture").chart.to_svg();
        for words in [
            "client 10.1.1.2, server 10.1.1.1:5001",
            "traces/a.pcap",
            "subflow 0: 10.1.1.2:",
            "from the server",
            "JOIN 1 at 5.00 ms",
        ] {
            assert!(svg.contains(words), "{what:?}: {words}");
        }
    }
}

#[test]
fn the_data_ack_is_over_the_data_and_lets_it_be_seen() {
    let chart = drawn(&short()).picture(Quantity::Dsn, DOWN).expect("a picture").chart;
    let place = |name: &str| chart.series.iter().position(|series| series.name == name);
    assert!(place("DATA_ACK") > place("subflow 1"), "after the data");
    let acknowledged = &chart.series[place("DATA_ACK").expect("drawn")];
    assert!(acknowledged.thin && acknowledged.listed);
}

#[test]
fn every_join_has_a_label_however_many_there_are() {
    for (number, apart) in [(1, 0), (9, 0), (9, 3000), (40, 700), (300, 10)] {
        let mut events = short();
        events.truncate(2);
        // Marks of other kinds must not take the place of joins.
        events.extend((0..500).map(|index| {
            let Event::Mark(mut mark) = join(index * 100) else {
                unreachable!("a mark")
            };
            mark.kind = MarkKind::Rst;
            Event::Mark(mark)
        }));
        events.extend((1..=number).map(|id| join_of(id, 1000 + i64::from(id) * apart)));
        events.push(answer(9, 200_000, 0, 2000));
        let svg = drawn(&events)
            .picture(Quantity::Dsn, DOWN)
            .expect("a picture")
            .chart
            .to_svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let labels = document
            .descendants()
            .filter(|node| node.attribute("class") == Some("flag"));
        let mut labelled = BTreeSet::new();
        for words in labels.filter_map(|node| node.text()?.strip_prefix("JOIN ")) {
            for part in words.split(", ") {
                let (first, last) = part.split_once('–').unwrap_or((part, part));
                let ends = [first, last].map(|end| end.parse::<u32>().expect("a number"));
                labelled.extend(ends[0]..=ends[1]);
            }
        }
        assert_eq!(labelled, (1..=number).collect(), "{number} joins, {apart} us apart");
    }
}

#[test]
fn many_subflows_differ_in_colour_or_marker() {
    let data = |id: u32| data(id.into(), i64::from(id) * 1000, id, u64::from(id) * 1000, Piece::New);
    let events: Vec<_> = (0..24).map(data).collect();
    let chart = drawn(&events).picture(Quantity::Dsn, DOWN).expect("a picture").chart;
    let mut looks = BTreeSet::new();
    for series in &chart.series {
        if let Shape::Points(_, marker) = &series.shape {
            assert!(looks.insert((series.colour, format!("{marker:?}"))), "{}", series.name);
        }
    }
    assert_eq!(looks.len(), 24);
}

#[test]
fn round_trip_times_of_both_directions_are_in_one_picture() {
    let mut events = short();
    // Data of the client, answered by the server 100 times faster.
    let Event::Packet(mut reply) = answer(6, 70_000, 1, 1) else {
        unreachable!("a packet")
    };
    (reply.dir, reply.rtt) = (DOWN, Some(Span(200_000)));
    events.push(Event::Packet(reply));
    events.push(record());
    let picture = drawn(&events).round_trips().expect("a picture");
    assert_eq!(picture.direction, None);
    assert_eq!(
        super::stem(picture.connection, picture.quantity, picture.direction),
        "connection-0-rtt"
    );
    let names: Vec<_> = picture.chart.series.iter().map(|series| series.name.as_str()).collect();
    for name in [
        "data of the server, until the client's ACK",
        "data of the client, until the server's ACK",
        "handshake",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(picture.chart.y.scale, Scale::Log, "they differ much");
}

#[test]
fn a_section_leaves_out_what_is_outside() {
    let section = Section {
        from: Some(Span(20_000_000)),
        to: Some(Span(35_000_000)),
    };
    let mut collector = Collector::new(ConnectionId(0), section);
    short().iter().for_each(|event| collector.observe(event));
    let picture = collector.picture(Quantity::Dsn, DOWN).expect("a picture");
    let names: Vec<_> = picture.chart.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["subflow 0", "retransmission", "subflow 0: retransmission"]);
}

#[test]
fn a_million_packets_make_a_picture_of_bearable_size() {
    let mut collector = Collector::new(ConnectionId(0), Section::default());
    for number in 0..1_000_000 {
        let subflow = (number % 2) as u32;
        collector.observe(&data(number, number as i64 * 100, subflow, number * 1000, Piece::New));
        collector.observe(&answer(number, number as i64 * 100 + 50, subflow, number * 1000));
    }
    for what in Quantity::ALL {
        let svg = collector.picture(what, DOWN).expect("a picture").chart.to_svg();
        assert!(svg.len() < 400_000, "{what:?}: {}", svg.len());
    }
}

/// A file in memory with shared ownership.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn xplot_files_are_exact_to_the_microsecond_and_the_byte() {
    let mut files: BTreeMap<String, Memory> = BTreeMap::new();
    let create = |name: &str| Ok(files.entry(name.to_owned()).or_default().clone());
    let mut xplot = Xplot::new(
        ConnectionId(0),
        Section::default(),
        &Direction::BOTH,
        &Quantity::ALL,
        create,
    );
    for event in short() {
        xplot.observe(&event).expect("memory");
    }
    xplot.finish().expect("memory");
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "connection-0-dsn-s2c.xpl",
            "connection-0-rtt-s2c.xpl",
            "connection-0-window-c2s.xpl",
            "connection-0-window-s2c.xpl"
        ]
    );
    let text =
        String::from_utf8(files["connection-0-dsn-s2c.xpl"].0.lock().expect("one thread").clone()).expect("text");
    assert_eq!(
        text,
        "timeval unsigned\ntitle\nconnection 0: server ==> client (dsn)\nxlabel\ntime\nylabel\ndata sequence number\n\
         green\nline 1700000000.000000 0 1700000000.000000 1000\ndtick 1700000000.000000 0\nutick 1700000000.000000 1000\n\
         green\nline 1700000000.001000 1000 1700000000.001000 2000\ndtick 1700000000.001000 1000\n\
         utick 1700000000.001000 2000\n\
         white\nuarrow 1700000000.005000 2000\nrtext 1700000000.005000 2000\nJOIN 1\n\
         green\nline 1700000000.030000 1000 1700000000.030000 2000\ndarrow 1700000000.030000 1000\n\
         uarrow 1700000000.030000 2000\natext 1700000000.030000 2000\nR\n\
         red\nline 1700000000.040000 1000 1700000000.040000 2000\natext 1700000000.040000 2000\nreinjected\n\
         green\ndiamond 1700000000.040000 1000\ngo\n"
    );
}
