//! The variants of pcap and pcapng.

use crate::common::{Bytes, Order, Owned, from_bytes, pcap, pcap_head, whole};
use emptcp_trace::{Next, Source};
use mptcp_wire::{LinkType, UnknownLink};

const ORDERS: [Order; 2] = [Order::Big, Order::Little];

fn frame(number: u64, time: i64, bytes: &[u8]) -> Owned {
    Owned {
        number,
        time,
        link: Ok(LinkType::Ethernet),
        original_length: 1000 + bytes.len() as u32,
        bytes: bytes.to_vec(),
    }
}

#[test]
fn pcap_of_both_byte_orders_resolutions_and_record_forms_gives_the_same() {
    for order in ORDERS {
        for (magic, unit, extra) in [(0xa1b2_c3d4, 1000, 0), (0xa1b2_3c4d, 1, 0), (0xa1b2_cd34, 1000, 8)] {
            let file = pcap_head(order, magic)
                .u32(4_000_000_000)
                .u32(17)
                .u32(3)
                .u32(1003)
                .raw(&vec![0xee; extra])
                .raw(b"abc")
                .u32(1)
                .u32(999_999)
                .u32(0)
                .u32(1000)
                .raw(&vec![0xee; extra]);
            let expected = [
                frame(1, 4_000_000_000_000_000_000 + 17 * unit, b"abc"),
                frame(2, 1_000_000_000 + 999_999 * unit, b""),
            ];
            assert_eq!(whole(&file.bytes), expected, "{order:?} {magic:x}");
        }
    }
}

#[test]
fn before_pcap_2_3_the_original_length_comes_first() {
    let head = Bytes::new(Order::Big)
        .u32(0xa1b2_c3d4)
        .u16(2)
        .u16(2)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(1);
    let file = head.u32(1).u32(0).u32(1002).u32(2).raw(b"ab");
    assert_eq!(whole(&file.bytes), [frame(1, 1_000_000_000, b"ab")]);
}

#[test]
fn pcapng_of_both_byte_orders_has_interfaces_of_different_clocks_and_several_sections() {
    for (order, other) in [(Order::Big, Order::Little), (Order::Little, Order::Big)] {
        let nanoseconds = Bytes::new(order)
            .u16(2)
            .u16(1)
            .raw(b"x\0\0\0")
            .u16(9)
            .u16(1)
            .raw(&[9, 0, 0, 0])
            .u32(0);
        let binary = Bytes::new(order).u16(9).u16(1).raw(&[0x80 | 1, 0, 0, 0]);
        let first = Bytes::new(order)
            .section()
            .interface(1, &nanoseconds.bytes)
            .enhanced(0, 1_234_567_890_123_456_789, b"first")
            .interface(101, &binary.bytes)
            // Custom (to be copied and not), systemd journal, secrets, name resolution, and one from the local range.
            .block(0x0bad, &Bytes::new(order).raw(&[1; 5000]))
            .block(0x4000_0bad, &Bytes::new(order).raw(&[2; 12]))
            .block(9, &Bytes::new(order).raw(b"__CURSOR=s=0\n__REALTIME=1\n"))
            .block(10, &Bytes::new(order).raw(b"secret"))
            .block(4, &Bytes::new(order).raw(b"names"))
            .block(0x8000_0001, &Bytes::new(order).raw(b"process"))
            .enhanced(1, 3, b"sixteen bytes...");
        let second = Bytes::new(other).section().interface(147, &[]).enhanced(0, 7, b"");
        let file = [first.bytes, second.bytes].concat();
        let expected = [
            frame(1, 1_234_567_890_123_456_789, b"first"),
            Owned {
                link: Ok(LinkType::RawIp),
                ..frame(2, 1_500_000_000, b"sixteen bytes...")
            },
            Owned {
                link: Err(UnknownLink(147)),
                ..frame(3, 7_000, b"")
            },
        ];
        assert_eq!(whole(&file), expected, "{order:?}");
    }
}

#[test]
fn obsolete_and_simple_packet_blocks_are_read() {
    for order in ORDERS {
        let obsolete = Bytes::new(order)
            .u16(0)
            .u16(5)
            .u32(0)
            .u32(2_000)
            .u32(3)
            .u32(1003)
            .raw(b"old");
        // An interface with a snap length of 4; padding is no part of the packet.
        let interface = Bytes::new(order).u16(1).u16(0).u32(4);
        let file = Bytes::new(order)
            .section()
            .block(1, &interface)
            .block(2, &obsolete)
            .block(3, &Bytes::new(order).u32(1500).raw(b"snap"))
            .block(3, &Bytes::new(order).u32(3).raw(b"abc"));
        let simple = |number, original_length, bytes: &[u8]| Owned {
            original_length,
            ..frame(number, 2_000_000, bytes)
        };
        let expected = [
            frame(1, 2_000_000, b"old"),
            simple(2, 1500, b"snap"),
            simple(3, 3, b"abc"),
        ];
        assert_eq!(whole(&file.bytes), expected, "{order:?}");
    }
}

#[test]
fn order_is_doubtful_from_the_second_interface_of_a_section_on() {
    let interfaces = Bytes::new(Order::Little)
        .section()
        .interface(1, &[])
        .enhanced(0, 1, b"");
    let file = interfaces
        .interface(1, &[])
        .enhanced(1, 2, b"")
        .section()
        .interface(1, &[])
        .enhanced(0, 3, b"");
    let mut source = from_bytes(&file.bytes).unwrap();
    for expected in [false, true, true] {
        assert!(matches!(source.next(), Ok(Next::Frame(_))));
        assert_eq!(source.may_be_unordered(), expected);
    }
    assert!(matches!(source.next(), Ok(Next::End)));
}

#[test]
fn a_packet_comes_out_before_the_next_is_written() {
    use std::io::Write;
    for pack in [false, true] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let bytes = pcap(&[1]);
        // zstd with a flush after each packet, as `tcpdump -U | zstd` cannot promise but a live writer can do.
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        let mut part = |bytes: &[u8]| {
            if !pack {
                return bytes.to_vec();
            }
            encoder.write_all(bytes).unwrap();
            encoder.flush().unwrap();
            std::mem::take(encoder.get_mut())
        };
        writer.write_all(&part(&bytes)).unwrap();
        let mut source = emptcp_trace::source::from_reader("pipe", reader).unwrap();
        assert!(matches!(source.next(), Ok(Next::Frame(frame)) if frame.number.0 == 1));
        writer.write_all(&part(&bytes[24..])).unwrap();
        assert!(matches!(source.next(), Ok(Next::Frame(frame)) if frame.number.0 == 2));
    }
}
