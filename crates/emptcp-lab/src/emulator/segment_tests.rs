use super::*;

/// An Ethernet frame with an IPv4 or IPv6 header, a TCP header with 12 bytes of options, and `payload`.
fn aggregate(version: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let tcp_length = 32 + payload.len();
    if version == 4 {
        frame.extend([
            0x08, 0x00, 0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, 6, 0, 0, 10, 1, 1, 1, 10, 1, 1, 2,
        ]);
        let length = ((20 + tcp_length) as u16).to_be_bytes();
        frame[16..18].copy_from_slice(&length);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((tcp_length as u16).to_be_bytes());
        frame.extend([6, 64]);
        frame.extend([0xfd; 16]);
        frame.extend([0xfe; 16]);
    }
    // Ports, a sequence number that wraps inside the aggregate, CWR + ACK + PSH + FIN.
    frame.extend([
        0x30, 0x39, 0x01, 0xbb, 0xff, 0xff, 0xff, 0x00, 0, 0, 0, 1, 0x80, 0x99, 1, 0, 0, 0, 0, 0,
    ]);
    frame.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    frame.extend(payload);
    frame
}

fn offload(version: u8, segment_size: usize) -> Offload {
    let checksum_start = if version == 4 { 34 } else { 54 };
    let segmentation = if version == 4 { GSO_TCPV4 } else { GSO_TCPV6 };
    Offload {
        needs_checksum: true,
        segmentation,
        segment_size,
        checksum_start,
        checksum_offset: 16,
    }
}

/// A correct packet sums to 0xffff with its pseudo header.
fn tcp_checksum_is_right(version: u8, packet: &[u8]) -> bool {
    let (addresses, tcp) = if version == 4 { (26..34, 34) } else { (22..54, 54) };
    let length = (packet.len() - tcp) as u64;
    fold(sum(&packet[addresses]) + sum(&packet[tcp..]) + 6 + length) == 0xffff
}

#[test]
fn an_aggregate_becomes_segments_that_carry_the_same_bytes_with_right_headers() {
    let payload: Vec<u8> = (0..3000u32).map(|n| (n * 7) as u8).collect();
    for version in [4, 6] {
        let mut frame = aggregate(version, &payload);
        let headers = frame.len() - payload.len();
        let tcp = headers - 32;
        let mut joined = Vec::new();
        let mut index = 0;
        offload(version, 1401).segments(&mut frame, |packet| {
            assert!(tcp_checksum_is_right(version, packet), "IPv{version}, segment {index}");
            if version == 4 {
                assert_eq!(fold(sum(&packet[14..34])), 0xffff);
                assert_eq!(
                    usize::from(u16::from_be_bytes([packet[16], packet[17]])),
                    packet.len() - 14
                );
                assert_eq!(
                    u16::from_be_bytes([packet[18], packet[19]]),
                    0xffff_u16.wrapping_add(index)
                );
            } else {
                assert_eq!(
                    usize::from(u16::from_be_bytes([packet[18], packet[19]])),
                    packet.len() - 54
                );
            }
            assert_eq!(
                read32(packet, tcp + 4),
                0xffff_ff00_u32.wrapping_add(joined.len() as u32)
            );
            let flags = packet[tcp + TCP_FLAGS];
            assert_eq!(flags & CWR != 0, index == 0, "CWR only on the first");
            assert_eq!(flags & (FIN | PSH) != 0, index == 2, "FIN and PSH only on the last");
            joined.extend_from_slice(&packet[headers..]);
            index += 1;
        });
        assert_eq!(index, 3);
        assert_eq!(joined, payload);
    }
}

#[test]
fn a_partial_checksum_is_completed_and_a_complete_frame_is_left_alone() {
    for version in [4, 6] {
        let mut frame = aggregate(version, b"odd");
        let (addresses, field) = if version == 4 { (26..34, 50) } else { (22..54, 70) };
        let pseudo = fold(sum(&frame[addresses]) + 6 + (32 + 3));
        frame[field..field + 2].copy_from_slice(&pseudo.to_be_bytes());
        let partial = frame.clone();
        let plain = Offload {
            needs_checksum: false,
            segmentation: 0,
            ..offload(version, 0)
        };
        plain.segments(&mut frame, |packet| assert_eq!(packet, partial));
        let single = Offload {
            segmentation: 0,
            ..offload(version, 0)
        };
        single.segments(&mut frame, |packet| assert!(tcp_checksum_is_right(version, packet)));
    }
}

#[test]
fn a_frame_with_an_impossible_virtio_header_passes_unchanged() {
    let whole = aggregate(4, &[7; 100]);
    for (start, length) in [(0, whole.len()), (20, whole.len()), (60_000, whole.len()), (34, 40)] {
        let mut frame = whole[..length].to_vec();
        let offload = Offload {
            needs_checksum: false,
            checksum_start: start,
            ..offload(4, 10)
        };
        let mut packets = 0;
        offload.segments(&mut frame, |_| packets += 1);
        assert!(
            packets == 1,
            "checksum start {start}, length {length}: {packets} packets"
        );
    }
    assert!(Offload::split(&mut [0; 5]).is_none());
}

#[test]
fn a_checksum_that_comes_to_zero_stays_zero_in_tcp_and_becomes_all_ones_in_udp() {
    let single = Offload {
        segmentation: 0,
        ..offload(4, 0)
    };
    let mut frame = aggregate(4, &[0; 4]);
    let payload = frame.len() - 4;
    single.complete(&mut frame);
    // The checksum as payload brings the sum to zero.
    let checksum = [frame[50], frame[51]];
    frame[50..52].fill(0);
    frame[payload..payload + 2].copy_from_slice(&checksum);
    let mut tcp = frame.clone();
    single.complete(&mut tcp);
    assert_eq!(tcp[50..52], [0, 0]);
    let udp = Offload {
        checksum_offset: UDP_CHECKSUM,
        ..single
    };
    udp.complete(&mut frame);
    assert_eq!(frame[40..42], [0xff, 0xff]);
}
