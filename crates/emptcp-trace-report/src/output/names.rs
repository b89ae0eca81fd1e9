//! The two names of a field: the short one, and the same spelled out.
//!
//! The short name is what the fields of [`emptcp_trace::record`] are called. Abbreviations of the RFCs (RTT, DSN, HMAC,
//! SYN, FIN, RST) are words of the field and stay in both.

use serde_json::ser::Formatter;
use std::borrow::Cow;
use std::io::{self, Write};

/// How columns and fields are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// As in the records: `retx_c2s`.
    #[default]
    Short,
    /// Without abbreviations: `retransmitted_to_server`.
    SpelledOut,
}

/// Fields whose short name is an abbreviation, and their name spelled out.
const FIELDS: [(&str, &str); 35] = [
    ("conn_id", "connection_id"),
    ("sf_id", "subflow_id"),
    ("other_sf", "other_subflow_id"),
    ("t0", "start_time"),
    ("t_end", "end_time"),
    ("dur", "duration"),
    ("dur_dack", "duration_to_last_data_ack"),
    ("sf_est", "subflows_established"),
    ("sf_att", "subflows_attempted"),
    ("sf_max_conc", "subflows_max_concurrent"),
    ("dacked", "data_acknowledged"),
    ("reinj", "reinjected"),
    ("reinj_pkts", "reinjected_packets"),
    ("reinj_caused", "reinjections_caused"),
    ("retx", "retransmitted"),
    ("retx_pkts", "retransmitted_packets"),
    ("ooo", "out_of_order"),
    ("ooo_pkts", "out_of_order_packets"),
    ("pkts", "packets"),
    ("t_syn", "syn_time"),
    ("t_est", "established_time"),
    ("t_last", "last_packet_time"),
    ("t_first_data", "first_data_time"),
    ("t_last_data", "last_data_time"),
    ("syn_retx", "syn_retransmissions"),
    ("hs_rtt", "handshake_rtt"),
    ("hs_rtt_syn", "handshake_rtt_syn"),
    ("hs_rtt_syn_ack", "handshake_rtt_syn_ack"),
    ("t", "time"),
    ("dir", "direction"),
    // Parts of a distribution.
    ("n", "samples"),
    ("stdev", "standard_deviation"),
    ("p50", "median"),
    ("p95", "percentile_95"),
    ("p99", "percentile_99"),
];

/// The two directions as the end of a column's name, and spelled out.
const DIRECTIONS: [(&str, &str); 2] = [("_c2s", "_to_server"), ("_s2c", "_to_client")];

impl Names {
    /// The name of a field in JSON.
    #[must_use]
    pub fn field(self, short: &str) -> &str {
        match self {
            Self::Short => short,
            Self::SpelledOut => spelled_out(short),
        }
    }

    /// The name of a column: that of its field, its direction, and the part of the field.
    #[must_use]
    pub fn column(self, short: &str) -> Cow<'_, str> {
        if self == Self::Short {
            return short.into();
        }
        for (suffix, direction) in DIRECTIONS {
            match short.split_once(suffix) {
                Some((field, "")) => return format!("{}{direction}", spelled_out(field)).into(),
                Some((field, part)) => {
                    let part = spelled_out(part.trim_start_matches('_'));
                    return format!("{}{direction}_{part}", spelled_out(field)).into();
                }
                None => {}
            }
        }
        spelled_out(short).into()
    }
}

fn spelled_out(short: &str) -> &str {
    let name = FIELDS.iter().find(|(name, _)| *name == short);
    name.map_or(short, |(_, spelled_out)| spelled_out)
}

/// Writes JSON in one line, its keys by these names.
#[derive(Debug)]
pub(super) struct NamedFields {
    names: Names,
    in_key: bool,
}

impl NamedFields {
    pub(super) fn new(names: Names) -> Self {
        Self { names, in_key: false }
    }
}

impl Formatter for NamedFields {
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        if first { Ok(()) } else { out.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let text = if self.in_key { self.names.field(text) } else { text };
        out.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::columns;
    use std::collections::BTreeSet;

    fn short_names() -> [Vec<String>; 4] {
        fn names<R>(columns: Vec<crate::output::column::Column<R>>) -> Vec<String> {
            columns.into_iter().map(|column| column.name).collect()
        }
        [
            names(columns::connections()),
            names(columns::subflows()),
            names(columns::events()),
            names(columns::strays()),
        ]
    }

    #[test]
    fn no_two_columns_of_a_table_share_a_spelled_out_name() {
        for short in short_names() {
            let long: BTreeSet<_> = short.iter().map(|name| Names::SpelledOut.column(name)).collect();
            assert_eq!(long.len(), short.len());
        }
    }

    #[test]
    fn directions_and_parts_of_a_column_are_spelled_out_too() {
        let column = |short| Names::SpelledOut.column(short).into_owned();
        assert_eq!(column("retx_pkts_s2c"), "retransmitted_packets_to_client");
        assert_eq!(column("mptcp_rtt_c2s_n"), "mptcp_rtt_to_server_samples");
        assert_eq!(column("hs_rtt_syn_ack"), "handshake_rtt_syn_ack");
        assert_eq!(column("hmac_ok"), "hmac_ok");
    }

    #[test]
    fn every_abbreviation_belongs_to_a_column_and_is_in_the_manual() {
        let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trace-tables.md"));
        let short = short_names().concat();
        let is_part = |name: &str, field: &str| {
            let mut parts = name.split("_c2s").flat_map(|part| part.split("_s2c"));
            parts.any(|part| part.trim_start_matches('_') == field) || name.starts_with(&format!("{field}_syn"))
        };
        for (field, long) in FIELDS {
            assert!(short.iter().any(|name| is_part(name, field)), "no column has {field}");
            assert!(manual.contains(&format!("`{long}`")), "the manual does not have {long}");
        }
    }
}
