//! A table as Parquet, compressed with zstd.
//!
//! Counts are signed 64-bit integers, because databases can subtract those safely; points in time are
//! `TIMESTAMP` in nanoseconds, UTC; sets are lists of strings; options by subtype are a map. Rows are written in
//! groups, so memory does not grow with the table.

mod buffer;

use super::column::{Type, Value};
use super::destination::Destination;
use buffer::Buffer;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

/// Values of a group of rows, over all columns: about 10 MB.
const GROUP: usize = 1 << 20;

/// Writes one table.
pub(super) struct Parquet {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    out: Out,
    columns: Vec<Buffer>,
    rows: usize,
}

/// The file begins with the first group of rows, so that a short temporary table stays in memory.
enum Out {
    Before(Option<Destination>),
    Begun(SerializedFileWriter<Destination>),
}

impl Parquet {
    /// Begins the table.
    pub(super) fn new<'a>(
        destination: Destination,
        columns: impl Iterator<Item = (&'a str, Type)> + Clone,
    ) -> io::Result<Self> {
        Ok(Self {
            schema: Arc::new(parse_message_type(&schema(columns.clone())).map_err(to_io)?),
            properties: Arc::new(properties().map_err(to_io)?),
            out: Out::Before(Some(destination)),
            columns: columns.map(|(_, kind)| Buffer::new(kind)).collect(),
            rows: 0,
        })
    }

    /// Adds a row.
    pub(super) fn row<'a>(&mut self, values: impl Iterator<Item = Value<'a>>) -> io::Result<()> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows += 1;
        self.write_when_full()
    }

    /// Adds the rows of a temporary table: its row groups unchanged, then its buffered rows.
    pub(super) fn append(&mut self, other: Self) -> io::Result<()> {
        if let Out::Begun(writer) = other.out {
            self.splice(writer).map_err(to_io)?;
        }
        for (column, mut other) in self.columns.iter_mut().zip(other.columns) {
            column.append(&mut other);
        }
        self.rows += other.rows;
        self.write_when_full()
    }

    /// Writes the remaining rows and returns the destination.
    pub(super) fn finish(mut self) -> io::Result<Destination> {
        if self.rows > 0 {
            self.write_group().map_err(to_io)?;
        }
        self.writer().map_err(to_io)?;
        match self.out {
            Out::Begun(writer) => writer.into_inner().map_err(to_io),
            Out::Before(_) => Err(io::Error::other("a Parquet file was not started")),
        }
    }

    fn write_when_full(&mut self) -> io::Result<()> {
        if self.rows.saturating_mul(self.columns.len()) >= GROUP {
            self.write_group().map_err(to_io)?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let fresh = self.columns.iter().map(Buffer::empty).collect();
        let columns = std::mem::replace(&mut self.columns, fresh);
        self.rows = 0;
        let mut group = self.writer()?.next_row_group()?;
        for column in &columns {
            for leaf in 0..column.leaves() {
                let Some(mut writer) = group.next_column()? else {
                    return Err(ParquetError::General("more columns than the schema has".to_owned()));
                };
                column.write(leaf, writer.untyped())?;
                writer.close()?;
            }
        }
        group.close()?;
        Ok(())
    }

    fn splice(&mut self, other: SerializedFileWriter<Destination>) -> Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        let groups = other.flushed_row_groups().to_vec();
        let file = other.into_inner()?.into_file()?;
        for group in &groups {
            let mut copy = self.writer()?.next_row_group()?;
            for column in group.columns() {
                let closed = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                    rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                copy.append_column(&file, closed)?;
            }
            copy.close()?;
        }
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut SerializedFileWriter<Destination>> {
        if let Out::Before(destination) = &mut self.out
            && let Some(destination) = destination.take()
        {
            let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
            self.out = Out::Begun(SerializedFileWriter::new(destination, schema, properties)?);
        }
        match &mut self.out {
            Out::Begun(writer) => Ok(writer),
            Out::Before(_) => Err(ParquetError::General(
                "the Parquet file could not be started".to_owned(),
            )),
        }
    }
}

fn properties() -> Result<WriterProperties> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(concat!("emptcp ", env!("CARGO_PKG_VERSION")).to_owned())
        .build())
}

fn schema<'a>(columns: impl Iterator<Item = (&'a str, Type)>) -> String {
    let mut text = "message row {\n".to_owned();
    for (name, kind) in columns {
        // Writing to a string does not fail.
        let _ = match kind {
            Type::Boolean => writeln!(text, "optional boolean {name};"),
            Type::Integer => writeln!(text, "optional int64 {name};"),
            Type::Real => writeln!(text, "optional double {name};"),
            Type::Time => writeln!(text, "optional int64 {name} (timestamp(nanos, true));"),
            Type::Text => writeln!(text, "optional byte_array {name} (utf8);"),
            Type::Words => writeln!(
                text,
                "required group {name} (list) {{ repeated group list {{ required byte_array element (utf8); }} }}"
            ),
            Type::Counts => writeln!(
                text,
                "required group {name} (map) {{ repeated group key_value {{ required byte_array key (utf8); required int64 value; }} }}"
            ),
        };
    }
    text.push('}');
    text
}

fn to_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
