//! The words of Wireshark, tcpdump, nftables and `ss`, as tables.

use crate::expression::vocabulary as words;

/// What a word of another tool is here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ours {
    /// Another word, with the same relation and value after it.
    Word(&'static str),
    /// Either of two words, with the same relation and value after them.
    Either(&'static str, &'static str),
    /// A test, which holds where theirs is 1 or stands alone.
    Test(&'static str),
    /// No test: what to do instead.
    Nothing(&'static str),
}

use Ours::{Either, Nothing, Test, Word};

pub(super) const LEAVE_OUT: &str = "leave it out: only TCP packets of MPTCP subflows are looked at";
const NOT_LOOKED_AT: &str = "only TCP packets of MPTCP subflows are looked at, everything else passes";
const NO_STREAM: &str = "numbers of streams exist in a capture only; a connection is named by its token, `connection == TOKEN` (see `emptcp flows`)";
const WRITE_ONE: &str =
    "there is no such test; an element of your own can have it (`emptcp sdk` writes one to start from)";
pub(super) const LENGTH: &str =
    "`packet is data` is for segments with payload; for other lengths write an element (`emptcp sdk`)";

/// Words of other tools.
pub(super) const FIELDS: &[(&[&str], Ours)] = &[
    (
        &[
            "src",
            "source",
            "ip.saddr",
            "saddr",
            "src_ip",
            "srcip",
            "src.ip",
            "ip.source",
            "ipv6.src",
            "ip6.src",
        ],
        Word(words::IP_SRC),
    ),
    (
        &[
            "dst",
            "dest",
            "destination",
            "ip.daddr",
            "daddr",
            "dst_ip",
            "dstip",
            "dst.ip",
            "ip.dest",
            "ipv6.dst",
            "ip6.dst",
        ],
        Word(words::IP_DST),
    ),
    (
        &[
            "ip.addr",
            "ipv6.addr",
            "ip.host",
            "ip6.addr",
            "addr",
            "ip.address",
            "address",
        ],
        Either(words::IP_SRC, words::IP_DST),
    ),
    (
        &[
            "tcp.sport",
            "sport",
            "srcport",
            "src.port",
            "src_port",
            "tcp.src_port",
            "tcp.src",
            "tcp.source_port",
            "source_port",
        ],
        Word(words::TCP_SRCPORT),
    ),
    (
        &[
            "tcp.dport",
            "dport",
            "dstport",
            "dst.port",
            "dst_port",
            "tcp.dst_port",
            "tcp.dst",
            "tcp.dest_port",
            "dest_port",
        ],
        Word(words::TCP_DSTPORT),
    ),
    (&["port", "tcp.ports"], Word(words::TCP_PORT)),
    (&["ip.ver", "ip_version"], Word(words::IP_VERSION)),
    (
        &[
            "dev",
            "iface",
            "interface",
            "iif",
            "oif",
            "iifname",
            "oifname",
            "frame.interface_name",
        ],
        Word(words::DEVICE),
    ),
    // Wireshark's flag is set in SYN and SYN-ACK; `packet is syn` is the first alone.
    (&["tcp.flags.syn"], Test("packet is syn|synack")),
    (&["tcp.flags.ack"], Test("packet is ack")),
    (&["tcp.flags.fin"], Test("packet is fin")),
    (&["tcp.flags.reset", "tcp.flags.rst"], Test("packet is rst")),
    (&["tcp.options.sack", "tcp.options.sack_le"], Test("packet has sack")),
    (
        &["tcp.options.timestamp", "tcp.options.timestamp.tsval"],
        Test("packet has timestamps"),
    ),
    (&["tcp.options.mptcp.datafin.flag"], Test("packet has data_fin")),
    (&["inbound", "incoming"], Test("direction is ingress")),
    (&["outbound", "outgoing"], Test("direction is egress")),
    (
        &[
            "mptcp",
            "tcp",
            "ip.proto",
            "ip.protocol",
            "ipv6.nxt",
            "tcp.options.mptcp",
            "any",
            "all",
            "true",
        ],
        Nothing(LEAVE_OUT),
    ),
    (
        &["udp", "icmp", "arp", "sctp", "quic", "udp.port", "icmp6"],
        Nothing(NOT_LOOKED_AT),
    ),
    (&["tcp.stream", "mptcp.stream"], Nothing(NO_STREAM)),
    (
        &[
            "tcp.len",
            "tcp.payload",
            "frame.len",
            "ip.len",
            "len",
            "length",
            "less",
            "greater",
        ],
        Nothing(LENGTH),
    ),
    (
        &[
            "tcp.flags",
            "tcp.flags.psh",
            "tcp.flags.push",
            "tcp.flags.urg",
            "tcp[tcpflags]",
            "tcp[13]",
        ],
        Nothing("the kinds of segments are `packet is syn`, `synack`, `ack`, `pure_ack`, `data`, `fin` and `rst`"),
    ),
    (
        &["tcp.analysis.retransmission", "tcp.analysis.fast_retransmission"],
        Nothing("`flow.retransmissions` and `connection.retransmissions` count them"),
    ),
    (
        &[
            "ip.ttl",
            "ip.id",
            "eth.src",
            "eth.dst",
            "eth.addr",
            "ether",
            "vlan",
            "vlan.id",
            "tcp.window_size",
            "frame.number",
        ],
        Nothing(WRITE_ONE),
    ),
];

/// Comparisons in words (Wireshark).
pub(super) const RELATIONS: &[(&str, &str)] = &[
    ("eq", "=="),
    ("ne", "!="),
    ("gt", ">"),
    ("lt", "<"),
    ("ge", ">="),
    ("le", "<="),
    ("equals", "=="),
    ("is", "=="),
];

/// Options by their subtypes (RFC 8684 section 7.1): `tcp.options.mptcp.subtype == 3`.
pub(super) const SUBTYPES: &[&str] = &[
    "mp_capable",
    "mp_join",
    "dss",
    "add_addr|add_addr_echo",
    "remove_addr",
    "mp_prio",
    "mp_fail",
    "mp_fastclose",
    "mp_tcprst",
];
