//! Runs clang on one BPF source. Used by the build script for our own sources and at run time for an operator's.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The two ways in which every source is compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variant {
    /// For tc and tcx.
    Tc,
    /// For XDP.
    Xdp,
}

impl Variant {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tc, Self::Xdp];

    /// As in file names: `tc` or `xdp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Xdp => "xdp",
        }
    }
}

/// Why there is no object.
#[derive(Debug)]
pub enum Failure {
    /// clang could not be started.
    Missing(io::Error),
    /// clang refused the source; its own words.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(error) => write!(
                f,
                "clang cannot be run ({error}); install it: `apt install clang` (14 or newer), or name it in CLANG"
            ),
            Self::Refused(words) => {
                write!(f, "{}", words.trim_end())?;
                if words.contains("file not found") && words.contains("linux/") || words.contains("asm/types.h") {
                    write!(
                        f,
                        "\nthe kernel's own headers are missing: `apt install linux-libc-dev`"
                    )?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Failure {}

/// Compiles `source` for `variant` into `object`; `include` are the folders of the SDK and of libbpf's headers.
///
/// # Errors
/// When clang is missing or refuses the source.
pub fn compile(source: &Path, object: &Path, variant: Variant, include: &[PathBuf]) -> Result<(), Failure> {
    let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let mut command = Command::new(clang);
    command.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"]);
    command.arg(format!("-DEMPTCP_HOOK_{}", variant.name().to_uppercase()));
    for folder in include
        .iter()
        .map(PathBuf::as_path)
        .chain(multiarch_headers().as_deref())
    {
        command.arg("-I").arg(folder);
    }
    command.arg("-c").arg(source).arg("-o").arg(object);
    let output = command.output().map_err(Failure::Missing)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Refused(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Debian and its children keep `asm/` in a folder that `-target bpf` does not search.
fn multiarch_headers() -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH));
    folder.join("asm").is_dir().then_some(folder)
}
