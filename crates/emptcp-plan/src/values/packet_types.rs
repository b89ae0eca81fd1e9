//! Names of packet types and options, as in `enum emptcp_packet_type` of `abi.h`.

use super::ValueError;
use crate::suggest;
use emptcp_abi::packet_type as bits;

/// What a segment is: `packet is ...`.
pub(crate) const KINDS: &[(&str, u32)] = &[
    ("syn", bits::SYN),
    ("synack", bits::SYNACK),
    ("third_ack", bits::THIRD_ACK),
    ("pure_ack", bits::PURE_ACK),
    ("ack", bits::ACK),
    ("data", bits::DATA),
    ("fin", bits::FIN),
    ("rst", bits::RST),
    ("unacceptable", bits::UNACCEPTABLE),
];

/// Which options a segment carries: `packet has ...`.
pub(crate) const OPTIONS: &[(&str, u32)] = &[
    ("mp_capable", bits::MP_CAPABLE),
    ("mp_join", bits::MP_JOIN),
    ("dss", bits::DSS),
    ("dss_map", bits::DSS_MAP),
    ("dss_ack", bits::DSS_ACK),
    ("data_fin", bits::DATA_FIN),
    ("add_addr", bits::ADD_ADDR),
    ("add_addr_echo", bits::ADD_ADDR_ECHO),
    ("remove_addr", bits::REMOVE_ADDR),
    ("mp_prio", bits::MP_PRIO),
    ("mp_fail", bits::MP_FAIL),
    ("mp_fastclose", bits::MP_FASTCLOSE),
    ("mp_tcprst", bits::MP_TCPRST),
    ("mp_experimental", bits::MP_EXPERIMENTAL),
    ("sack", bits::SACK),
    ("timestamps", bits::TIMESTAMPS),
];

/// The bit of one name.
pub(crate) fn bit(name: &str) -> Option<u32> {
    KINDS
        .iter()
        .chain(OPTIONS)
        .find(|(known, _)| *known == name)
        .map(|(_, bit)| *bit)
}

/// Other names of packet types and options.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("syn-ack", "synack"),
    ("syn_ack", "synack"),
    ("syn+ack", "synack"),
    ("syn/ack", "synack"),
    ("reset", "rst"),
    ("payload", "data"),
    ("mpcapable", "mp_capable"),
    ("capable", "mp_capable"),
    ("mpjoin", "mp_join"),
    ("join", "mp_join"),
    ("addaddr", "add_addr"),
    ("add_address", "add_addr"),
    ("removeaddr", "remove_addr"),
    ("rm_addr", "remove_addr"),
    ("remove_address", "remove_addr"),
    ("prio", "mp_prio"),
    ("fail", "mp_fail"),
    ("fastclose", "mp_fastclose"),
    ("tcprst", "mp_tcprst"),
    ("mp_rst", "mp_tcprst"),
    ("data_ack", "dss_ack"),
    ("timestamp", "timestamps"),
];

/// The intended name, for a name of another tool or a typing mistake.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == lower);
    let names = || KINDS.iter().chain(OPTIONS).map(|(name, _)| *name);
    other
        .map(|(_, ours)| *ours)
        .or_else(|| names().find(|known| *known == lower))
        .or_else(|| suggest::meant(name, names()))
}

/// Reads names joined by `|`.
pub(crate) fn parse(text: &str) -> Result<u32, ValueError> {
    text.split('|').map(str::trim).try_fold(0, |bits, name| {
        bit(name).map(|bit| bits | bit).ok_or_else(|| {
            ValueError::new(
                format!("`{}` is not a packet type", suggest::shorten(name)),
                suggest::expected(name, KINDS.iter().chain(OPTIONS).map(|(name, _)| *name)),
            )
            .perhaps_meant(meant(name).map(|word| text.replace(name, word)))
        })
    })
}

/// Writes the names of all bits that have one, joined by `|`.
pub(crate) fn format(bits: u32) -> String {
    let names: Vec<&str> = KINDS
        .iter()
        .chain(OPTIONS)
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(name, _)| *name)
        .collect();
    names.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_the_core_sets_has_a_name() {
        let named = KINDS.iter().chain(OPTIONS).fold(0, |bits, (_, bit)| bits | bit);
        let known = bits::ALL.iter().fold(0, |bits, (_, bit)| bits | bit);
        // Only for the core: a broken option list, to which nothing is written; PSH, which distinguishes data from
        // keep-alives; a mapping of either kind, which `dsn` uses.
        assert_eq!(known & !named, bits::OPTIONS_BROKEN | bits::PSH | bits::MAPPED);
    }

    #[test]
    fn other_names_lead_to_names_that_there_are() {
        for (theirs, ours) in OTHER_NAMES {
            assert!(bit(ours).is_some() && bit(theirs).is_none(), "{theirs}");
            assert_eq!(meant(theirs), Some(*ours));
        }
        assert_eq!(meant("SYN"), Some("syn"));
        assert_eq!(meant("banana"), None);
    }

    #[test]
    fn names_are_joined_by_a_bar() {
        assert_eq!(parse("syn|mp_join").unwrap(), (1 << 0) | (1 << 9));
        assert_eq!(parse("syn | mp_join").unwrap(), (1 << 0) | (1 << 9));
        assert_eq!(format(parse("mp_join|syn").unwrap()), "syn|mp_join");
        assert!(parse("add_adr").unwrap_err().help.contains("did you mean `add_addr`"));
        assert!(parse("").is_err());
        assert!(parse("syn|").is_err());
    }
}
