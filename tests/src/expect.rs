//! The expected output packet: the input packet, some changes, and new checksums.

use crate::describe::hex;
use mptcp_wire::{IpVersion, LinkType, Segment, checksum, segment::Network};
use std::ops::Range;

/// Applies a change to a frame:
///
/// * `append DIGITS`: options after the existing ones; lengths are updated.
/// * `tcp OFFSET DIGITS`: bytes of the TCP header.
/// * `dscp N`, `ce`: in the IP header.
/// * `window N`, `flags DIGITS`: fields of the TCP header.
/// * `trim`: removes everything after the IP packet.
/// * `sequence N`: N is added to the sequence number.
/// * `acknowledgement OFFSET`: OFFSET is added to the acknowledgement number.
/// * `rst [DIGITS]`: after the IP header only a TCP header with the flags RST and ACK and these options is left.
/// * `refuse [DIGITS]`: the answer to a SYN (RFC 9293 section 3.10.7.1): reversed, and a `rst` with the right numbers.
/// * `turn`: swaps source and destination in all three headers, and sequence and acknowledgement number.
///
/// # Panics
/// For any other text, or a frame that is not a TCP segment.
pub fn change(frame: &mut Vec<u8>, text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let place = Places::of(frame);
    let number = |index: usize| {
        words[index]
            .parse::<u16>()
            .unwrap_or_else(|_| panic!("`{text}`: a number is missing"))
    };
    let tcp = place.tcp;
    match words[0] {
        "append" => append(frame, &place, &hex(words[1])),
        "tcp" => {
            let bytes = hex(words[2]);
            let at = tcp + usize::from(number(1));
            frame[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        "window" => frame[tcp + 14..tcp + 16].copy_from_slice(&number(1).to_be_bytes()),
        "flags" => frame[tcp + 13] = hex(words[1])[0],
        "dscp" => set_traffic_class(frame, &place, |class| class & 3 | (number(1) as u8) << 2),
        "ce" => set_traffic_class(frame, &place, |class| class | 3),
        "sequence" => {
            let offset: i32 = words[1].parse().expect("a number");
            add(frame, tcp + 4, offset as u32);
        }
        "acknowledgement" => {
            let offset: i32 = words[1].parse().expect("a number");
            add(frame, tcp + 8, offset as u32);
        }
        "rst" => reset(frame, &place, words.get(1).map_or(vec![], |digits| hex(digits))),
        "refuse" => {
            let payload = frame.len() - place.payload;
            change(frame, "turn");
            frame[tcp + 4..tcp + 8].fill(0);
            add(frame, tcp + 8, payload as u32 + 1);
            reset(frame, &place, words.get(1).map_or(vec![], |digits| hex(digits)));
        }
        "trim" => {
            let segment = Segment::parse(frame, LinkType::Ethernet).expect("a TCP segment");
            let end = segment.payload_range().end;
            frame.truncate(end);
        }
        "turn" => {
            swap(frame, 0..6, 6..12);
            let (address, length) = if place.v4 {
                (place.ip + 12, 4)
            } else {
                (place.ip + 8, 16)
            };
            swap(frame, address..address + length, address + length..address + 2 * length);
            swap(frame, tcp..tcp + 2, tcp + 2..tcp + 4);
            swap(frame, tcp + 4..tcp + 8, tcp + 8..tcp + 12);
        }
        _ => panic!("`{text}` is not a change"),
    }
}

struct Places {
    v4: bool,
    ip: usize,
    tcp: usize,
    payload: usize,
}

impl Places {
    fn of(frame: &[u8]) -> Self {
        let segment = Segment::parse(frame, LinkType::Ethernet).expect("a TCP segment");
        Self {
            v4: segment.ip_version() == IpVersion::V4,
            ip: segment.network_offset(),
            tcp: segment.transport_offset(),
            payload: segment.payload_range().start,
        }
    }
}

fn append(frame: &mut Vec<u8>, place: &Places, options: &[u8]) {
    frame.splice(place.payload..place.payload, options.iter().copied());
    frame[place.tcp + 12] += (options.len() / 4 * 16) as u8;
    let field = if place.v4 { place.ip + 2 } else { place.ip + 4 };
    let length = u16::from_be_bytes([frame[field], frame[field + 1]]) + options.len() as u16;
    frame[field..field + 2].copy_from_slice(&length.to_be_bytes());
}

fn add(frame: &mut [u8], at: usize, number: u32) {
    let before = u32::from_be_bytes(frame[at..at + 4].try_into().expect("four bytes"));
    frame[at..at + 4].copy_from_slice(&before.wrapping_add(number).to_be_bytes());
}

fn reset(frame: &mut Vec<u8>, place: &Places, options: Vec<u8>) {
    let tcp = place.tcp;
    frame.truncate(tcp + 20);
    // Offset of the data, flags; window and urgent pointer are 0.
    frame[tcp + 12] = ((20 + options.len()) / 4 * 16) as u8;
    frame[tcp + 13] = 0x14;
    frame[tcp + 14..].fill(0);
    frame.extend(options);
    let (field, length) = if place.v4 {
        (place.ip + 2, frame.len() - place.ip)
    } else {
        (place.ip + 4, frame.len() - place.ip - 40)
    };
    frame[field..field + 2].copy_from_slice(&(length as u16).to_be_bytes());
}

fn set_traffic_class(frame: &mut [u8], place: &Places, change: impl Fn(u8) -> u8) {
    if place.v4 {
        frame[place.ip + 1] = change(frame[place.ip + 1]);
    } else {
        let class = change(frame[place.ip] << 4 | frame[place.ip + 1] >> 4);
        frame[place.ip] = 0x60 | class >> 4;
        frame[place.ip + 1] = class << 4 | frame[place.ip + 1] & 15;
    }
}

fn swap(frame: &mut [u8], a: Range<usize>, b: Range<usize>) {
    let first = frame[a.clone()].to_vec();
    frame.copy_within(b.clone(), a.start);
    frame[b].copy_from_slice(&first);
}

/// Writes the right checksums into a frame; with `partial` TCP's is the sum over the pseudo-header alone.
///
/// # Panics
/// When it is not a TCP segment.
pub fn set_checksums(frame: &mut [u8], partial: bool) {
    let place = Places::of(frame);
    if place.v4 {
        let header = usize::from(frame[place.ip] & 15) * 4;
        frame[place.ip + 10..place.ip + 12].fill(0);
        let sum = checksum::internet(&frame[place.ip..place.ip + header]);
        frame[place.ip + 10..place.ip + 12].copy_from_slice(&sum.to_be_bytes());
    }
    let field = place.tcp + 16..place.tcp + 18;
    frame[field.clone()].fill(0);
    let segment = Segment::parse(frame, LinkType::Ethernet).expect("a TCP segment");
    let addresses = segment.addresses();
    let bytes = segment.tcp().bytes();
    let sum = if partial {
        checksum::pseudo_header(&addresses, checksum::PROTOCOL_TCP, bytes.len() as u32).partial()
    } else {
        checksum::tcp(&addresses, bytes)
    };
    frame[field].copy_from_slice(&sum.to_be_bytes());
}

/// Whether the checksums of IP and TCP are right; TCP's may be partial when it was.
pub fn checksums_are_right(frame: &[u8], partial: bool) -> bool {
    let Ok(segment) = Segment::parse(frame, LinkType::Ethernet) else {
        return false;
    };
    let ip = match segment.network() {
        Network::V4(view) => view.checksum_is_valid(),
        Network::V6(_) => true,
    };
    ip && if partial {
        segment.checksum_is_partial()
    } else {
        segment.checksum_is_valid()
    }
}
