//! Writes the SDK: headers for elements, libbpf's headers, and a template element.

use crate::error::{Error, Result};
use emptcp_host::work_folder::{WorkFolder, write_files};
use emptcp_load::embedded;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The template element: file name, text.
const TEMPLATE: [(&str, &str); 2] = [
    ("element.bpf.c", include_str!("template/element.bpf.c")),
    ("element.toml", include_str!("template/element.toml")),
];

/// Name of the template element.
const TEMPLATE_NAME: &str = "large_packet";

/// Folders of a written SDK that a compiler must search.
pub(crate) fn include_folders(folder: &Path) -> [PathBuf; 1] {
    [folder.join("include")]
}

/// Prefix of folders in which the SDK is prepared.
const PREPARED: &str = ".emptcp-sdk-";

/// The headers: path, text.
fn headers() -> impl Iterator<Item = (PathBuf, &'static [u8])> {
    let ours = embedded::SDK
        .iter()
        .map(|(name, text)| (Path::new("include/emptcp").join(name), *text));
    let libbpf = libbpf_sys::API_HEADERS
        .iter()
        .map(|(name, text)| (Path::new("include/bpf").join(name), *text));
    ours.chain(libbpf).map(|(path, text)| (path, text.as_bytes()))
}

/// Writes the headers only.
pub(crate) fn write_headers(folder: &Path) -> Result<()> {
    write_files(folder, folder, headers())?;
    Ok(())
}

/// Writes the SDK into `folder`: `include/` for the compiler and the template `large_packet/`. Returns the files.
/// Headers are replaced; an existing template is not changed.
///
/// # Errors
/// When a file cannot be written. A new folder is then removed again; in an existing one some headers may have been
/// replaced.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |path: &Path, error: io::Error| Error::io(path, error);
    let is_there = match fs::metadata(folder) {
        Ok(data) if !data.is_dir() => return Err(failed(folder, io::ErrorKind::NotADirectory.into())),
        found => found.is_ok(),
    };
    let template = TEMPLATE
        .iter()
        .map(|(name, text)| (Path::new(TEMPLATE_NAME).join(name), text.as_bytes()));
    if !is_there {
        let parent = folder
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        let prepared = WorkFolder::new(parent, PREPARED)?;
        let files = write_files(prepared.path(), folder, headers().chain(template))?;
        prepared.move_to(folder)?;
        return Ok(files.iter().map(|file| folder.join(file)).collect());
    }
    let prepared = WorkFolder::new(folder, PREPARED)?;
    let has_template = folder.join(TEMPLATE_NAME).exists();
    let files = write_files(
        prepared.path(),
        folder,
        headers().chain(template.filter(|_| !has_template)),
    )?;
    // All files are written: there was enough space on the disk.
    let move_in = |file: PathBuf| {
        let path = folder.join(&file);
        let above = path.parent().unwrap_or(folder);
        fs::create_dir_all(above).map_err(|error| failed(above, error))?;
        fs::rename(prepared.path().join(&file), &path).map_err(|error| failed(&path, error))?;
        Ok(path)
    };
    files.into_iter().map(move_in).collect()
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
