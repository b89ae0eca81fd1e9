//! Reads and compiles a policy file.

use crate::{commands, failure::Unreadable};
use anyhow::Result;
use emptcp::{Catalog, plan::Plan};
use emptcp_plan::FILE_BYTES;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// A policy file that is right.
pub(crate) struct PolicyFile {
    /// Its text.
    pub(crate) text: String,
    /// What it means.
    pub(crate) plan: Plan,
    /// The elements that it was compiled against.
    pub(crate) catalog: Catalog,
}

/// Reads `file`; `-` is the standard input.
///
/// # Errors
/// `Unreadable`, `Diagnostics` when it is wrong, or an element that another version of emptcp has built.
pub(crate) fn read(file: &Path) -> Result<PolicyFile> {
    let standard_input = file == Path::new("-");
    let name = if standard_input {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let unreadable = |why: String| Unreadable {
        file: name.clone(),
        why,
    };
    let bytes = bytes(file, standard_input).map_err(|error| unreadable(refusal(file, &error)))?;
    let text = text(bytes).map_err(unreadable)?;
    let catalog = commands::catalog()?;
    let plan = emptcp::compile(&name, &text, &catalog.manifests())?;
    catalog.fits(&plan)?;
    Ok(PolicyFile { text, plan, catalog })
}

/// The whole input, but no more than a policy file may have. Pipes are welcome.
fn bytes(file: &Path, standard_input: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = FILE_BYTES as u64 + 1;
    if standard_input {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn refusal(file: &Path, error: &io::Error) -> String {
    if file.is_dir() {
        return "it is a folder; name a policy file in it".to_owned();
    }
    format!("{error}; name a policy file, or `-` for the standard input")
}

/// The bytes as text, or what they are instead.
fn text(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > FILE_BYTES {
        return Err(format!(
            "it has more than {FILE_BYTES} bytes, the most that a policy file may have"
        ));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is text in UTF-16; save it as UTF-8".to_owned());
    }
    let place = |at: usize| {
        let before = String::from_utf8_lossy(&bytes[..at]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        format!(
            "byte 0x{:02x} in line {}, column {}",
            bytes[at],
            before.matches('\n').count() + 1,
            line.chars().count() + 1
        )
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!("{}: it is no text; a policy file is TOML in UTF-8", place(at)));
    }
    match std::str::from_utf8(&bytes) {
        Err(error) => Err(format!(
            "{} is not UTF-8; save the file as UTF-8",
            place(error.valid_up_to())
        )),
        Ok(text) => Ok(text.to_owned()),
    }
}
