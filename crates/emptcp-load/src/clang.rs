//! Runs clang on one BPF source. Used by the build script for our own sources and at run time for custom elements.

use std::{
    fmt, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The two variants of every source.
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

    /// The name in file names: `tc` or `xdp`.
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
    /// clang refused the source; its messages.
    Refused(String),
    /// clang itself has failed; the source may be right.
    Failed {
        /// The file that it should have written.
        object: PathBuf,
        /// Its messages about the cause.
        words: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(error) if error.kind() == io::ErrorKind::NotFound => write!(
                f,
                "clang cannot be run ({error}); install it: `apt install clang` (14 or newer), or name it in CLANG"
            ),
            Self::Missing(error) => write!(f, "clang cannot be run ({error})"),
            Self::Failed { object, words } if words.contains(FULL) => write!(
                f,
                "there is no room for {} or for the files that clang needs to make it: the disk is full, or a quota is used \
                 up; make room and build again\nclang's own words:\n{words}",
                object.display()
            ),
            Self::Failed { object, words } => write!(
                f,
                "clang itself has failed and did not make {}; the source may be right: build again, or name another clang \
                 in CLANG\nclang's own words:\n{words}",
                object.display()
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
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failure(&words, output.status.signal().is_some(), object))
}

/// Messages for a full disk.
const FULL: &str = "No space left on device";
/// Messages of clang and LLVM about their own failures.
const CRASH: [&str; 3] = [
    "LLVM ERROR",
    "PLEASE submit a bug report",
    "clang frontend command failed",
];

/// Why there is no object, from the messages of clang. `killed`: a signal has ended it.
fn failure(words: &str, killed: bool, object: &Path) -> Failure {
    let says = |line: &str| line.contains("error: ") || line.contains(CRASH[0]) || line.contains(FULL);
    if !killed && !words.contains(FULL) && !CRASH.iter().any(|crash| words.contains(crash)) {
        return Failure::Refused(words.to_owned());
    }
    let why: Vec<_> = words.lines().filter(|line| says(line)).collect();
    Failure::Failed {
        object: object.to_owned(),
        words: if why.is_empty() {
            words.trim_end().to_owned()
        } else {
            why.join("\n")
        },
    }
}

/// Debian and its children keep `asm/` in a folder that `-target bpf` does not search.
fn multiarch_headers() -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH));
    folder.join("asm").is_dir().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_clang_itself_is_explained_in_our_words_first() {
        let object = Path::new("/elements/mine/tc.o");
        let full = "LLVM ERROR: IO failure on output stream: No space left on device\n\
                    PLEASE submit a bug report to https://github.com/llvm/llvm-project/issues/ and include the crash backtrace.\n\
                    Stack dump:\n0.\tProgram arguments: clang -O2\n#0 0x00007f llvm::sys::PrintStackTrace\n";
        let text = failure(full, false, object).to_string();
        assert!(text.starts_with("there is no room for /elements/mine/tc.o "), "{text}");
        assert!(
            text.ends_with("\nLLVM ERROR: IO failure on output stream: No space left on device"),
            "{text}"
        );

        let crash =
            "PLEASE submit a bug report to LLVM\nStack dump:\nclang: error: unable to execute command: Killed\n";
        for (words, killed) in [(crash, false), ("", true)] {
            let text = failure(words, killed, object).to_string();
            assert!(text.starts_with("clang itself has failed"), "{text}");
            assert!(!text.contains("PLEASE"), "{text}");
        }

        let refused = "element.bpf.c:3:1: error: unknown type name 'foo'\n";
        assert!(matches!(failure(refused, false, object), Failure::Refused(words) if words == refused));
    }

    #[test]
    fn only_a_clang_that_is_not_there_is_to_be_installed() {
        let text = |number| Failure::Missing(io::Error::from_raw_os_error(number)).to_string();
        assert!(text(libc::ENOENT).contains("apt install clang"));
        assert!(!text(libc::EMFILE).contains("install"), "{}", text(libc::EMFILE));
    }
}
