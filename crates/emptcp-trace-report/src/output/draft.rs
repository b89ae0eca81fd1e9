//! Files that appear only when they are complete.

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file under construction. It is written to a temporary file in the same folder, which is renamed when it is
/// complete. If it is dropped before, the temporary file is deleted and an existing file stays as it was.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    /// When no file can be created in its folder.
    pub fn create(target: impl Into<PathBuf>) -> io::Result<Self> {
        let target = target.into();
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = Builder::new()
            .prefix(".emptcp-")
            .suffix(".part")
            // As for any new file: the user's umask applies.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| at(folder, &error))?;
        Ok(Self {
            file: BufWriter::new(file),
            target,
        })
    }

    /// Its final path.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Renames it to its final path.
    ///
    /// # Errors
    /// When it cannot be written completely, or the final path exists and is not a file.
    pub fn finish(self) -> io::Result<PathBuf> {
        let Self { file, target } = self;
        let file = file.into_inner().map_err(|error| at(&target, error.error()))?;
        file.persist(&target).map_err(|error| at(&target, &error.error))?;
        Ok(target)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| at(&self.target, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| at(&self.target, &error))
    }
}

/// Adds the path to an error.
pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_there_stays_until_the_new_file_is_complete() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let target = folder.path().join("a.csv");
        std::fs::write(&target, "old")?;
        let mut draft = Draft::create(&target)?;
        draft.write_all(b"new")?;
        draft.flush()?;
        assert_eq!(std::fs::read_to_string(&target)?, "old");
        drop(draft);
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);

        let mut draft = Draft::create(&target)?;
        draft.write_all(b"new")?;
        draft.finish()?;
        assert_eq!(std::fs::read_to_string(&target)?, "new");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
