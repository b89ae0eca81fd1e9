//! Records as JSON, one on each line.

use super::names::{NamedFields, Names};
use emptcp_trace::Event;
use emptcp_trace::record::{Mark, Stray, Totals};
use serde::Serialize;
use serde_json::Serializer;
use std::io::{self, Write};

/// A mark with the name of its trace.
#[derive(Serialize)]
struct Line<'a> {
    trace: &'a str,
    #[serde(flatten)]
    mark: &'a Mark,
}

/// A stray with the name of its trace.
#[derive(Serialize)]
struct StrayLine<'a> {
    trace: &'a str,
    #[serde(flatten)]
    stray: &'a Stray,
}

/// The totals of a trace.
#[derive(Serialize)]
struct TotalsLine<'a> {
    trace: &'a str,
    totals: &'a Totals,
}

/// Writes a connection, with its subflows inside, as one line. With `marks`, other events are lines too: a mark (an
/// object with `kind`), an option that belongs to no connection (with `stray`), and at the end the totals (with
/// `totals`).
///
/// # Errors
/// When `out` cannot be written to.
pub fn line(out: &mut impl Write, trace: &str, event: &Event, marks: bool, names: Names) -> io::Result<()> {
    let mut json = Serializer::with_formatter(&mut *out, NamedFields::new(names));
    match event {
        Event::Connection(connection) => connection.serialize(&mut json)?,
        Event::Mark(mark) if marks => Line { trace, mark }.serialize(&mut json)?,
        Event::Stray(stray) if marks => StrayLine { trace, stray }.serialize(&mut json)?,
        Event::End(totals) if marks => TotalsLine { trace, totals }.serialize(&mut json)?,
        _ => return Ok(()),
    }
    out.write_all(b"\n")
}
