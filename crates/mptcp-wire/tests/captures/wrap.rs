//! Frames with tags, labels and tunnels around an IP packet, written by hand after their specifications.

/// One way to carry an IP packet.
pub(crate) struct Way {
    /// For messages.
    pub(crate) name: &'static str,
    /// The link type in a capture file.
    pub(crate) link: u32,
    /// Makes the frame.
    pub(crate) wrap: fn(&[u8]) -> Vec<u8>,
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The EtherType of an IP packet.
fn kind(ip: &[u8]) -> u16 {
    if ip[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8],
        &ether_type.to_be_bytes(),
        payload,
    ])
}

fn tag(after: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[0, 7], &after.to_be_bytes(), payload])
}

fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = join(&[
        &[0x45, 0],
        &(payload.len() as u16 + 20).to_be_bytes(),
        &[0, 1, 0x40, 0, 64, protocol, 0, 0],
        &[192, 0, 2, 1, 192, 0, 2, 2],
    ]);
    let checksum = internet_checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    join(&[&header, payload])
}

pub(crate) fn ip6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut addresses = [0; 32];
    addresses[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    addresses[16..20].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    (addresses[15], addresses[31]) = (1, 2);
    let length = (payload.len() as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0], &length, &[protocol, 64], &addresses, payload])
}

/// With a checksum of 0: none, for IPv4; allowed in tunnels over IPv6 (RFC 6935).
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    join(&[
        &50_000_u16.to_be_bytes(),
        &port.to_be_bytes(),
        &length,
        &[0, 0],
        payload,
    ])
}

fn gre(flags: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = join(&[&flags.to_be_bytes(), &protocol.to_be_bytes()]);
    for flag in [0x8000, 0x2000, 0x1000] {
        if flags & flag != 0 {
            bytes.extend([0, 0, 0, if flag == 0x8000 { 0 } else { 5 }]);
        }
    }
    let mut bytes = join(&[&bytes, payload]);
    if flags & 0x8000 != 0 {
        let checksum = internet_checksum(&bytes);
        bytes[4..6].copy_from_slice(&checksum.to_be_bytes());
    }
    bytes
}

fn mpls(labels: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in 1..=labels {
        let bottom = u32::from(label == labels) << 8;
        bytes.extend(((100 + label) << 12 | bottom | 64).to_be_bytes());
    }
    join(&[&bytes, payload])
}

fn ppp(ip: &[u8]) -> Vec<u8> {
    let protocol: u16 = if kind(ip) == 0x0800 { 0x0021 } else { 0x0057 };
    join(&[&protocol.to_be_bytes(), ip])
}

fn pppoe(ip: &[u8]) -> Vec<u8> {
    let ppp = ppp(ip);
    join(&[&[0x11, 0, 0, 9], &(ppp.len() as u16).to_be_bytes(), &ppp])
}

fn vxlan(payload: &[u8]) -> Vec<u8> {
    join(&[&[8, 0, 0, 0, 0, 0, 42, 0], payload])
}

fn geneve(options: &[u8], protocol: u16, payload: &[u8]) -> Vec<u8> {
    let first = (options.len() / 4) as u8;
    join(&[&[first, 0], &protocol.to_be_bytes(), &[0, 0, 42, 0], options, payload])
}

/// `rest`: what follows the tunnel identifier, up to the packet.
fn gtp(flags: u8, rest: &[u8], ip: &[u8]) -> Vec<u8> {
    let length = ((rest.len() + ip.len()) as u16).to_be_bytes();
    join(&[&[0x30 | flags, 255], &length, &[0, 0, 0, 7], rest, ip])
}

fn snap(ip: &[u8]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &kind(ip).to_be_bytes(), ip])
}

/// A QoS data frame from a station, or a plain one.
fn wireless(qos: bool, ip: &[u8]) -> Vec<u8> {
    let mut header = vec![if qos { 0x88 } else { 0x08 }, 0x01];
    header.resize(24, 2);
    if qos {
        header.extend([0, 0]);
    }
    join(&[&header, &snap(ip)])
}

fn erf(kind: u8, extensions: &[u8], frame: &[u8]) -> Vec<u8> {
    let length = (16 + extensions.len() + frame.len()) as u16;
    let wire = (frame.len() as u16).to_be_bytes();
    join(&[
        &[0; 8],
        &[kind, 4],
        &length.to_be_bytes(),
        &[0, 0],
        &wire,
        extensions,
        frame,
    ])
}

fn sll(protocol: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 8, 0, 0],
        &protocol.to_be_bytes(),
        payload,
    ])
}

fn sll2(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let rest = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 8, 0, 0];
    join(&[&protocol.to_be_bytes(), &rest, payload])
}

const ETHERNET: u32 = 1;
const RAW: u32 = 101;
const OPTION: [u8; 8] = [0, 0, 0x80, 1, 1, 2, 3, 4];

/// Every way, each kind alone and some in each other.
pub(crate) const WAYS: &[Way] = &[
    Way {
        name: "no tag",
        link: ETHERNET,
        wrap: |ip| ethernet(kind(ip), ip),
    },
    Way {
        name: "802.1Q",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8100, &tag(kind(ip), ip)),
    },
    Way {
        name: "802.1ad and 802.1Q",
        link: ETHERNET,
        wrap: |ip| ethernet(0x88a8, &tag(0x8100, &tag(kind(ip), ip))),
    },
    Way {
        name: "0x9100",
        link: ETHERNET,
        wrap: |ip| ethernet(0x9100, &tag(kind(ip), ip)),
    },
    Way {
        name: "3 tags",
        link: ETHERNET,
        wrap: |ip| ethernet(0x88a8, &tag(0x8100, &tag(0x8100, &tag(kind(ip), ip)))),
    },
    Way {
        name: "4 tags",
        link: ETHERNET,
        wrap: |ip| ethernet(0x9100, &tag(0x88a8, &tag(0x8100, &tag(0x8100, &tag(kind(ip), ip))))),
    },
    Way {
        name: "802.3 with SNAP",
        link: ETHERNET,
        wrap: |ip| ethernet(8 + ip.len() as u16, &snap(ip)),
    },
    Way {
        name: "MPLS, 1 label",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8847, &mpls(1, ip)),
    },
    Way {
        name: "MPLS, 8 labels",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8847, &mpls(8, ip)),
    },
    Way {
        name: "MPLS in a tag",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8100, &tag(0x8847, &mpls(2, ip))),
    },
    Way {
        name: "Ethernet over MPLS with control word",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8847, &mpls(3, &join(&[&[0; 4], &ethernet(kind(ip), ip)]))),
    },
    Way {
        name: "PPPoE",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8864, &pppoe(ip)),
    },
    Way {
        name: "PPPoE in a tag",
        link: ETHERNET,
        wrap: |ip| ethernet(0x8100, &tag(0x8864, &pppoe(ip))),
    },
    Way {
        name: "IP in IPv4",
        link: ETHERNET,
        wrap: |ip| ethernet(0x0800, &ip4(in_ip(ip), ip)),
    },
    Way {
        name: "IP in IPv6",
        link: ETHERNET,
        wrap: |ip| ethernet(0x86dd, &ip6(in_ip(ip), ip)),
    },
    Way {
        name: "IP in IP in IP",
        link: RAW,
        wrap: |ip| ip6(4, &ip4(in_ip(ip), ip)),
    },
    Way {
        name: "GRE",
        link: ETHERNET,
        wrap: |ip| ethernet(0x0800, &ip4(47, &gre(0, kind(ip), ip))),
    },
    Way {
        name: "GRE over IPv6",
        link: ETHERNET,
        wrap: |ip| ethernet(0x86dd, &ip6(47, &gre(0, kind(ip), ip))),
    },
    Way {
        name: "GRE with key",
        link: RAW,
        wrap: |ip| ip4(47, &gre(0x2000, kind(ip), ip)),
    },
    Way {
        name: "GRE with checksum, key and sequence",
        link: RAW,
        wrap: |ip| ip4(47, &gre(0xb000, kind(ip), ip)),
    },
    Way {
        name: "Ethernet in GRE",
        link: RAW,
        wrap: |ip| ip4(47, &gre(0x2000, 0x6558, &ethernet(0x8100, &tag(kind(ip), ip)))),
    },
    Way {
        name: "MPLS in GRE",
        link: RAW,
        wrap: |ip| ip4(47, &gre(0, 0x8847, &mpls(1, ip))),
    },
    Way {
        name: "ERSPAN type II",
        link: RAW,
        wrap: |ip| {
            ip4(
                47,
                &gre(
                    0x1000,
                    0x88be,
                    &join(&[&[0x10, 1, 0, 1, 0, 0, 0, 0], &ethernet(kind(ip), ip)]),
                ),
            )
        },
    },
    Way {
        name: "VXLAN",
        link: ETHERNET,
        wrap: |ip| ethernet(0x0800, &ip4(17, &udp(4789, &vxlan(&ethernet(kind(ip), ip))))),
    },
    Way {
        name: "VXLAN over IPv6",
        link: ETHERNET,
        wrap: |ip| ethernet(0x86dd, &ip6(17, &udp(4789, &vxlan(&ethernet(kind(ip), ip))))),
    },
    Way {
        name: "tag in VXLAN in a tag",
        link: ETHERNET,
        wrap: |ip| {
            let inner = ethernet(0x8100, &tag(kind(ip), ip));
            ethernet(0x8100, &tag(0x0800, &ip4(17, &udp(4789, &vxlan(&inner)))))
        },
    },
    Way {
        name: "Geneve",
        link: RAW,
        wrap: |ip| ip4(17, &udp(6081, &geneve(&[], 0x6558, &ethernet(kind(ip), ip)))),
    },
    Way {
        name: "Geneve with options",
        link: RAW,
        wrap: |ip| ip6(17, &udp(6081, &geneve(&OPTION, 0x6558, &ethernet(kind(ip), ip)))),
    },
    Way {
        name: "IP in Geneve",
        link: RAW,
        wrap: |ip| ip4(17, &udp(6081, &geneve(&OPTION, kind(ip), ip))),
    },
    Way {
        name: "GTP-U",
        link: RAW,
        wrap: |ip| ip4(17, &udp(2152, &gtp(0, &[], ip))),
    },
    Way {
        name: "GTP-U with sequence",
        link: RAW,
        wrap: |ip| ip6(17, &udp(2152, &gtp(2, &[0, 1, 0, 0], ip))),
    },
    Way {
        name: "GTP-U with PDU session container",
        link: RAW,
        wrap: |ip| ip4(17, &udp(2152, &gtp(4, &[0, 0, 0, 0x85, 1, 0x10, 9, 0], ip))),
    },
    Way {
        name: "GTP-U with two extension headers",
        link: RAW,
        wrap: |ip| {
            ip4(
                17,
                &udp(2152, &gtp(4, &[0, 0, 0, 0x40, 1, 0, 80, 0x85, 1, 0x10, 9, 0], ip)),
            )
        },
    },
    Way {
        name: "VXLAN in GRE in MPLS",
        link: ETHERNET,
        wrap: |ip| {
            let vxlan = ip4(17, &udp(4789, &vxlan(&ethernet(kind(ip), ip))));
            ethernet(0x8847, &mpls(1, &ip4(47, &gre(0, 0x0800, &vxlan))))
        },
    },
    Way {
        name: "SLL",
        link: 113,
        wrap: |ip| sll(kind(ip), ip),
    },
    Way {
        name: "tag in SLL",
        link: 113,
        wrap: |ip| sll(0x8100, &tag(kind(ip), ip)),
    },
    Way {
        name: "two tags in SLL2",
        link: 276,
        wrap: |ip| sll2(0x88a8, &tag(0x8100, &tag(kind(ip), ip))),
    },
    Way {
        name: "PPP with MPLS",
        link: 9,
        wrap: |ip| join(&[&[0xff, 3, 2, 0x81], &mpls(1, ip)]),
    },
    Way {
        name: "802.11",
        link: 105,
        wrap: |ip| wireless(false, ip),
    },
    Way {
        name: "radiotap",
        link: 127,
        wrap: |ip| join(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0], &wireless(true, ip)]),
    },
    Way {
        name: "radiotap with padding",
        link: 127,
        wrap: |ip| {
            let mut frame = wireless(true, ip);
            frame.splice(26..26, [0, 0]);
            join(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0x20], &frame])
        },
    },
    Way {
        name: "ERF",
        link: 197,
        wrap: |ip| erf(2, &[], &join(&[&[0, 0], &ethernet(kind(ip), ip)])),
    },
    Way {
        name: "ERF with an extension header and a tag",
        link: 197,
        wrap: |ip| {
            erf(
                0x82,
                &[3, 0, 0, 0, 0, 0, 0, 0],
                &join(&[&[0, 0], &ethernet(0x8100, &tag(kind(ip), ip))]),
            )
        },
    },
    Way {
        name: "ERF with IP",
        link: 197,
        wrap: |ip| erf(if ip[0] >> 4 == 4 { 22 } else { 23 }, &[], ip),
    },
];

/// The protocol number of IP in IP.
fn in_ip(ip: &[u8]) -> u8 {
    if ip[0] >> 4 == 4 { 4 } else { 41 }
}

/// A pcap file of these frames.
pub(crate) fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(u32::to_le_bytes(word));
    }
    for (number, frame) in frames.iter().enumerate() {
        for word in [
            1_700_000_000,
            number as u32 * 100,
            frame.len() as u32,
            frame.len() as u32,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}
