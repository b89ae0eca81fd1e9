//! The tables as files.

use super::column::{Column, Type, Value};
use super::columns;
use super::csv::Csv;
use super::destination::Destination;
use super::draft::{Draft, at};
use super::names::Names;
use super::parquet::Parquet;
use emptcp_trace::Event;
use emptcp_trace::record::{Connection, Mark, Stray, Subflow};
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

/// Where to write the tables `connections`, `subflows`, `events` and `strays`, as `.csv` and as `.parquet`.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// For comma-separated values.
    pub csv: Option<PathBuf>,
    /// For Parquet.
    pub parquet: Option<PathBuf>,
    /// How the columns are named.
    pub names: Names,
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

/// The four tables, as CSV, Parquet or both. Memory does not grow with their size. The files appear with
/// [`finish`](Self::finish); without it, no file is left.
pub struct Tables {
    connections: Table<Connection>,
    subflows: Table<Subflow>,
    events: Table<Mark>,
    strays: Table<Stray>,
    made: MadeFolders,
}

impl Tables {
    /// Begins the tables. Creates missing folders.
    ///
    /// # Errors
    /// When no file can be created there.
    pub fn create(folders: &Folders) -> io::Result<Self> {
        let mut made = MadeFolders(Vec::new());
        for folder in [&folders.csv, &folders.parquet].into_iter().flatten() {
            made.make(folder)?;
        }
        Self::begin(folders, made, |folder, name| {
            Draft::create(folder.join(name)).map(Destination::File)
        })
    }

    /// Tables in temporary files, to be appended to others. So traces can be analysed in parallel and their rows still
    /// be written in the order of the traces.
    ///
    /// # Errors
    /// None when the folders exist.
    pub fn temporary(folders: &Folders) -> io::Result<Self> {
        Self::begin(folders, MadeFolders(Vec::new()), |folder, _| {
            Ok(Destination::temporary(folder))
        })
    }

    fn begin(
        folders: &Folders,
        made: MadeFolders,
        mut destination: impl FnMut(&Path, &str) -> io::Result<Destination>,
    ) -> io::Result<Self> {
        Ok(Self {
            connections: Table::new("connections", columns::connections(), folders, &mut destination)?,
            subflows: Table::new("subflows", columns::subflows(), folders, &mut destination)?,
            events: Table::new("events", columns::events(), folders, &mut destination)?,
            strays: Table::new("strays", columns::strays(), folders, &mut destination)?,
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
            Event::Stray(stray) => self.strays.row(trace, stray),
            Event::Packet(_) | Event::Quiet(_) | Event::End(_) => Ok(()),
        }
    }

    /// Adds the rows of tables made by [`temporary`](Self::temporary) for the same folders.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn append(&mut self, other: Self) -> io::Result<()> {
        self.connections.append(other.connections)?;
        self.subflows.append(other.subflows)?;
        self.events.append(other.events)?;
        self.strays.append(other.strays)
    }

    /// Renames the files to their final paths.
    ///
    /// # Errors
    /// When one cannot be written completely. Then no file is replaced, unless the folder changed meanwhile.
    pub fn finish(self) -> io::Result<Vec<Written>> {
        let mut destinations = self.connections.finish()?;
        destinations.extend(self.subflows.finish()?);
        destinations.extend(self.events.finish()?);
        destinations.extend(self.strays.finish()?);
        let mut written = Vec::new();
        for (destination, rows) in destinations {
            if let Some(path) = destination.finish()? {
                written.push(Written { path, rows });
            }
        }
        self.made.keep();
        Ok(written)
    }
}

/// One table, in the requested formats.
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
        destination: &mut impl FnMut(&Path, &str) -> io::Result<Destination>,
    ) -> io::Result<Self> {
        let trace = iter::once(("trace", Type::Text));
        let names: Vec<_> = trace
            .chain(columns.iter().map(|c| (c.name.as_str(), c.kind)))
            .map(|(name, kind)| (folders.names.column(name), kind))
            .collect();
        let schema = || names.iter().map(|(name, kind)| (&**name, *kind));
        let csv = match &folders.csv {
            Some(folder) => Some(Csv::new(
                destination(folder, &format!("{name}.csv"))?,
                schema().map(|(name, _)| name),
            )?),
            None => None,
        };
        let parquet = match &folders.parquet {
            Some(folder) => Some(Parquet::new(
                destination(folder, &format!("{name}.parquet"))?,
                schema(),
            )?),
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

    fn finish(self) -> io::Result<Vec<(Destination, u64)>> {
        let mut destinations = Vec::new();
        if let Some(csv) = self.csv {
            destinations.push((csv.finish()?, self.rows));
        }
        if let Some(parquet) = self.parquet {
            destinations.push((parquet.finish()?, self.rows));
        }
        Ok(destinations)
    }
}

/// Folders that were created here. They are removed again when they stay empty.
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
