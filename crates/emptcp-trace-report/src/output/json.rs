//! Records as JSON, one on each line.

use emptcp_trace::Event;
use emptcp_trace::record::Mark;
use serde::Serialize;
use std::io::{self, Write};

/// A mark with the name of its trace.
#[derive(Serialize)]
struct Line<'a> {
    trace: &'a str,
    #[serde(flatten)]
    mark: &'a Mark,
}

/// Writes a connection, its subflows within, as one line. With `marks`, a mark is a line too: the objects with `kind`.
/// Other events write nothing.
///
/// # Errors
/// When `out` cannot be written to.
pub fn line(out: &mut impl Write, trace: &str, event: &Event, marks: bool) -> io::Result<()> {
    match event {
        Event::Connection(connection) => serde_json::to_writer(&mut *out, connection)?,
        Event::Mark(mark) if marks => serde_json::to_writer(&mut *out, &Line { trace, mark })?,
        _ => return Ok(()),
    }
    out.write_all(b"\n")
}
