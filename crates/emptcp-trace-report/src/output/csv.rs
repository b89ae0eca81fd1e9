//! A table as comma-separated values (RFC 4180, lines that end with LF).

use super::column::Value;
use super::destination::Destination;
use csv::{Writer, WriterBuilder};
use emptcp_trace::Timestamp;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Encoded bytes are written out from this size on.
const CHUNK: usize = 1 << 16;

/// Writes one table.
#[derive(Debug)]
pub(super) struct Csv {
    destination: Destination,
    rows: Writer<Vec<u8>>,
    field: String,
}

impl Csv {
    /// Begins the table. Its first line has the names of the columns, unless the table is temporary.
    pub(super) fn new<'a>(destination: Destination, names: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let mut rows = encoder(Vec::new());
        if let Destination::File(_) = destination {
            rows.write_record(names)?;
        }
        Ok(Self {
            destination,
            rows,
            field: String::new(),
        })
    }

    /// Adds a row.
    pub(super) fn row<'a>(&mut self, values: impl Iterator<Item = Value<'a>>) -> io::Result<()> {
        for value in values {
            self.field.clear();
            put(&mut self.field, &value);
            self.rows.write_field(&self.field)?;
        }
        self.rows.write_record(None::<&[u8]>)?;
        if self.rows.get_ref().len() >= CHUNK {
            self.pass_on()?;
        }
        Ok(())
    }

    /// Adds the rows of a temporary table.
    pub(super) fn append(&mut self, mut other: Self) -> io::Result<()> {
        self.pass_on()?;
        other.pass_on()?;
        io::copy(&mut other.destination.read_back()?, &mut self.destination)?;
        Ok(())
    }

    /// Writes the remaining rows and returns the destination.
    pub(super) fn finish(mut self) -> io::Result<Destination> {
        self.pass_on()?;
        Ok(self.destination)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let rows = std::mem::replace(&mut self.rows, encoder(Vec::new()));
        let mut bytes = rows.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        self.destination.write_all(&bytes)?;
        bytes.clear();
        self.rows = encoder(bytes);
        Ok(())
    }
}

fn encoder(bytes: Vec<u8>) -> Writer<Vec<u8>> {
    // Flexible: a temporary table has no heading to compare the length of rows with.
    WriterBuilder::new().flexible(true).from_writer(bytes)
}

fn put(field: &mut String, value: &Value<'_>) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::Null => Ok(()),
        Value::Boolean(value) => write!(field, "{value}"),
        Value::Integer(value) => write!(field, "{value}"),
        Value::Real(value) => write!(field, "{value}"),
        Value::Time(time) => write!(field, "{}", Decimal(*time)),
        Value::Text(text) => field.write_str(text),
        Value::Words(words) => joined(field, words.iter(), |field, word| field.write_str(word)),
        Value::Counts(counts) => joined(field, counts.iter(), |field, (word, count)| {
            write!(field, "{word}={count}")
        }),
    };
}

fn joined<T>(
    field: &mut String,
    items: impl Iterator<Item = T>,
    put: impl Fn(&mut String, T) -> std::fmt::Result,
) -> std::fmt::Result {
    for (position, item) in items.enumerate() {
        if position > 0 {
            field.push('|');
        }
        put(field, item)?;
    }
    Ok(())
}

/// Seconds since 1970 with nine decimals, for which an `f64` is not precise enough.
struct Decimal(Timestamp);

impl std::fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Timestamp(nanoseconds) = self.0;
        let sign = if nanoseconds < 0 { "-" } else { "" };
        let size = nanoseconds.unsigned_abs();
        write!(formatter, "{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn text(value: &Value<'_>) -> String {
        let mut field = String::new();
        put(&mut field, value);
        field
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        assert_eq!(
            text(&Value::Time(Timestamp(1_795_167_384_306_793_001))),
            "1795167384.306793001"
        );
        assert_eq!(text(&Value::Time(Timestamp(-1))), "-0.000000001");
    }

    #[test]
    fn sets_are_joined_by_bars() {
        assert_eq!(text(&Value::Words(vec!["A".into(), "B".into()])), "A|B");
        assert_eq!(text(&Value::Words(vec![])), "");
        let counts = BTreeMap::from([("DSS", 2), ("MP_JOIN", 1)]);
        assert_eq!(text(&Value::Counts(&counts)), "DSS=2|MP_JOIN=1");
    }
}
