//! Packets of one connection.

/// Address and port of the host that opens.
pub const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40000);
/// Address and port of the other host.
pub const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);
/// TCP flag.
pub const SYN: u8 = 2;
/// TCP flag.
pub const ACK: u8 = 16;

/// One TCP segment over IPv4 and Ethernet; checksums are left out, the core ignores them.
pub fn segment(
    from: ([u8; 4], u16),
    to: ([u8; 4], u16),
    numbers: (u32, u32),
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let tcp = 20 + options.len();
    let mut packet = vec![0; 12];
    packet.extend([8, 0, 0x45, 0]);
    packet.extend(((20 + tcp + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(numbers.0.to_be_bytes());
    packet.extend(numbers.1.to_be_bytes());
    packet.extend([(tcp as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// MP_CAPABLE version 1 with these keys (RFC 8684 section 3.1).
pub fn capable(keys: &[[u8; 8]]) -> Vec<u8> {
    let mut option = vec![30, 4 + 8 * keys.len() as u8, 1, 1];
    option.extend(keys.concat());
    option
}

/// DSS with a 32-bit DATA_ACK only.
pub const DATA_ACK: [u8; 8] = [30, 8, 0x20, 1, 0, 0, 0, 1];

/// What the server receives of a handshake that it does not send: SYN and third ACK arrive, SYN-ACK leaves.
pub fn arriving() -> [Vec<u8>; 2] {
    let keys = [[1; 8], [2; 8]];
    [
        segment(CLIENT, SERVER, (1000, 0), SYN, &capable(&[]), &[]),
        segment(CLIENT, SERVER, (1001, 5001), ACK, &capable(&keys), &[]),
    ]
}
