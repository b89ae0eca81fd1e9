//! Where the rows of a table go: to its file, or aside until their turn comes.

use super::draft::{Draft, at};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::{SpooledData, SpooledTempFile};

/// Rows laid aside are kept in memory up to this size, then in a file without a name.
const IN_MEMORY: usize = 1 << 20;

/// Where rows go.
#[derive(Debug)]
pub(super) enum Place {
    /// The file of the table.
    File(Draft),
    /// Aside.
    Aside(SpooledTempFile),
}

impl Place {
    /// Aside, on the disk of this folder when it becomes much.
    pub(super) fn aside(folder: &Path) -> Self {
        Self::Aside(tempfile::spooled_tempfile_in(IN_MEMORY, folder))
    }

    /// What was laid aside, from its beginning.
    pub(super) fn read_back(self) -> io::Result<SpooledTempFile> {
        match self {
            Self::Aside(mut rows) => {
                rows.seek(SeekFrom::Start(0))?;
                Ok(rows)
            }
            Self::File(draft) => Err(not_aside(draft.target())),
        }
    }

    /// What was laid aside, as a file.
    pub(super) fn into_file(self) -> io::Result<File> {
        let mut rows = self.read_back()?;
        rows.roll()?;
        match rows.into_inner() {
            SpooledData::OnDisk(file) => Ok(file),
            SpooledData::InMemory(_) => Err(io::Error::other("rows laid aside did not go to the disk")),
        }
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> io::Result<Option<PathBuf>> {
        match self {
            Self::File(draft) => draft.finish().map(Some),
            Self::Aside(_) => Ok(None),
        }
    }
}

fn not_aside(path: &Path) -> io::Error {
    at(path, &io::Error::other("only rows that were laid aside can be added"))
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(draft) => draft.write(bytes),
            Self::Aside(rows) => rows.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(draft) => draft.flush(),
            Self::Aside(rows) => rows.flush(),
        }
    }
}
