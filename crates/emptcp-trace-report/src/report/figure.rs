//! The parts of a figure of the report.

use crate::chart::Chart;
use crate::output::units;
use std::io::{self, Write};

/// A figure or table of the report.
pub struct Figure {
    /// Short name: `F3.4`.
    pub id: &'static str,
    /// The name of its CSV file without the ending.
    pub name: &'static str,
    /// The heading.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub says: &'static str,
    /// The population: which connections, subflows or packets it covers.
    pub population: String,
    /// The size of the population.
    pub n: u64,
    /// The most important numbers: label and value.
    pub facts: Vec<(&'static str, String)>,
    /// Pictures; none when there is no data.
    pub panels: Vec<Panel>,
    /// Numbers.
    pub tables: Vec<Table>,
    /// Notes that readers need.
    pub notes: Vec<String>,
    /// The underlying values.
    pub rows: Box<dyn Rows>,
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Figure")
            .field("id", &self.id)
            .field("n", &self.n)
            .field("tables", &self.tables)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

/// A picture; several are shown next to each other where there is room.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The caption below; may be empty.
    pub caption: String,
    /// The picture.
    pub chart: Chart,
}

/// A small table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The caption above; may be empty.
    pub caption: String,
    /// Headings of the columns; that of the first may be empty.
    pub head: Vec<String>,
    /// Rows; the first cell names the row.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, with its unit if it has one.
    Number(String),
    /// A point in time: date, then time.
    Time(String),
    /// A share of a whole, 0 to 1, or more; shown with a bar.
    Share(f64),
    /// Empty.
    None,
}

impl Cell {
    /// `part` of `whole`; empty when `whole` is 0.
    pub(super) fn share(part: u64, whole: u64) -> Self {
        if whole == 0 {
            Self::None
        } else {
            Self::Share(part as f64 / whole as f64)
        }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self::Number(units::number(count))
    }

    /// An amount of bytes.
    pub(super) fn bytes(bytes: u64) -> Self {
        Self::Number(units::bytes(bytes))
    }

    /// Words.
    pub(super) fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }
}

/// The underlying values of a figure, as rows of text.
pub trait Rows {
    /// Names of the columns.
    fn head(&self) -> Vec<&'static str>;

    /// How many rows there are.
    fn count(&self) -> u64;

    /// Passes each row to `give`, in order, until it returns an error.
    ///
    /// # Errors
    /// Those of `give`, and of the storage of the rows.
    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()>;
}

impl Figure {
    /// The values of the figure as CSV: the first of each `every` rows, and the last one.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn write_csv(&self, sink: impl Write, every: u64) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(sink);
        csv.write_record(self.rows.head())?;
        let last = self.rows.count().saturating_sub(1);
        let mut number = 0;
        self.rows.each(&mut |row| {
            if number % every.max(1) == 0 || number == last {
                csv.write_record(row)?;
            }
            number += 1;
            Ok(())
        })?;
        csv.flush()
    }
}

/// Rows in memory.
pub(super) struct Ready {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Rows for Ready {
    fn head(&self) -> Vec<&'static str> {
        self.head.clone()
    }

    fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| give(row.clone()))
    }
}
