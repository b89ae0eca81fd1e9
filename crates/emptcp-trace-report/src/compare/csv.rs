//! The tables of a comparison as CSV. Each is written to a temporary file, which is renamed when it is complete.

use crate::output::Draft;
use emptcp_trace::compare::{ComparedKind, ComparedSubflow, Comparison, EndsAt, FieldChange, PairedPacket};
use emptcp_trace::{ConnectionId, Direction};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// A table in `folder`, which is created when it is missing.
fn create(folder: &Path, name: &str) -> io::Result<Draft> {
    fs::create_dir_all(folder).map_err(|error| {
        let words = format!("cannot create the folder {}: {error}", folder.display());
        io::Error::new(error.kind(), words)
    })?;
    Draft::create(folder.join(name))
}

/// Adds the name of the file to an error.
fn writing(file: &Draft, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("writing {}: {error}", file.target().display()))
}

/// `pairs.csv`: a row for each pair of packets, written while the captures are read.
#[derive(Debug)]
pub struct PairFile {
    file: Draft,
    failed: Option<io::Error>,
}

impl PairFile {
    /// Begins the file in this folder, which is created when it is missing.
    ///
    /// # Errors
    /// When the folder cannot be created, or no file can be written in it.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let mut file = create(folder, "pairs.csv")?;
        let failed = file
            .write_all(b"number,from_opener,t_a,t_b,packet_a,packet_b,sequence,length,exact\n")
            .err();
        Ok(Self { file, failed })
    }

    /// Adds a row. An error is kept for [`finish`](Self::finish).
    pub fn add(&mut self, pair: &PairedPacket) {
        if self.failed.is_some() {
            return;
        }
        let seconds = |nanoseconds: i64| {
            let (whole, rest) = (
                nanoseconds.div_euclid(1_000_000_000),
                nanoseconds.rem_euclid(1_000_000_000),
            );
            format!("{whole}.{rest:09}")
        };
        self.failed = writeln!(
            self.file,
            "{},{},{},{},{},{},{},{},{}",
            pair.number,
            pair.from_opener,
            seconds(pair.t_a.0),
            seconds(pair.t_b.0),
            pair.packet_a,
            pair.packet_b,
            pair.sequence,
            pair.length,
            pair.exact
        )
        .err();
    }

    /// Completes the file and renames it to its final name.
    ///
    /// # Errors
    /// When a row could not be written, or the file cannot be renamed.
    pub fn finish(self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(writing(&self.file, &error)),
            None => self.file.finish().map(drop),
        }
    }
}

/// Writes `subflows.csv`, `options.csv` and `fields.csv` to this folder, which is created when it is missing.
///
/// # Errors
/// When the folder cannot be created, or a file cannot be written.
pub fn write_csv(folder: &Path, comparison: &Comparison) -> io::Result<()> {
    let mut subflows = String::from(
        "conn_id,sf_id,number,kind,dir,client_a,server_a,client_b,server_b,client_at,isn_shift,packets_a,packets_b,bytes_a,bytes_b,\
         lost_packets,lost_data_packets,lost_bytes,appeared_packets,appeared_bytes,same,resegmented,delay_n,delay_min,delay_mean,\
         delay_p50,delay_p95,delay_max,reordered,reorder_extent,hops_min,hops_max,payload_compared,payload_changed\n",
    );
    let mut options = String::from("conn_id,sf_id,number,dir,option,stage,seen_a,seen_b,removed,added,changed\n");
    let mut fields = String::from("conn_id,sf_id,number,dir,option,stage,field,packets,packet_a,packet_b,at_a,at_b\n");
    for connection in &comparison.connections {
        for subflow in &connection.subflows {
            for direction in Direction::BOTH {
                let place = place(connection.conn_id, subflow, direction);
                row(&mut subflows, connection.conn_id, subflow, direction);
                let compared = &subflow.directions[direction];
                for change in &compared.fields {
                    field(&mut fields, &place, "", "", change);
                }
                for option in &compared.options {
                    let (name, stage) = (option.option.to_string(), option.stage.name());
                    line(
                        &mut options,
                        format_args!(
                            "{place},{name},{stage},{},{},{},{},{}",
                            option.seen[0], option.seen[1], option.removed, option.added, option.changed
                        ),
                    );
                    for change in &option.fields {
                        field(&mut fields, &place, &name, stage, change);
                    }
                }
            }
        }
    }
    for (name, text) in [
        ("subflows.csv", subflows),
        ("options.csv", options),
        ("fields.csv", fields),
    ] {
        let mut file = create(folder, name)?;
        file.write_all(text.as_bytes())
            .map_err(|error| writing(&file, &error))?;
        file.finish()?;
    }
    Ok(())
}

fn place(connection: Option<ConnectionId>, subflow: &ComparedSubflow, direction: Direction) -> String {
    format!(
        "{},{},{},{}",
        or_empty(connection),
        subflow.sf_id,
        subflow.number,
        direction.name()
    )
}

fn row(subflows: &mut String, connection: Option<ConnectionId>, subflow: &ComparedSubflow, direction: Direction) {
    let compared = &subflow.directions[direction];
    let ends = |ends: &Option<EndsAt>| match ends {
        Some(ends) => format!("{},{}", ends.client, ends.server),
        None => ",".to_owned(),
    };
    let kind = match subflow.kind {
        ComparedKind::Capable => "MPC",
        ComparedKind::Join => "JOIN",
        ComparedKind::Tcp => "TCP",
    };
    let delay = &compared.delay;
    let head = format!(
        "{},{},{},{kind},{}",
        or_empty(connection),
        subflow.sf_id,
        subflow.number,
        direction.name()
    );
    let counts = [
        compared.packets[0],
        compared.packets[1],
        compared.bytes[0],
        compared.bytes[1],
        compared.lost.packets,
        compared.lost.data_packets,
        compared.lost.bytes,
        compared.appeared.packets,
        compared.appeared.bytes,
        compared.same,
        compared.resegmented,
        delay.n,
    ]
    .map(|count| count.to_string())
    .join(",");
    let delays = [delay.min, delay.mean, delay.p50, delay.p95, delay.max]
        .map(or_empty)
        .join(",");
    line(
        subflows,
        format_args!(
            "{head},{},{},{},{},{counts},{delays},{},{},{},{},{},{}",
            ends(&subflow.a),
            ends(&subflow.b),
            subflow.client_at.name(),
            or_empty(subflow.isn_shift[direction]),
            compared.reordered,
            compared.reorder_extent,
            or_empty(compared.hops.map(|hops| hops.0)),
            or_empty(compared.hops.map(|hops| hops.1)),
            compared.payload.compared,
            compared.payload.changed
        ),
    );
}

fn field(fields: &mut String, place: &str, option: &str, stage: &str, change: &FieldChange) {
    line(
        fields,
        format_args!(
            "{place},{option},{stage},{},{},{},{},{},{}",
            change.field,
            change.packets,
            change.first.a,
            change.first.b,
            quoted(&change.at_a),
            quoted(&change.at_b)
        ),
    );
}

/// Adds a line; writing to a string cannot fail.
fn line(text: &mut String, row: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{row}");
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// RFC 4180.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
