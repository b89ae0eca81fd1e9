//! The tables as files.

use super::column::{Column, Type, Value};
use super::columns;
use super::csv::Csv;
use super::draft::{Draft, at};
use super::parquet::Parquet;
use super::place::Place;
use emptcp_trace::Event;
use emptcp_trace::record::{Connection, Mark, Subflow};
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

/// Which tables are wanted, and where: `connections`, `subflows` and `events` with the ending `.csv` or `.parquet`.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// For comma-separated values.
    pub csv: Option<PathBuf>,
    /// For Parquet.
    pub parquet: Option<PathBuf>,
}

impl Folders {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.csv.is_none() && self.parquet.is_none()
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
}

/// The three tables, as CSV, Parquet or both. Memory does not grow with them. No file appears in the folders before
/// [`finish`](Self::finish); dropped before, they leave no file.
pub struct Tables {
    connections: Table<Connection>,
    subflows: Table<Subflow>,
    events: Table<Mark>,
    made: MadeFolders,
}

impl Tables {
    /// Begins the tables, and makes the folders where they are missing.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(folders: &Folders) -> io::Result<Self> {
        let mut made = MadeFolders(Vec::new());
        for folder in [&folders.csv, &folders.parquet].into_iter().flatten() {
            made.make(folder)?;
        }
        Self::begin(folders, made, |folder, name| {
            Draft::create(folder.join(name)).map(Place::File)
        })
    }

    /// Tables in temporary files, to be added to others when their turn comes: traces can be analysed side by side and
    /// the tables are still in the order of the traces.
    ///
    /// # Errors
    /// None when the folders are there.
    pub fn aside(folders: &Folders) -> io::Result<Self> {
        Self::begin(folders, MadeFolders(Vec::new()), |folder, _| Ok(Place::aside(folder)))
    }

    fn begin(
        folders: &Folders,
        made: MadeFolders,
        mut place: impl FnMut(&Path, &str) -> io::Result<Place>,
    ) -> io::Result<Self> {
        Ok(Self {
            connections: Table::new("connections", columns::connections(), folders, &mut place)?,
            subflows: Table::new("subflows", columns::subflows(), folders, &mut place)?,
            events: Table::new("events", columns::events(), folders, &mut place)?,
            made,
        })
    }

    /// Adds an event: a connection with its subflows, or a mark. `trace` is the name of the source.
    ///
    /// # Errors
    /// When it cannot be written, with the file.
    pub fn write(&mut self, trace: &str, event: &Event) -> io::Result<()> {
        match event {
            Event::Connection(connection) => {
                self.connections.row(trace, connection)?;
                for subflow in &connection.subflows {
                    self.subflows.row(trace, subflow)?;
                }
                Ok(())
            }
            Event::Mark(mark) => self.events.row(trace, mark),
            Event::Packet(_) | Event::Quiet(_) | Event::End(_) => Ok(()),
        }
    }

    /// Adds the rows of tables made by [`aside`](Self::aside) for the same folders.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn append(&mut self, other: Self) -> io::Result<()> {
        self.connections.append(other.connections)?;
        self.subflows.append(other.subflows)?;
        self.events.append(other.events)
    }

    /// Puts the files in their places.
    ///
    /// # Errors
    /// When one cannot be written to its end. Then none is replaced, unless the folder changed meanwhile.
    pub fn finish(self) -> io::Result<Vec<Written>> {
        let mut places = self.connections.finish()?;
        places.extend(self.subflows.finish()?);
        places.extend(self.events.finish()?);
        let mut written = Vec::new();
        for (place, rows) in places {
            if let Some(path) = place.finish()? {
                written.push(Written { path, rows });
            }
        }
        self.made.keep();
        Ok(written)
    }
}

/// One table, in the forms that are wanted.
struct Table<R> {
    columns: Vec<Column<R>>,
    csv: Option<Csv>,
    parquet: Option<Parquet>,
    rows: u64,
}

impl<R> Table<R> {
    fn new(
        name: &str,
        columns: Vec<Column<R>>,
        folders: &Folders,
        place: &mut impl FnMut(&Path, &str) -> io::Result<Place>,
    ) -> io::Result<Self> {
        let schema = || iter::once(("trace", Type::Text)).chain(columns.iter().map(|c| (c.name.as_str(), c.kind)));
        let csv = match &folders.csv {
            Some(folder) => Some(Csv::new(
                place(folder, &format!("{name}.csv"))?,
                schema().map(|(name, _)| name),
            )?),
            None => None,
        };
        let parquet = match &folders.parquet {
            Some(folder) => Some(Parquet::new(place(folder, &format!("{name}.parquet"))?, schema())?),
            None => None,
        };
        Ok(Self {
            columns,
            csv,
            parquet,
            rows: 0,
        })
    }

    fn row(&mut self, trace: &str, record: &R) -> io::Result<()> {
        let values = || iter::once(Value::from(trace)).chain(self.columns.iter().map(|c| c.value(record)));
        self.rows += 1;
        if let Some(csv) = &mut self.csv {
            csv.row(values())?;
        }
        if let Some(parquet) = &mut self.parquet {
            parquet.row(values())?;
        }
        Ok(())
    }

    fn append(&mut self, other: Self) -> io::Result<()> {
        self.rows += other.rows;
        if let (Some(csv), Some(other)) = (&mut self.csv, other.csv) {
            csv.append(other)?;
        }
        if let (Some(parquet), Some(other)) = (&mut self.parquet, other.parquet) {
            parquet.append(other)?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Vec<(Place, u64)>> {
        let mut places = Vec::new();
        if let Some(csv) = self.csv {
            places.push((csv.finish()?, self.rows));
        }
        if let Some(parquet) = self.parquet {
            places.push((parquet.finish()?, self.rows));
        }
        Ok(places)
    }
}

/// Folders that were made here, and go again when nothing comes into them.
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    fn make(&mut self, folder: &Path) -> io::Result<()> {
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // One that is not empty stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests;
