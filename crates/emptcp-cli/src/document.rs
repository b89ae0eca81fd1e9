//! JSON that is streamed: a hundred thousand subflows are never one string in memory.

use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// A value that can be written as JSON.
pub(crate) trait Document {
    /// Writes it over several lines (`pretty`) or on one, and ends the last one.
    fn write(&self, out: &mut dyn Write, pretty: bool) -> io::Result<()>;
}

impl<T: Serialize> Document for T {
    fn write(&self, out: &mut dyn Write, pretty: bool) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        match pretty {
            true => serde_json::to_writer_pretty(&mut out, self)?,
            false => serde_json::to_writer(&mut out, self)?,
        }
        out.write_all(b"\n")?;
        out.flush()
    }
}
