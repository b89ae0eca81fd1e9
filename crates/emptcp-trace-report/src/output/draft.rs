//! Files that appear when they are complete, and not before.

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file under construction: it is written beside its place, and takes it when it is finished. One that is dropped
/// before leaves no file, and the file that was there before stays.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    /// When nothing can be written beside it.
    pub fn create(target: impl Into<PathBuf>) -> io::Result<Self> {
        let target = target.into();
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = Builder::new()
            .prefix(".emptcp-")
            .suffix(".part")
            // Like any new file: the user's mask takes away what it takes away.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| at(folder, &error))?;
        Ok(Self {
            file: BufWriter::new(file),
            target,
        })
    }

    /// Where it will be.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// When it cannot be written to its end, or something that is no file is there.
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

/// An error that says where.
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
