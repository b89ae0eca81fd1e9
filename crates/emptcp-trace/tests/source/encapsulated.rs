//! The same connections in tags, labels and tunnels of every kind: the same records, copies and comparison.

#[path = "../../../mptcp-wire/tests/captures/wrap.rs"]
#[allow(dead_code)]
pub(crate) mod wrap;

use crate::common::whole;
use emptcp_trace::compare::{CompareSettings, compare};
use emptcp_trace::record::{Encapsulated, Totals};
use emptcp_trace::source::{Files, from_reader};
use emptcp_trace::split::{Format, Selection};
use emptcp_trace::{Analyzer, ConnectionId, Event, Settings, Watch};
use mptcp_wire::Segment;
use std::io::Cursor;
use wrap::WAYS;

const CAPTURE: &[u8] = include_bytes!("../captures/reuse.pcap.zst");
const MOST: usize = 600;

/// Time in nanoseconds, and the IP packet, as long as it was on the wire.
pub(crate) fn packets() -> Vec<(i64, Vec<u8>)> {
    let frames = whole(CAPTURE).into_iter().take(MOST);
    frames
        .map(|mut frame| {
            let segment = Segment::parse(&frame.bytes, frame.link.unwrap()).unwrap();
            let start = segment.network_offset();
            // The capture is cut; the lengths of the headers around it need all of it.
            frame.bytes.resize(frame.original_length as usize, 0);
            (frame.time, frame.bytes[start..].to_vec())
        })
        .collect()
}

/// All ways but one: a packet of 1500 bytes and an LLC header are too long for the length field of IEEE 802.3.
fn ways() -> impl Iterator<Item = &'static wrap::Way> {
    WAYS.iter().filter(|way| way.name != "802.3 with SNAP")
}

/// A pcap file with nanoseconds.
pub(crate) fn file(link: u32, frames: impl Iterator<Item = (i64, Vec<u8>)>) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(u32::to_le_bytes(word));
    }
    for (time, frame) in frames {
        let length = frame.len() as u32;
        for word in [
            (time / 1_000_000_000) as u32,
            (time % 1_000_000_000) as u32,
            length,
            length,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

fn open(bytes: &[u8]) -> Files {
    from_reader("capture", Cursor::new(bytes.to_vec())).unwrap()
}

/// Connections as JSON, and the totals.
fn analysed(bytes: &[u8]) -> (Vec<String>, Totals) {
    let (mut connections, mut end) = (Vec::new(), None);
    for event in Analyzer::new(open(bytes)) {
        match event.unwrap() {
            Event::Connection(connection) => connections.push(serde_json::to_string(&connection).unwrap()),
            Event::End(totals) => end = Some(*totals),
            _ => {}
        }
    }
    (connections, end.unwrap())
}

#[test]
fn the_records_are_those_of_the_packets_inside() {
    let packets = packets();
    let (expected, plain) = analysed(&file(101, packets.iter().cloned()));
    assert!(expected.len() > 1);
    for way in ways() {
        let wrapped = packets.iter().map(|(time, ip)| (*time, (way.wrap)(ip)));
        let (found, totals) = analysed(&file(way.link, wrapped));
        assert!(found == expected, "{}: {found:?}", way.name);
        assert_eq!(totals.tcp, plain.tcp, "{}", way.name);
        if way.name == "VXLAN in GRE in MPLS" {
            let each = plain.tcp;
            let kinds = Encapsulated {
                mpls: each,
                gre: each,
                vxlan: each,
                ..Encapsulated::default()
            };
            assert_eq!(totals.encapsulated, kinds);
        }
    }
    assert_eq!(plain.encapsulated, Encapsulated::default());
}

#[test]
fn a_connection_inside_is_split_off_and_its_copy_compares_as_equal() {
    let packets = packets();
    let id = ConnectionId(0);
    let settings = Settings {
        watch: Watch::Connection(id),
        ..Settings::default()
    };
    for way in ways() {
        let capture = file(way.link, packets.iter().map(|(time, ip)| (*time, (way.wrap)(ip))));
        let mut selection = Selection::new(id);
        for event in Analyzer::with_settings(open(&capture), settings) {
            selection.observe(&event.unwrap());
        }
        let mut copy = Vec::new();
        selection
            .copy(open(&capture), &settings, Format::Pcap, &mut copy)
            .unwrap();
        let (connections, totals) = analysed(&copy);
        assert_eq!(
            (connections.len(), totals.packets),
            (1, selection.packets()),
            "{}",
            way.name
        );

        let outside = file(101, packets.iter().cloned());
        let comparison = compare(open(&copy), open(&outside), CompareSettings::default()).unwrap();
        let subflow = &comparison.connections[0].subflows[0];
        for direction in &subflow.directions.0 {
            assert!(direction.same > 0, "{}", way.name);
            assert_eq!(
                (direction.lost.packets, direction.appeared.packets),
                (0, 0),
                "{}",
                way.name
            );
        }
    }
}

#[test]
fn a_link_type_that_is_not_read_is_counted_with_its_number() {
    let frames = || [(0, vec![0; 60]), (1, vec![1; 60])].into_iter();
    let (connections, totals) = analysed(&file(189, frames()));
    assert!(connections.is_empty());
    let named: Vec<_> = totals
        .skipped
        .link_types
        .iter()
        .map(|(link, packets)| (link.0, packets))
        .collect();
    assert_eq!((totals.skipped.link_type, named), (2, vec![(189, 2)]));
}
