//! Writes the SDK out: headers for elements, libbpf's headers, and an element to start from.

use crate::{
    embedded,
    error::{Error, Result},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The element to start from: file name, text.
const TEMPLATE: [(&str, &str); 2] = [
    ("element.bpf.c", include_str!("template/element.bpf.c")),
    ("element.toml", include_str!("template/element.toml")),
];

/// Name of the element to start from.
const TEMPLATE_NAME: &str = "large_packet";

/// Folders of a written SDK that a compiler must search.
pub(crate) fn include_folders(folder: &Path) -> [PathBuf; 1] {
    [folder.join("include")]
}

/// Writes the headers only.
pub(crate) fn write_headers(folder: &Path) -> Result<Vec<PathBuf>> {
    let include = folder.join("include");
    let ours = embedded::SDK
        .iter()
        .map(|(name, text)| (include.join("emptcp").join(name), *text));
    let libbpf = libbpf_sys::API_HEADERS
        .iter()
        .map(|(name, text)| (include.join("bpf").join(name), *text));
    write_all(ours.chain(libbpf))
}

/// Writes the SDK into `folder`: `include/` for the compiler and the template `large_packet/`. Returns the files.
/// Headers are replaced; a template that is there already is left alone.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = write_headers(folder)?;
    let template = folder.join(TEMPLATE_NAME);
    if !template.exists() {
        files.extend(write_all(
            TEMPLATE.iter().map(|(name, text)| (template.join(name), *text)),
        )?);
    }
    Ok(files)
}

fn write_all<'a>(files: impl Iterator<Item = (PathBuf, &'a str)>) -> Result<Vec<PathBuf>> {
    files
        .map(|(path, text)| {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            fs::write(&path, text).map_err(|error| Error::io(&path, error))?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_written_with_all_headers_and_does_not_overwrite_an_element() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        for wanted in [
            "include/emptcp/element.h",
            "include/bpf/bpf_helpers.h",
            "large_packet/element.toml",
        ] {
            assert!(files.contains(&folder.path().join(wanted)), "{wanted}");
        }
        let source = folder.path().join("large_packet/element.bpf.c");
        fs::write(&source, "mine").unwrap();
        write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(source).unwrap(), "mine");
    }
}
