//! The columns of the table `subflows`.

use super::super::column::{Column, Columns, Type, Value, word};
use emptcp_trace::record::Subflow;

/// The columns of the table `subflows`, after `trace`.
#[must_use]
pub fn subflows() -> Vec<Column<Subflow>> {
    transfer(identity(Columns::new())).finish()
}

fn identity(columns: Columns<Subflow>) -> Columns<Subflow> {
    columns
        .number("conn_id", |s| s.conn_id.0)
        .number("sf_id", |s| s.sf_id.0.into())
        .one("kind", Type::Text, |s| word(s.kind))
        .one("opened_by", Type::Text, |s| word(s.opened_by))
        .one("client", Type::Text, |s| s.client.ip().into())
        .one("client_port", Type::Integer, |s| s.client.port().into())
        .one("server", Type::Text, |s| s.server.ip().into())
        .one("server_port", Type::Integer, |s| s.server.port().into())
        .pair("address_ids", ["client", "server"], Type::Integer, |s| s.address_ids)
        .one("t_syn", Type::Time, |s| s.t_syn.into())
        .one("t_est", Type::Time, |s| s.t_est.into())
        .one("t_last", Type::Time, |s| s.t_last.into())
        .one("join_delay", Type::Real, |s| s.join_delay.into())
        .one("answer", Type::Text, |s| s.answer.map_or(Value::Null, word))
        .flag("established", |s| s.established)
        .flag("backup", |s| s.backup)
        .one("hmac_ok", Type::Boolean, |s| s.hmac_ok.into())
        .number("syn_retx", |s| s.syn_retx.into())
}

fn transfer(columns: Columns<Subflow>) -> Columns<Subflow> {
    columns
        .numbers("payload", |s| s.payload)
        .numbers("new_dsn", |s| s.new_dsn)
        .numbers("retx", |s| s.retx)
        .numbers("retx_pkts", |s| s.retx_pkts)
        .numbers("reinj", |s| s.reinj)
        .numbers("reinj_pkts", |s| s.reinj_pkts)
        .numbers("reinj_caused", |s| s.reinj_caused)
        .numbers("same_dsn", |s| s.same_dsn)
        .numbers("unmapped", |s| s.unmapped)
        .numbers("pkts", |s| s.pkts)
        .numbers("ip_bytes", |s| s.ip_bytes)
        .rtt("rtt", |s| s.rtt)
        .pair("hs_rtt", ["syn", "syn_ack"], Type::Real, |s| s.hs_rtt)
        .both("t_first_data", Type::Time, |s| s.t_first_data)
        .both("t_last_data", Type::Time, |s| s.t_last_data)
        .both("fin", Type::Boolean, |s| s.fin)
        .both("rst", Type::Boolean, |s| s.rst)
        .numbers("captured_twice", |s| s.captured_twice)
        .numbers("not_captured", |s| s.not_captured)
        .numbers("cut_short", |s| s.cut_short)
        .numbers("aggregates", |s| s.aggregates)
        .flag("one_direction", |s| s.one_direction)
        .one("rst_transient", Type::Boolean, |s| s.rst_transient.into())
        .one("rst_reason", Type::Integer, |s| s.rst_reason.into())
}
