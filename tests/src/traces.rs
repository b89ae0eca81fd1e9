//! Captures through the analysis, and the same captures for other analysers.

use crate::captures::{self, Frame};
use emptcp_trace::record::{Connection, Mark, Totals};
use emptcp_trace::{Analyzer, Event, Settings, source};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The output of an analysis.
#[derive(Clone, Debug)]
pub struct Analysed {
    /// By number.
    pub connections: Vec<Connection>,
    /// In the order in which they came.
    pub marks: Vec<Mark>,
    /// Of the whole capture.
    pub totals: Totals,
}

/// Analyses a capture.
///
/// # Panics
/// When it cannot be read to its end.
pub fn analysed(path: &Path) -> Analysed {
    let settings = Settings {
        marks: true,
        ..Settings::default()
    };
    let (mut connections, mut marks, mut totals) = (Vec::new(), Vec::new(), None);
    let files = source::open([path]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for event in Analyzer::with_settings(files, settings) {
        match event.unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            Event::Connection(connection) => connections.push(*connection),
            Event::Mark(mark) => marks.push(mark),
            Event::End(end) => totals = Some(*end),
            Event::Packet(_) | Event::Stray(_) | Event::Quiet(_) => {}
        }
    }
    connections.sort_by_key(|connection| connection.conn_id);
    Analysed {
        connections,
        marks,
        totals: totals.expect("totals at the end"),
    }
}

/// The folder of each scenario of version 1, by name; none, with a message, when the shared captures are absent.
pub fn scenarios() -> Option<Vec<(String, PathBuf)>> {
    let captures = captures::shared("traces/v1")?;
    let clients = captures.iter().filter(|path| path.ends_with("client.pcap.zst"));
    let folders = clients.filter_map(|path| path.parent());
    Some(
        folders
            .map(|folder| {
                let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
                (name, folder.to_owned())
            })
            .collect(),
    )
}

/// A capture of the cases in the shared test data; none, with a message, when these are absent.
///
/// # Panics
/// When only this one is absent.
pub fn case(name: &str) -> Option<PathBuf> {
    let cases = captures::shared("cases/trace")?;
    let found = cases.into_iter().find(|path| path.ends_with(name));
    Some(found.unwrap_or_else(|| panic!("../shared/cases/trace has no {name}")))
}

/// Writes frames to a pcap file of Ethernet and nanoseconds, with the times that they have.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, frames: &[Frame]) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    let mut put = |bytes: &[u8]| file.write_all(bytes).expect("written");
    // Magic number of nanoseconds, version 2.4, zone, accuracy, snap length, Ethernet.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        put(&word.to_le_bytes());
    }
    for frame in frames {
        let (seconds, length) = (frame.time.as_secs() as u32, frame.bytes.len() as u32);
        for word in [seconds, frame.time.subsec_nanos(), length, length] {
            put(&word.to_le_bytes());
        }
        put(&frame.bytes);
    }
}
