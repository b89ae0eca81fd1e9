//! Names of TCP options, and the fields in which two options of the same name differ.

use mptcp_wire::mptcp::{AddAddrForm, CapableKeys, MpJoin, MptcpOption, Subtype};
use mptcp_wire::tcp::option::{TcpOption, kind};
use mptcp_wire::tcp::{Located, SackBlock};
use mptcp_wire::{Key, WireDataSequenceNumber};
use serde::{Serialize, Serializer};
use std::fmt;

/// TCP Fast Open (RFC 7413).
const FAST_OPEN: u8 = 34;

/// The name of a TCP option: its kind, and for MPTCP its subtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptionName {
    /// An MPTCP option by its subtype, 0 to 15.
    Mptcp(u8),
    /// Any other by its kind.
    Tcp(u8),
}

impl OptionName {
    /// None for padding, whose changes do not matter.
    pub(super) fn of(option: &Located<'_>) -> Option<Self> {
        match option.kind() {
            kind::END_OF_LIST | kind::NO_OPERATION => None,
            kind => Some(match option.mptcp() {
                Some(Ok(view)) => Self::Mptcp(view.subtype().number()),
                _ => Self::Tcp(kind),
            }),
        }
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mptcp(subtype) => formatter.write_str(Subtype::from_number(*subtype).name()),
            Self::Tcp(kind::MAXIMUM_SEGMENT_SIZE) => formatter.write_str("MSS"),
            Self::Tcp(kind::WINDOW_SCALE) => formatter.write_str("window scale"),
            Self::Tcp(kind::SACK_PERMITTED) => formatter.write_str("SACK permitted"),
            Self::Tcp(kind::SACK) => formatter.write_str("SACK"),
            Self::Tcp(kind::TIMESTAMPS) => formatter.write_str("timestamps"),
            Self::Tcp(FAST_OPEN) => formatter.write_str("fast open"),
            Self::Tcp(kind) => write!(formatter, "option {kind}"),
        }
    }
}

impl Serialize for OptionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A field that differs: its name, its value at A, its value at B.
pub(super) type Change = (&'static str, String, String);

/// The fields in which two options of the same name differ. `relative` makes the acknowledged sequence numbers of A
/// (false) and B (true) comparable.
pub(super) fn changes(a: &Located<'_>, b: &Located<'_>, relative: impl Fn(bool, u32) -> u32) -> Vec<Change> {
    let mut changes = Vec::new();
    if a.bytes() == b.bytes() && a.kind() != kind::SACK {
        return changes;
    }
    let mut field = |name: &'static str, a: &dyn fmt::Display, b: &dyn fmt::Display| {
        let (a, b) = (a.to_string(), b.to_string());
        if a != b {
            changes.push((name, a, b));
        }
    };
    match (a.parse(), b.parse()) {
        (Ok(TcpOption::MaximumSegmentSize(a)), Ok(TcpOption::MaximumSegmentSize(b))) => field("size", &a, &b),
        (Ok(TcpOption::WindowScale(a)), Ok(TcpOption::WindowScale(b))) => field("shift", &a, &b),
        (
            Ok(TcpOption::Timestamps { value, echo_reply }),
            Ok(TcpOption::Timestamps {
                value: other_value,
                echo_reply: other_echo,
            }),
        ) => {
            field("value", &value, &other_value);
            field("echo reply", &echo_reply, &other_echo);
        }
        (Ok(TcpOption::Sack(a)), Ok(TcpOption::Sack(b))) => {
            let text = |blocks: &[SackBlock], at_b| {
                let blocks = blocks.iter().map(|block| {
                    let [left, right] = [block.left, block.right].map(|number| relative(at_b, number.0));
                    format!("{left}-{right}")
                });
                blocks.collect::<Vec<_>>().join(" ")
            };
            field("blocks", &text(&a, false), &text(&b, true));
        }
        (Ok(TcpOption::Mptcp(a)), Ok(TcpOption::Mptcp(b))) => mptcp(&a, &b, &mut field),
        _ => field("content", &hexadecimal(a.bytes()), &hexadecimal(b.bytes())),
    }
    changes
}

fn mptcp(a: &MptcpOption, b: &MptcpOption, field: &mut impl FnMut(&'static str, &dyn fmt::Display, &dyn fmt::Display)) {
    match (a, b) {
        (MptcpOption::MpCapable(a), MptcpOption::MpCapable(b)) => {
            field("version", &a.version.number(), &b.version.number());
            field("flags", &format!("{:#04x}", a.flags.0), &format!("{:#04x}", b.flags.0));
            let (own, other) = (Keys::of(&a.keys), Keys::of(&b.keys));
            // Keys are secrets: only report that they differ.
            let hidden = |key: Option<Key>, mark| key.map_or("none", |_| mark);
            if own.sender != other.sender {
                field(
                    "sender's key",
                    &hidden(own.sender, "one"),
                    &hidden(other.sender, "another"),
                );
            }
            if own.receiver != other.receiver {
                field(
                    "receiver's key",
                    &hidden(own.receiver, "one"),
                    &hidden(other.receiver, "another"),
                );
            }
            field("data length", &or_none(own.length), &or_none(other.length));
            field("checksum", &or_none(own.checksum), &or_none(other.checksum));
        }
        (MptcpOption::MpJoin(a), MptcpOption::MpJoin(b)) => join(a, b, field),
        (MptcpOption::Dss(a), MptcpOption::Dss(b)) => {
            field("DATA_ACK", &number(a.data_ack), &number(b.data_ack));
            field("DATA_FIN", &a.data_fin, &b.data_fin);
            let sequence = |mapping: Option<mptcp_wire::mptcp::Mapping>| number(mapping.map(|map| map.data_sequence));
            field("data sequence number", &sequence(a.mapping), &sequence(b.mapping));
            let (a, b) = (a.mapping, b.mapping);
            let subflow =
                |mapping: Option<mptcp_wire::mptcp::Mapping>| or_none(mapping.map(|map| map.subflow_sequence.0));
            field("subflow sequence number", &subflow(a), &subflow(b));
            field(
                "data length",
                &or_none(a.map(|map| map.length)),
                &or_none(b.map(|map| map.length)),
            );
            let checksum = |mapping: Option<mptcp_wire::mptcp::Mapping>| or_none(mapping.and_then(|map| map.checksum));
            field("checksum", &checksum(a), &checksum(b));
        }
        (MptcpOption::AddAddr(a), MptcpOption::AddAddr(b)) => {
            field("address identifier", &a.address_id.0, &b.address_id.0);
            field("address", &a.address, &b.address);
            field("port", &or_none(a.port), &or_none(b.port));
            let form = |form: AddAddrForm| match form {
                AddAddrForm::Version0 => "version 0".to_owned(),
                AddAddrForm::Announcement(hmac) => format!("HMAC {:016x}", hmac.0),
                AddAddrForm::Echo => "echo".to_owned(),
            };
            field("form", &form(a.form), &form(b.form));
        }
        (a, b) => {
            let bytes = |option: &MptcpOption| {
                let mut buffer = [0; 40];
                let length = option.emit(&mut buffer).unwrap_or(0);
                hexadecimal(buffer.get(..length).unwrap_or_default())
            };
            field("content", &bytes(a), &bytes(b));
        }
    }
}

fn join(a: &MpJoin, b: &MpJoin, field: &mut impl FnMut(&'static str, &dyn fmt::Display, &dyn fmt::Display)) {
    let parts = |join: &MpJoin| match join {
        MpJoin::Syn {
            backup,
            address_id,
            token,
            nonce,
        } => (Some(*backup), Some(address_id.0), Some(token.0), Some(nonce.0), None),
        MpJoin::SynAck {
            backup,
            address_id,
            hmac,
            nonce,
        } => (
            Some(*backup),
            Some(address_id.0),
            None,
            Some(nonce.0),
            Some(format!("{:016x}", hmac.0)),
        ),
        MpJoin::Ack { hmac } => (None, None, None, None, Some(hexadecimal(&hmac.0))),
    };
    let (a, b) = (parts(a), parts(b));
    field("backup", &or_none(a.0), &or_none(b.0));
    field("address identifier", &or_none(a.1), &or_none(b.1));
    let hexadecimal = |number: Option<u32>| or_none(number.map(|number| format!("{number:08x}")));
    field("token", &hexadecimal(a.2), &hexadecimal(b.2));
    field("nonce", &hexadecimal(a.3), &hexadecimal(b.3));
    field("HMAC", &or_none(a.4), &or_none(b.4));
}

struct Keys {
    sender: Option<Key>,
    receiver: Option<Key>,
    length: Option<u16>,
    checksum: Option<u16>,
}

impl Keys {
    fn of(keys: &CapableKeys) -> Self {
        let (sender, receiver, length, checksum) = match *keys {
            CapableKeys::None => (None, None, None, None),
            CapableKeys::Sender(sender) => (Some(sender), None, None, None),
            CapableKeys::Both { sender, receiver } => (Some(sender), Some(receiver), None, None),
            CapableKeys::BothWithData {
                sender,
                receiver,
                data_length,
                checksum,
            } => (Some(sender), Some(receiver), Some(data_length), checksum),
        };
        Self {
            sender,
            receiver,
            length,
            checksum,
        }
    }
}

fn number(number: Option<WireDataSequenceNumber>) -> String {
    or_none(number.map(|number| match number {
        WireDataSequenceNumber::Short(number) => format!("{number} (4 bytes)"),
        WireDataSequenceNumber::Long(number) => format!("{number} (8 bytes)"),
    }))
}

fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
