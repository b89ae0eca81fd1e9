//! The columns of the table `strays`.

use super::super::column::{Column, Columns, Type, Value, word};
use emptcp_trace::record::Stray;
use mptcp_wire::Token;

/// The columns of the table `strays`, after `trace`.
#[must_use]
pub fn strays() -> Vec<Column<Stray>> {
    Columns::<Stray>::new()
        .one("stray", Type::Text, |s| word(s.stray))
        .number("packet", |s| s.packet.0)
        .one("t", Type::Time, |s| s.t.into())
        .one("source", Type::Text, |s| s.source.into())
        .one("source_port", Type::Integer, |s| s.source_port.into())
        .one("destination", Type::Text, |s| s.destination.into())
        .one("destination_port", Type::Integer, |s| s.destination_port.into())
        .flag("syn", |s| s.syn)
        .one("token", Type::Text, |s| {
            s.token
                .map_or(Value::Null, |Token(number)| Value::Text(format!("{number:08x}").into()))
        })
        .one("address_id", Type::Integer, |s| s.address_id.into())
        .one("answer", Type::Text, |s| s.answer.map_or(Value::Null, word))
        .one("answer_packet", Type::Integer, |s| {
            s.answer_packet.map(|packet| packet.0).into()
        })
        .one("rst_packet", Type::Integer, |s| {
            s.rst_packet.map(|packet| packet.0).into()
        })
        .one("rst_reason", Type::Integer, |s| s.rst_reason.into())
        .one("malformed_option", Type::Text, |s| {
            s.malformed.as_ref().map(|malformed| malformed.option).into()
        })
        .one("malformed_subtype", Type::Integer, |s| {
            let malformed = s.malformed.as_ref();
            malformed.and_then(|malformed| malformed.subtype).map(u32::from).into()
        })
        .one("malformed_length", Type::Integer, |s| {
            let malformed = s.malformed.as_ref();
            malformed.and_then(|malformed| malformed.length).map(u32::from).into()
        })
        .one("malformed_expected", Type::Text, |s| {
            s.malformed.as_ref().map(|malformed| malformed.expected.as_str()).into()
        })
        .finish()
}
