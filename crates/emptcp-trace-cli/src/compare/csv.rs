//! The tables of a comparison as CSV. Each is written beside its name and renamed when it is complete.

use anyhow::{Context, Result};
use emptcp_trace::compare::{ComparedSubflow, Comparison, FieldChange, PairedPacket};
use emptcp_trace::{ConnectionId, Direction};
use emptcp_trace_report::output::Draft;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// A table of `folder`, which is made when it is not there.
fn create(folder: &Path, name: &str) -> Result<Draft> {
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(Draft::create(folder.join(name))?)
}

/// `pairs.csv`, written while the captures are read.
pub(super) struct PairFile {
    file: Draft,
    failed: Option<io::Error>,
}

impl PairFile {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let mut file = create(folder, "pairs.csv")?;
        let failed = file
            .write_all(b"number,from_opener,t_a,t_b,packet_a,packet_b,sequence,length,exact\n")
            .err();
        Ok(Self { file, failed })
    }

    pub(super) fn add(&mut self, pair: &PairedPacket) {
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

    pub(super) fn finish(self) -> Result<()> {
        match self.failed {
            Some(error) => Err(error).with_context(|| format!("writing {}", self.file.target().display())),
            None => self.file.finish().map(drop).map_err(Into::into),
        }
    }
}

/// Writes `subflows.csv`, `options.csv` and `fields.csv`.
pub(super) fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
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
            .with_context(|| format!("writing {}", file.target().display()))?;
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
    let ends = |ends: &Option<emptcp_trace::compare::EndsAt>| match ends {
        Some(ends) => format!("{},{}", ends.client, ends.server),
        None => ",".to_owned(),
    };
    let kind = match subflow.kind {
        emptcp_trace::compare::ComparedKind::Capable => "MPC",
        emptcp_trace::compare::ComparedKind::Join => "JOIN",
        emptcp_trace::compare::ComparedKind::Tcp => "TCP",
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
