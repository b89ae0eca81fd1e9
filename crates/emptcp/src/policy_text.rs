//! The text of a policy file, from any input.

use emptcp_plan::FILE_BYTES;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// A policy file that cannot be read, or that is no text.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub struct Unreadable {
    /// As the caller named it.
    pub file: String,
    /// Why, and what to do.
    pub why: String,
    /// The kernel's answer, if it gave one.
    #[source]
    pub source: Option<io::Error>,
}

impl Unreadable {
    /// The error number of the kernel.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.source.as_ref()?.raw_os_error()
    }
}

/// The text of a file.
pub(crate) fn of_file(path: &Path) -> Result<String, Unreadable> {
    File::open(path)
        .and_then(bytes)
        .map_err(|error| Unreadable {
            file: path.display().to_string(),
            why: if path.is_dir() {
                "it is a folder; name a policy file in it".to_owned()
            } else {
                format!("{error}; name a policy file")
            },
            source: Some(error),
        })
        .and_then(|bytes| text(&path.display().to_string(), bytes))
}

/// The text of an input that the caller calls `name`.
pub(crate) fn of_input(name: &str, input: impl Read) -> Result<String, Unreadable> {
    let bytes = bytes(input).map_err(|error| Unreadable {
        file: name.to_owned(),
        why: error.to_string(),
        source: Some(error),
    })?;
    text(name, bytes)
}

/// The whole input, up to the maximum size of a policy file. Pipes are allowed.
fn bytes(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Unreadable> {
    text_of(bytes).map_err(|why| Unreadable {
        file: name.to_owned(),
        why,
        source: None,
    })
}

/// The bytes as text, or an error about what they are.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > FILE_BYTES {
        return Err(format!(
            "it has more than {FILE_BYTES} bytes, the most that a policy file may have"
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is text in UTF-16; save it as UTF-8".to_owned());
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let place = place(&bytes, at);
        return Err(format!("{place}: it is no text; a policy file is TOML in UTF-8"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let place = place(error.as_bytes(), at);
        format!("{place} is not UTF-8; save the file as UTF-8")
    })
}

fn place(bytes: &[u8], at: usize) -> String {
    let before = String::from_utf8_lossy(&bytes[..at]);
    let line = before.rsplit('\n').next().unwrap_or_default();
    format!(
        "byte 0x{:02x} in line {}, column {}",
        bytes[at],
        before.matches('\n').count() + 1,
        line.chars().count() + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let why = |bytes: &[u8]| of_input("input", bytes).unwrap_err().to_string();
        assert!(why(b"a\nb\xff").starts_with("input: byte 0xff in line 2, column 2 is not UTF-8"));
        assert!(why(b"a\0").starts_with("input: byte 0x00 in line 1, column 2: it is no text"));
        assert!(why(b"\xff\xfea").contains("UTF-16"));
        assert!(why(&vec![b' '; FILE_BYTES + 1]).contains("has more than"));
        assert_eq!(of_input("input", &b"# fine"[..]).unwrap(), "# fine");
    }
}
