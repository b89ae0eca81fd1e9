//! One rule of the classifier, in the layout of `emptcp_rules`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct emptcp_rule`.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Rule {
    /// One of [`crate::rule_kind`].
    pub kind: u8,
    /// The policy that the rule belongs to, by position in the set.
    pub policy: u8,
    /// 1 for `rule_kind::ACCEPT`, else 0.
    pub accept: u8,
    /// Zero.
    pub reserved: u8,
    /// Next rule of the bank when the test holds, or `RULE_END`.
    pub on_match: u16,
    /// Next rule of the bank when it does not.
    pub on_miss: u16,
    /// The least first word of the fact that matches.
    pub low: u32,
    /// The greatest.
    pub high: u32,
    /// Address, network order, IPv4 mapped; compared where `mask` has bits.
    pub address: [u8; 16],
    /// Network order; all zero when only the bounds count.
    pub mask: [u8; 16],
}

impl Rule {
    /// The evaluation ends here: what the unused part of a bank holds.
    pub const STOP: Self = Self {
        kind: crate::rule_kind::STOP as u8,
        policy: 0,
        accept: 0,
        reserved: 0,
        on_match: crate::RULE_END,
        on_miss: crate::RULE_END,
        low: 0,
        high: 0,
        address: [0; 16],
        mask: [0; 16],
    };
}

const _: () = assert!(size_of::<Rule>() == 48);
