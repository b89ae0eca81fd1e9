//! The columns of the table `events`.

use super::super::column::{Column, Columns, Type, Value, word, words};
use emptcp_trace::record::{Detail, Malformed, Mark};

/// The columns of the table `events`, after `trace`.
#[must_use]
pub fn events() -> Vec<Column<Mark>> {
    let columns = Columns::<Mark>::new()
        .number("conn_id", |m| m.conn_id.0)
        .one("sf_id", Type::Integer, |m| m.sf_id.map(|id| id.0).into())
        .one("t", Type::Time, |m| m.t.into())
        .number("packet", |m| m.packet.0)
        .one("dir", Type::Text, |m| word(m.dir))
        .one("kind", Type::Text, |m| word(m.kind))
        .number("bytes", |m| m.bytes)
        .one("other_sf", Type::Integer, |m| m.other_sf.map(|id| id.0).into());
    evidence(details(columns)).finish()
}

fn evidence(columns: Columns<Mark>) -> Columns<Mark> {
    columns
        .one("evidence_certainty", Type::Text, |m| word(m.evidence.certainty))
        .one("evidence_causes", Type::Words, |m| words(m.evidence.causes.iter()))
        .one("evidence_excluded", Type::Words, |m| words(m.evidence.excluded.iter()))
        .one("evidence_proof", Type::Words, |m| {
            words(m.evidence.proof.iter().map(|packet| packet.0))
        })
}

fn malformed(mark: &Mark) -> Option<&Malformed> {
    match &mark.detail {
        Some(Detail::Malformed(malformed)) => Some(malformed),
        _ => None,
    }
}

fn details(columns: Columns<Mark>) -> Columns<Mark> {
    columns
        .one("detail_address_id", Type::Integer, |m| match &m.detail {
            Some(Detail::Address { id, .. }) => (*id).into(),
            _ => Value::Null,
        })
        .one("detail_address_ip", Type::Text, |m| match &m.detail {
            Some(Detail::Address { address, .. }) => (*address).into(),
            _ => Value::Null,
        })
        .one("detail_address_port", Type::Integer, |m| match &m.detail {
            Some(Detail::Address { port, .. }) => (*port).into(),
            _ => Value::Null,
        })
        .one("detail_address_ids", Type::Words, |m| match &m.detail {
            Some(Detail::AddressIds(ids)) => words(ids.iter().map(|id| id.0)),
            _ => Value::Words(Vec::new()),
        })
        .one("detail_backup", Type::Boolean, |m| match &m.detail {
            Some(Detail::Backup(backup)) => (*backup).into(),
            _ => Value::Null,
        })
        .one("detail_priority_backup", Type::Boolean, |m| match &m.detail {
            Some(Detail::Priority { backup, .. }) => (*backup).into(),
            _ => Value::Null,
        })
        .one("detail_priority_address_id", Type::Integer, |m| match &m.detail {
            Some(Detail::Priority { address_id, .. }) => (*address_id).into(),
            _ => Value::Null,
        })
        .one("detail_reset_transient", Type::Boolean, |m| match &m.detail {
            Some(Detail::Reset { transient, .. }) => (*transient).into(),
            _ => Value::Null,
        })
        .one("detail_reset_reason", Type::Integer, |m| match &m.detail {
            Some(Detail::Reset { reason, .. }) => (*reason).into(),
            _ => Value::Null,
        })
        .one("detail_malformed_option", Type::Text, |m| {
            malformed(m).map(|malformed| malformed.option).into()
        })
        .one("detail_malformed_subtype", Type::Integer, |m| {
            malformed(m)
                .and_then(|malformed| malformed.subtype)
                .map(u32::from)
                .into()
        })
        .one("detail_malformed_length", Type::Integer, |m| {
            malformed(m)
                .and_then(|malformed| malformed.length)
                .map(u32::from)
                .into()
        })
        .one("detail_malformed_expected", Type::Text, |m| {
            malformed(m).map(|malformed| malformed.expected.as_str()).into()
        })
        .one("detail_step", Type::Real, |m| match &m.detail {
            Some(Detail::Step(step)) => (*step).into(),
            _ => Value::Null,
        })
        .one("detail_fallback", Type::Text, |m| match &m.detail {
            Some(Detail::Fallback(fallback)) => word(*fallback),
            _ => Value::Null,
        })
        .one("detail_gap", Type::Real, |m| match &m.detail {
            Some(Detail::Gap(gap)) => (*gap).into(),
            _ => Value::Null,
        })
        .one("detail_end", Type::Text, |m| match &m.detail {
            Some(Detail::End(end)) => word(*end),
            _ => Value::Null,
        })
}
