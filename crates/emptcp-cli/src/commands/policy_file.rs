//! Reads and compiles the policy file that the user named.

use crate::commands;
use emptcp::{Policies, Result};
use std::{io, path::Path, sync::Arc};

/// Reads `file`; `-` is the standard input.
///
/// # Errors
/// As [`Policies::open`].
pub(crate) fn read(file: &Path) -> Result<Policies> {
    let elements = Arc::new(commands::catalog()?);
    if file == Path::new("-") {
        return Policies::read_with("standard input", io::stdin().lock(), elements);
    }
    Policies::open_with(file, elements)
}
