//! The columns of the table `connections`.

use super::super::column::{Column, Columns, Type, Value, word, words};
use emptcp_trace::record::Connection;
use mptcp_wire::Token;

/// The columns of the table `connections`, after `trace`.
#[must_use]
pub fn connections() -> Vec<Column<Connection>> {
    let columns = transfer(identity(Columns::new()));
    signalling(columns).finish()
}

fn identity(columns: Columns<Connection>) -> Columns<Connection> {
    columns
        .number("conn_id", |c| c.conn_id.0)
        .one("t0", Type::Time, |c| c.t0.into())
        .one("t_end", Type::Time, |c| c.t_end.into())
        .one("dur", Type::Real, |c| c.dur.into())
        .one("dur_dack", Type::Real, |c| c.dur_dack.into())
        .one("end", Type::Text, |c| word(c.end))
        .one("version", Type::Integer, |c| c.version.into())
        .one("hash", Type::Text, |c| word(c.hash))
        .one("tokens_client", Type::Text, |c| token(c.tokens[0]))
        .one("tokens_server", Type::Text, |c| token(c.tokens[1]))
        .one("client", Type::Text, |c| c.client.into())
        .one("server", Type::Text, |c| c.server.into())
        .one("port", Type::Integer, |c| c.port.into())
        .flag("flag_a", |c| c.flag_a)
        .flag("flag_c", |c| c.flag_c)
        .flag("complete", |c| c.complete)
        .number("sf_est", |c| c.sf_est.into())
        .number("sf_att", |c| c.sf_att.into())
        .number("sf_max_conc", |c| c.sf_max_conc.into())
}

fn transfer(columns: Columns<Connection>) -> Columns<Connection> {
    columns
        .numbers("data", |c| c.data)
        .numbers("fin", |c| c.fin)
        .numbers("dacked", |c| c.dacked)
        .number("size", |c| c.size)
        .numbers("reinj", |c| c.reinj)
        .numbers("reinj_pkts", |c| c.reinj_pkts)
        .numbers("retx", |c| c.retx)
        .numbers("retx_pkts", |c| c.retx_pkts)
        .numbers("same_dsn", |c| c.same_dsn)
        .numbers("unmapped", |c| c.unmapped)
        .numbers("loss", |c| c.loss)
        .numbers("ooo_pkts", |c| c.ooo_pkts)
        .numbers("ooo", |c| c.ooo)
        .numbers("pkts", |c| c.pkts)
        .numbers("ip_bytes", |c| c.ip_bytes)
        .rtt("mptcp_rtt", |c| c.mptcp_rtt)
        .both("longest_stall", Type::Real, |c| c.longest_stall)
}

fn signalling(columns: Columns<Connection>) -> Columns<Connection> {
    columns
        .numbers("add_addr", |c| c.add_addr)
        .numbers("add_addr_echo", |c| c.add_addr_echo)
        .numbers("add_addr_joined", |c| c.add_addr_joined)
        .numbers("remove_addr", |c| c.remove_addr)
        .numbers("mp_prio", |c| c.mp_prio)
        .number("handovers", |c| c.handovers.into())
        .one("fallback", Type::Words, |c| words(c.fallback.iter().copied()))
        .one("events", Type::Words, |c| words(c.events.iter().copied()))
        .one("options", Type::Counts, |c| Value::Counts(&c.options))
        .one("vantage", Type::Text, |c| word(c.vantage))
        .flag("partial", |c| c.partial)
        .flag("mid_stream", |c| c.mid_stream)
        .flag("continued", |c| c.continued)
        .flag("truncated", |c| c.truncated)
        .flag("lossy_capture", |c| c.lossy_capture)
        .numbers("captured_twice", |c| c.captured_twice)
        .numbers("not_captured", |c| c.not_captured)
        .numbers("cut_short", |c| c.cut_short)
        .numbers("aggregates", |c| c.aggregates)
        .number("clock_steps", |c| c.clock_steps.into())
        .numbers("malformed_options", |c| c.malformed_options)
        .flag("dsn_relative", |c| c.dsn_relative)
}

fn token(token: Option<Token>) -> Value<'static> {
    token.map_or(Value::Null, |Token(number)| Value::Text(format!("{number:08x}").into()))
}
