//! The numbers of `abi.h`. Bits and values keep the names of the header without the `EMPTCP_` prefix.

/// Version of the interface between programs and user space.
pub const ABI_VERSION: u32 = 4;
/// Policies of one set.
pub const POLICIES: u32 = 64;
/// Slots of one bank of a chain.
pub const BANK_SLOTS: u32 = 1024;
/// Slots of a chain: two banks.
pub const CHAIN_SLOTS: u32 = 2 * BANK_SLOTS;
/// In a bank: the first slot that is not the head of a policy.
pub const SLOT_FIRST_ELEMENT: u32 = POLICIES;
/// In a bank: the last slot that an element may have.
pub const SLOT_LAST_ELEMENT: u32 = BANK_SLOTS - 3;
/// In bank 0 only, for both banks: the slot of the program that tracks and resolves flows.
pub const SLOT_SLOW_PATH: u32 = BANK_SLOTS - 2;
/// In a bank: the slot of the program that jumps to the next policy.
pub const SLOT_NEXT_POLICY: u32 = BANK_SLOTS - 1;
/// As a successor: the chain ends.
pub const SLOT_END: u32 = 0xffff_ffff;
/// Tail calls per packet that the kernel allows.
pub const TAIL_CALLS: u32 = 33;
/// Tail calls that the chains of one packet may use together.
pub const CHAIN_LIMIT: u32 = TAIL_CALLS - 1;
/// Counters of the core, at the start of the value of `emptcp_scratch`.
pub const CORE_COUNTERS: u32 = 32;
/// Counter slots of one element or policy.
pub const ELEMENT_COUNTERS: u32 = 8;
/// Counter slots in all.
pub const COUNTERS: u32 = 8192;
/// Rules of one bank.
pub const RULES: u32 = 512;
/// Slots of one set of the flow table.
pub const FLOW_WAYS: u32 = 8;
/// Words of 64 bits of the key of the flow table's hash.
pub const SECRETS: u32 = 6;
/// Ranges above the contiguous edge that a side of a record keeps.
pub const RANGES: u32 = 4;
/// Segments that show numbers to be true when the other side acknowledges them.
pub const RUN: u32 = 8;
/// In `idle` of a passage: the packet has ended the subflow.
pub const PASSAGE_CLOSED: u32 = 1 << 31;
/// The largest possible window, bytes, rounded up (RFC 7323 section 2.2).
pub const WINDOW_LARGEST: u32 = 1 << 30;
/// What the check of numbers allows at least, bytes.
pub const WINDOW_LEAST: u32 = 66_000;
/// As a successor: the evaluation ends.
pub const RULE_END: u16 = 0xffff;
/// A window scale that is not known.
pub const SCALE_UNKNOWN: u8 = 0xff;
/// Most kinds of rules.
pub const RULE_KINDS: u32 = 16;
/// Longest event body, bytes.
pub const EVENT_BODY: u32 = 512;
/// Bytes of an event at most, header and body.
pub const EVENT_BYTES: u32 = 576;
/// The same in words of 64 bits.
pub const EVENT_WORDS: u32 = 72;

macro_rules! numbers {
    ($(#[$doc:meta])* $module:ident: $ty:ty { $($(#[$item:meta])* $name:ident = $value:expr),* $(,)? }) => {
        $(#[$doc])*
        pub mod $module {
            $($(#[$item])* pub const $name: $ty = $value;)*

            /// Every value with its name as in the header, in order.
            pub const ALL: &[(&str, $ty)] = &[$((stringify!($name), $name)),*];
        }
    };
}

/// The names of the bits that are set, in lower case: the words of the policy language and of `--json`.
pub fn bit_names(all: &[(&str, u32)], bits: u32) -> Vec<String> {
    all.iter()
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(name, _)| name.to_lowercase())
        .collect()
}

/// The name of one value, in lower case; `None` for a value that the header does not know.
pub fn value_name(all: &[(&str, u32)], value: u32) -> Option<String> {
    all.iter()
        .find(|(_, known)| *known == value)
        .map(|(name, _)| name.to_lowercase())
}

numbers!(
    /// What the elements of a policy set need from the core: the high half of the control word.
    feature: u32 {
        /// Some element reads packet->flow.
        FLOW_VIEW = 1 << 0,
        /// Some element reads packet->connection: count per connection.
        CONNECTION = 1 << 1,
        /// Of two devices under policy one is on top of the other.
        STACKED = 1 << 2,
    }
);

numbers!(
    /// The kind of an element, as its object declares it.
    element_kind: u32 {
        /// Made by SELECTOR().
        SELECTOR = 1,
        /// Made by ACTOR().
        ACTOR = 2,
    }
);

numbers!(
    /// Counters of the core: packets only, on each CPU.
    core_counter: u32 {
        /// Not Ethernet/IP/TCP: passed.
        NOT_TCP = 0,
        /// IP fragment: passed, never parsed as TCP.
        FRAGMENT = 1,
        /// Headers shorter than they claim: passed.
        MALFORMED = 2,
        /// TCP, but no MPTCP subflow that we know: passed.
        UNTRACKED = 3,
        /// Belongs to a flow record.
        TRACKED = 4,
        /// Some policy matches this flow.
        SELECTED = 5,
        /// Policies of a flow resolved (first packet, or new generation).
        RESOLVED = 6,
        /// Half-open flow records made.
        FLOW_NEW = 7,
        /// Flow records promoted to the main table.
        FLOW_ESTABLISHED = 8,
        /// Flow records removed after FIN or RST.
        FLOW_CLOSED = 9,
        /// Flow record could not be stored: passed.
        FLOW_FAILED = 10,
        /// Connection records made.
        CONNECTION_NEW = 11,
        /// MP_JOIN with a token that we do not know.
        CONNECTION_UNKNOWN = 12,
        /// A tail call found no program: passed (must stay 0).
        CHAIN_BROKEN = 13,
        /// Headers not in the linear part and could not be pulled: passed.
        TRUNCATED = 14,
        /// An established flow's record was evicted for a newer one: its set was full.
        FLOW_EVICTED = 15,
        /// An event was not written: two writers met on one CPU.
        EVENT_LOST = 16,
        /// Its numbers cannot be the sender's: changed no record.
        UNACCEPTABLE = 17,
        /// SYN or SYN-ACK of a subflow that is established: changed no record.
        SYN_ON_ESTABLISHED = 18,
        /// A record's numbers replaced: the other side acknowledges them.
        REANCHORED = 19,
        /// A device below or above has counted the packet already.
        SEEN_BEFORE = 20,
        /// Records made in mid-stream: the handshake was not seen.
        FLOW_PARTIAL = 21,
    }
);

numbers!(
    /// What a segment is and carries.
    packet_type: u32 {
        /// SYN without ACK.
        SYN = 1 << 0,
        /// SYN with ACK.
        SYNACK = 1 << 1,
        /// First ACK of the opener (MP_CAPABLE or MP_JOIN third ACK).
        THIRD_ACK = 1 << 2,
        /// ACK, no payload, no SYN, FIN or RST.
        PURE_ACK = 1 << 3,
        /// ACK flag set.
        ACK = 1 << 4,
        /// Payload present.
        DATA = 1 << 5,
        /// FIN flag set.
        FIN = 1 << 6,
        /// RST flag set.
        RST = 1 << 7,
        /// MP_CAPABLE present.
        MP_CAPABLE = 1 << 8,
        /// MP_JOIN present.
        MP_JOIN = 1 << 9,
        /// DSS present.
        DSS = 1 << 10,
        /// Announcement, not echo.
        ADD_ADDR = 1 << 11,
        /// ADD_ADDR with the echo flag.
        ADD_ADDR_ECHO = 1 << 12,
        /// REMOVE_ADDR present.
        REMOVE_ADDR = 1 << 13,
        /// MP_PRIO present.
        MP_PRIO = 1 << 14,
        /// MP_FAIL present.
        MP_FAIL = 1 << 15,
        /// MP_FASTCLOSE present.
        MP_FASTCLOSE = 1 << 16,
        /// MP_TCPRST present.
        MP_TCPRST = 1 << 17,
        /// Subtypes 0x9-0xf.
        MP_EXPERIMENTAL = 1 << 18,
        /// DSS carries a mapping.
        DSS_MAP = 1 << 19,
        /// DSS carries a DATA_ACK.
        DSS_ACK = 1 << 20,
        /// DSS with DATA_FIN.
        DATA_FIN = 1 << 21,
        /// SACK blocks present.
        SACK = 1 << 22,
        /// Timestamps option present.
        TIMESTAMPS = 1 << 23,
        /// The option list does not parse: nothing may be written.
        OPTIONS_BROKEN = 1 << 24,
        /// Its numbers cannot be the sender's.
        UNACCEPTABLE = 1 << 25,
        /// `dsn` and `data_level_length` are set: a DSS mapping, or the implicit one of MP_CAPABLE.
        MAPPED = 1 << 26,
        /// PSH flag set.
        PSH = 1 << 27,
    }
);

numbers!(
    /// The sending side: the index of `sender`, `token` and `key`.
    side: u32 {
        /// This side of the device: sends at egress.
        LOCAL = 0,
        /// The other side of the device: sends at ingress.
        REMOTE = 1,
    }
);

numbers!(
    /// Direction of a packet at the device.
    direction: u32 {
        /// Sent by the local side.
        EGRESS = 0,
        /// Sent by the remote side.
        INGRESS = 1,
    }
);

numbers!(
    /// State of a subflow.
    flow_state: u32 {
        /// First seen in mid-stream, in one direction only so far.
        ADOPTING = 0,
        /// SYN seen.
        SYN = 1,
        /// SYN with ACK.
        SYNACK = 2,
        /// Third ACK that fits seen, or adopted in mid-stream.
        ESTABLISHED = 3,
        /// One FIN sent and acknowledged.
        CLOSING = 4,
        /// Both FINs acknowledged, or RST.
        CLOSED = 5,
    }
);

numbers!(
    /// What the core program `adopt` did: bits of its return value.
    adopted: u32 {
        /// A record was made.
        STORED = 1 << 0,
        /// A record of the data path was completed with data that its packets do not show.
        COMPLETED = 1 << 1,
        /// The connection was made.
        CONNECTION = 1 << 2,
    }
);

numbers!(
    /// What is known about a subflow.
    flow_flag: u32 {
        /// Opened with MP_CAPABLE.
        INITIAL = 1 << 0,
        /// Opened with MP_JOIN.
        JOINED = 1 << 1,
        /// Handshake not seen: role, scale, token may be unknown.
        PARTIAL = 1 << 2,
        /// The local side sent the SYN.
        LOCAL_OPENED = 1 << 3,
        /// The remote side sent the SYN.
        REMOTE_OPENED = 1 << 4,
        /// The local side asked for backup (MP_JOIN B or MP_PRIO).
        BACKUP_LOCAL = 1 << 5,
        /// The remote side asked for backup.
        BACKUP_REMOTE = 1 << 6,
        /// Address ids are known.
        ADDRESS_IDS = 1 << 7,
        /// DSS checksums required.
        CHECKSUM = 1 << 8,
        /// The local side's RST had a possible, but not the exact sequence number.
        RESET_SUSPECTED_LOCAL = 1 << 9,
        /// The same of the remote side.
        RESET_SUSPECTED_REMOTE = 1 << 10,
        /// Among the subflows of its connection; for the core alone.
        COUNTED = 1 << 11,
        /// An actor has ended it; the record goes with its next segment.
        ENDED = 1 << 12,
        /// Only one side's segments pass here.
        ONE_DIRECTION = 1 << 13,
        /// A DSN of the local side lies far from what is known: `dsn_jump`.
        DSN_JUMP_LOCAL = 1 << 14,
        /// A DSN of the remote side is.
        DSN_JUMP_REMOTE = 1 << 15,
    }
);

numbers!(
    /// Which numbers of a side are valid.
    known: u32 {
        /// `end`, `contiguous`, `base`.
        STARTED = 1 << 0,
        /// `acknowledgement`, `sack_edge`.
        ACKNOWLEDGING = 1 << 1,
    }
);

numbers!(
    /// The state of a side's FIN.
    fin: u32 {
        /// None was sent.
        NONE = 0,
        /// Sent.
        SENT = 1,
        /// Acknowledged by the other side.
        ACKNOWLEDGED = 2,
    }
);

numbers!(
    /// Tests of the classifier: the fact that a rule looks at.
    rule_kind: u32 {
        /// The evaluation ends: what an empty bank holds.
        STOP = 0,
        /// Always matches: the flow matches the policy.
        ACCEPT = 1,
        /// Direction of the packet.
        DIRECTION = 2,
        /// Interface index.
        DEVICE = 3,
        /// 4 or 6.
        IP_VERSION = 4,
        /// Address of the packet's sender.
        SOURCE = 5,
        /// Address of the packet's receiver.
        DESTINATION = 6,
        /// Port of the sender.
        SOURCE_PORT = 7,
        /// Port of the receiver.
        DESTINATION_PORT = 8,
    }
);

numbers!(
    /// The kind of an event.
    event_kind: u32 {
        /// Get_connect: struct emptcp_event_connection.
        CONNECTION = 1,
        /// Get_subflow: struct emptcp_event_subflow.
        SUBFLOW = 2,
        /// Record: struct emptcp_flow.
        RECORD = 3,
        /// From here on: events of custom elements, body as bytes.
        USER = 64,
    }
);

numbers!(
    /// What happened to a subflow.
    subflow_change: u32 {
        /// The handshake was completed.
        ESTABLISHED = 1,
        /// Closed by FIN or RST.
        CLOSED = 2,
    }
);

numbers!(
    /// What is unknown about a subflow whose handshake was not seen: bits.
    subflow_unknown: u32 {
        /// The side that sent the SYN.
        OPENER = 1 << 0,
        /// Initial or joined.
        ROLE = 1 << 1,
        /// The address ids.
        ADDRESS_IDS = 1 << 2,
    }
);

/// Every packet type that is an MPTCP option.
pub const ANY_MPTCP: u32 = 0x7_ff00;

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_model::{DeviceDirection, FlowState};

    #[test]
    fn bits_are_named_in_the_order_of_the_header() {
        assert_eq!(
            bit_names(packet_type::ALL, packet_type::DSS | packet_type::ACK),
            ["ack", "dss"]
        );
        assert_eq!(
            value_name(flow_state::ALL, flow_state::ESTABLISHED).as_deref(),
            Some("established")
        );
        assert_eq!(value_name(flow_state::ALL, 99), None);
    }

    #[test]
    fn the_model_has_the_numbers_and_names_of_the_header() {
        for (name, number) in direction::ALL {
            let direction = DeviceDirection::from_number(*number).expect("it is one of the two");
            assert_eq!((direction.number(), direction.name()), (*number, &*name.to_lowercase()));
        }
        for (name, number) in flow_state::ALL {
            let state = FlowState::from_number(u8::try_from(*number).unwrap());
            assert_eq!(state.to_string(), name.to_lowercase());
        }
    }
}
