//! Reads files of others: only regular files, up to a size limit, with any bytes.

use std::{
    fs::{self, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// The kind of a file that is not regular; `None` for a regular one.
fn other_kind(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Refuses a path that exists and is no regular file. A missing file is no error.
///
/// # Errors
/// When it is no regular file, or cannot be queried.
pub fn is_regular_or_missing(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) => refuse(there.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn refuse(kind: FileType) -> io::Result<()> {
    match other_kind(kind) {
        Some(kind) => Err(io::Error::other(format!(
            "it is {kind}; put a regular file in its place"
        ))),
        None => Ok(()),
    }
}

/// The content of a regular file of at most `limit` bytes. Never blocks, as on a FIFO.
///
/// # Errors
/// When it is no regular file, is longer, or cannot be read.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a device can have effects.
    refuse(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    refuse(file.metadata()?.file_type())?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The text of a file of the kernel; names in it may hold any bytes.
///
/// # Errors
/// When it cannot be read.
pub fn read_lossy(path: impl AsRef<Path>) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, kind) in [
            (fifo.as_path(), "a FIFO"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            assert!(read_regular(path, 9).unwrap_err().to_string().contains(kind));
            assert!(is_regular_or_missing(path).is_err());
        }
        let file = folder.path().join("file");
        fs::write(&file, [7; 9]).unwrap();
        assert_eq!(read_regular(&file, 9).unwrap(), [7; 9]);
        assert!(read_regular(&file, 8).unwrap_err().to_string().contains("more than 8"));
        assert!(is_regular_or_missing(&folder.path().join("none")).is_ok());
    }
}
