//! Pictures of hand-made connections.

use super::{Collector, Quantity, Section, Xplot};
use crate::chart::Shape;
use emptcp_trace::record::{Mark, MarkKind};
use emptcp_trace::{ConnectionId, Direction, Event, PacketEvent, PacketNumber, Piece, Run, Span, SubflowId, Timestamp};
use mptcp_wire::tcp::Flags;
use smallvec::smallvec;
use std::collections::BTreeMap;
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
    Event::Mark(Mark {
        conn_id: ConnectionId(0),
        sf_id: Some(SubflowId(1)),
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
            "DATA_ACK",
            "subflow 0",
            "subflow 0: retransmission",
            "subflow 1: reinjection",
            ""
        ]
    );
    let Some(Shape::Marks(marks)) = picture.chart.series.last().map(|series| &series.shape) else {
        panic!("marks are drawn last");
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
    assert_eq!(names, ["subflow 0: retransmission"]);
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
