//! Buffered values of a column, with the levels that mark nulls and elements of a list.

use super::super::column::{Type, Value};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};

/// Values of one physical type.
#[derive(Debug)]
enum Values {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Bytes(Vec<ByteArray>),
}

/// One leaf of the schema.
#[derive(Debug)]
struct Leaf {
    values: Values,
    /// For each entry: 1 where there is a value.
    definition: Vec<i16>,
    /// For each entry: 1 where it continues the list of the entry before.
    repetition: Vec<i16>,
}

/// One column: one leaf, or two for counts by string.
#[derive(Debug)]
pub(super) struct Buffer {
    kind: Type,
    leaves: Vec<Leaf>,
}

impl Buffer {
    pub(super) fn new(kind: Type) -> Self {
        let values = || match kind {
            Type::Boolean => Values::Boolean(Vec::new()),
            Type::Integer | Type::Time => Values::Integer(Vec::new()),
            Type::Real => Values::Real(Vec::new()),
            Type::Text | Type::Words | Type::Counts => Values::Bytes(Vec::new()),
        };
        let mut leaves = vec![Leaf::new(values())];
        if kind == Type::Counts {
            leaves.push(Leaf::new(Values::Integer(Vec::new())));
        }
        Self { kind, leaves }
    }

    /// An empty buffer for the same column.
    pub(super) fn empty(&self) -> Self {
        Self::new(self.kind)
    }

    /// Adds the value of the next row. A value of another type counts as null.
    pub(super) fn push(&mut self, value: Value<'_>) {
        match (self.leaves.as_mut_slice(), value) {
            ([leaf], Value::Words(words)) => {
                for (position, word) in words.iter().enumerate() {
                    leaf.entry(true, position > 0);
                    leaf.values.bytes(word);
                }
                if words.is_empty() {
                    leaf.entry(false, false);
                }
            }
            ([names, numbers], Value::Counts(counts)) => {
                for (position, (name, count)) in counts.iter().enumerate() {
                    names.entry(true, position > 0);
                    names.values.bytes(name);
                    numbers.entry(true, position > 0);
                    numbers.values.integer(i64::try_from(*count).unwrap_or(i64::MAX));
                }
                if counts.is_empty() {
                    names.entry(false, false);
                    numbers.entry(false, false);
                }
            }
            (leaves, value) => {
                for leaf in leaves {
                    let defined = leaf.values.scalar(&value);
                    leaf.entry(defined, false);
                }
            }
        }
    }

    /// Adds the rows of another.
    pub(super) fn append(&mut self, other: &mut Self) {
        for (leaf, other) in self.leaves.iter_mut().zip(&mut other.leaves) {
            leaf.append(other);
        }
    }

    /// How many leaves there are.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// Writes one leaf.
    pub(super) fn write(&self, leaf: usize, writer: &mut ColumnWriter<'_>) -> Result<()> {
        let is_list = matches!(self.kind, Type::Words | Type::Counts);
        let leaf = self.leaves.get(leaf).ok_or_else(|| mismatch("no such leaf"))?;
        let definition = Some(leaf.definition.as_slice());
        let repetition = is_list.then_some(leaf.repetition.as_slice());
        match (&leaf.values, writer) {
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(values, definition, repetition)
            }
            (Values::Integer(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, definition, repetition)
            }
            (Values::Real(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, definition, repetition)
            }
            (Values::Bytes(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, definition, repetition)
            }
            _ => return Err(mismatch("a type that the schema does not have")),
        }
        .map(drop)
    }
}

fn mismatch(what: &str) -> ParquetError {
    ParquetError::General(format!("a column does not fit its schema: {what}"))
}

impl Leaf {
    fn new(values: Values) -> Self {
        Self {
            values,
            definition: Vec::new(),
            repetition: Vec::new(),
        }
    }

    fn entry(&mut self, defined: bool, goes_on: bool) {
        self.definition.push(defined.into());
        self.repetition.push(goes_on.into());
    }

    fn append(&mut self, other: &mut Self) {
        self.definition.append(&mut other.definition);
        self.repetition.append(&mut other.repetition);
        match (&mut self.values, &mut other.values) {
            (Values::Boolean(values), Values::Boolean(other)) => values.append(other),
            (Values::Integer(values), Values::Integer(other)) => values.append(other),
            (Values::Real(values), Values::Real(other)) => values.append(other),
            (Values::Bytes(values), Values::Bytes(other)) => values.append(other),
            _ => {}
        }
    }
}

impl Values {
    /// Adds a value, if it is of this type; returns whether it was.
    fn scalar(&mut self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Boolean(values), Value::Boolean(value)) => values.push(*value),
            (Self::Integer(values), Value::Integer(value)) => values.push(*value),
            (Self::Integer(values), Value::Time(time)) => values.push(time.0),
            (Self::Real(values), Value::Real(value)) => values.push(*value),
            (Self::Bytes(values), Value::Text(text)) => values.push(text.as_bytes().to_vec().into()),
            _ => return false,
        }
        true
    }

    fn bytes(&mut self, text: &str) {
        if let Self::Bytes(values) = self {
            values.push(text.as_bytes().to_vec().into());
        }
    }

    fn integer(&mut self, value: i64) {
        if let Self::Integer(values) = self {
            values.push(value);
        }
    }
}
