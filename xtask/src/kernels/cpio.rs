//! An initramfs as the kernel unpacks it: a cpio archive in the format `newc`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// Kinds of file, as in `st_mode`.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// An archive in the making. Every file is executable: it does no harm, and most of them are programs.
#[derive(Default)]
pub(super) struct Archive(BTreeMap<PathBuf, (u32, Vec<u8>)>);

impl Archive {
    /// Adds a file, and the folders that lead to it.
    pub(super) fn file(&mut self, path: &Path, content: Vec<u8>) {
        self.put(path, PROGRAM, content);
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(Path::new(path), LINK, target.as_bytes().to_vec());
    }

    /// Adds an empty folder.
    pub(super) fn folder(&mut self, path: &str) {
        self.put(Path::new(path), FOLDER, Vec::new());
    }

    /// Whether there is something of this name.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.contains_key(&relative(path))
    }

    fn put(&mut self, path: &Path, mode: u32, content: Vec<u8>) {
        let path = relative(path);
        for folder in path.ancestors().skip(1).filter(|folder| *folder != Path::new("")) {
            self.0.entry(folder.to_owned()).or_insert((FOLDER, Vec::new()));
        }
        self.0.insert(path, (mode, content));
    }

    /// Writes the archive. The order of the map puts folders before their content, as the kernel needs it.
    pub(super) fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        for (number, (path, (mode, content))) in self.0.iter().enumerate() {
            entry(to, number + 1, *mode, &path.to_string_lossy(), content)?;
        }
        entry(to, 0, 0, "TRAILER!!!", &[])
    }
}

fn relative(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

fn entry(to: &mut impl Write, number: usize, mode: u32, name: &str, content: &[u8]) -> std::io::Result<()> {
    // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, check sum (not used).
    let fields = [
        number,
        mode as usize,
        0,
        0,
        1,
        0,
        content.len(),
        0,
        0,
        0,
        0,
        name.len() + 1,
        0,
    ];
    let mut header = String::from("070701");
    for field in fields {
        header += &format!("{field:08x}");
    }
    header += name;
    header += "\0";
    to.write_all(header.as_bytes())?;
    pad(to, header.len())?;
    to.write_all(content)?;
    pad(to, content.len())
}

fn pad(to: &mut impl Write, length: usize) -> std::io::Result<()> {
    to.write_all(&[0; 3][..length.next_multiple_of(4) - length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.file(Path::new("/a/b/c"), b"12345".to_vec());
        archive.link("/a/d", "b");
        assert!(archive.has(Path::new("/a/b")) && !archive.has(Path::new("/x")));
        let mut bytes = Vec::new();
        archive.write(&mut bytes).expect("memory can be written");
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word:?} in {text:?}"));
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("a/b/c\0") && at("12345") < at("TRAILER!!!"));
        assert_eq!(text.matches("070701").count(), 5);
    }
}
