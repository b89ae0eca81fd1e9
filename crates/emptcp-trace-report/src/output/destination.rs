//! Where the rows of a table go: to its file, or to a temporary file that is appended later.

use super::draft::{Draft, at};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::{SpooledData, SpooledTempFile};

/// Temporary rows are kept in memory up to this size, then in an unnamed file.
const IN_MEMORY: usize = 1 << 20;

/// Where rows go.
#[derive(Debug)]
pub(super) enum Destination {
    /// The file of the table.
    File(Draft),
    /// A temporary file.
    Temporary(SpooledTempFile),
}

impl Destination {
    /// Temporary; in this folder when it becomes large.
    pub(super) fn temporary(folder: &Path) -> Self {
        Self::Temporary(tempfile::spooled_tempfile_in(IN_MEMORY, folder))
    }

    /// The temporary rows, from the beginning.
    pub(super) fn read_back(self) -> io::Result<SpooledTempFile> {
        match self {
            Self::Temporary(mut rows) => {
                rows.seek(SeekFrom::Start(0))?;
                Ok(rows)
            }
            Self::File(draft) => Err(not_temporary(draft.target())),
        }
    }

    /// The temporary rows as a file.
    pub(super) fn into_file(self) -> io::Result<File> {
        let mut rows = self.read_back()?;
        rows.roll()?;
        match rows.into_inner() {
            SpooledData::OnDisk(file) => Ok(file),
            SpooledData::InMemory(_) => Err(io::Error::other("temporary rows were not written to disk")),
        }
    }

    /// Renames the file to its final path.
    pub(super) fn finish(self) -> io::Result<Option<PathBuf>> {
        match self {
            Self::File(draft) => draft.finish().map(Some),
            Self::Temporary(_) => Ok(None),
        }
    }
}

fn not_temporary(path: &Path) -> io::Error {
    at(path, &io::Error::other("only temporary rows can be appended"))
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(draft) => draft.write(bytes),
            Self::Temporary(rows) => rows.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(draft) => draft.flush(),
            Self::Temporary(rows) => rows.flush(),
        }
    }
}
