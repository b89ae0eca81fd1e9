//! The system's packages: what a build, a demo and the tests need, and how it is installed on Debian and Ubuntu.

use std::path::Path;

use anyhow::bail;

use crate::process::Invocation;
use crate::report;

/// The purpose of the packages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// To build, and to run the demo and the bench.
    Build,
    /// All of that, and to run the tests.
    Test,
    /// All of that, and to run them on other kernels.
    Kernels,
}

/// How to check that something is installed.
enum Probe {
    /// A program on the path, or where only root's path leads.
    Program(&'static str),
    /// A header of the C library's search path.
    Header(&'static str),
    /// A module of Python.
    Module(&'static str),
    /// Any other file, by its path.
    File(&'static str),
}

struct Need {
    package: &'static str,
    probe: Probe,
    purpose: Purpose,
    why: &'static str,
}

const fn need(package: &'static str, probe: Probe, purpose: Purpose, why: &'static str) -> Need {
    Need {
        package,
        probe,
        purpose,
        why,
    }
}

const NEEDS: &[Need] = &[
    need(
        "clang",
        Probe::Program("clang"),
        Purpose::Build,
        "compiles the BPF programs",
    ),
    need("gcc", Probe::Program("cc"), Purpose::Build, "compiles libbpf, links"),
    need("make", Probe::Program("make"), Purpose::Build, "builds libbpf"),
    need(
        "pkg-config",
        Probe::Program("pkg-config"),
        Purpose::Build,
        "finds the libraries under libbpf",
    ),
    need("libelf-dev", Probe::Header("libelf.h"), Purpose::Build, "under libbpf"),
    need("zlib1g-dev", Probe::Header("zlib.h"), Purpose::Build, "under libbpf"),
    need(
        "linux-libc-dev",
        Probe::Header("linux/bpf.h"),
        Purpose::Build,
        "the kernel's own headers",
    ),
    need(
        "iproute2",
        Probe::Program("ip"),
        Purpose::Build,
        "shows and sets what is on a device",
    ),
    need(
        "ethtool",
        Probe::Program("ethtool"),
        Purpose::Build,
        "turns offloads on and off",
    ),
    need(
        "clang-format",
        Probe::Program("clang-format"),
        Purpose::Test,
        "checks the layout of the C code",
    ),
    need(
        "g++",
        Probe::Program("c++"),
        Purpose::Test,
        "builds the engine of the fuzz targets",
    ),
    need(
        "tshark",
        Probe::Program("tshark"),
        Purpose::Test,
        "the reference for every packet that we change",
    ),
    need(
        "tcpdump",
        Probe::Program("tcpdump"),
        Purpose::Test,
        "captures what tshark reads",
    ),
    need(
        "tcptrace",
        Probe::Program("tcptrace"),
        Purpose::Test,
        "the reference for retransmissions and round-trip times",
    ),
    need(
        "python3-venv",
        Probe::Module("ensurepip"),
        Purpose::Test,
        "makes room for DuckDB, which reads our tables",
    ),
    need(
        "qemu-system-x86",
        Probe::Program("qemu-system-x86_64"),
        Purpose::Kernels,
        "the machines that boot other kernels",
    ),
    need(
        "busybox-static",
        Probe::Program("busybox"),
        Purpose::Kernels,
        "their first process",
    ),
    need("kmod", Probe::Program("depmod"), Purpose::Kernels, "their modules"),
    need(
        "debian-archive-keyring",
        Probe::File("/usr/share/keyrings/debian-archive-keyring.gpg"),
        Purpose::Kernels,
        "verifies that a kernel comes from Debian",
    ),
];

/// The oldest clang whose BPF back end compiles the programs.
const CLANG: u32 = 14;

/// Makes sure that everything for `purpose` is installed: installs it if possible (Debian or Ubuntu, root), otherwise
/// fails and names the command.
pub(crate) fn install(purpose: Purpose) -> anyhow::Result<()> {
    let missing = missing(purpose);
    if missing.is_empty() {
        report::note("every package is there");
        return clang_is_new_enough();
    }
    for need in &missing {
        report::note(&format!("missing: {} ({})", need.package, need.why));
    }
    let names: Vec<_> = missing.iter().map(|need| need.package).collect();
    if !has_apt() {
        bail!(
            "this is neither Debian nor Ubuntu, so nothing was installed. Install what these packages of Debian \
             hold, then run this again: {}",
            names.join(" ")
        );
    }
    if !crate::is_root() {
        bail!(
            "only root may install packages. Run this, then try again:\n  sudo apt-get install {}",
            names.join(" ")
        );
    }
    let install = apt(["install", "--yes", "--no-install-recommends"]).arguments(&names);
    let known = Invocation::new("apt-cache")
        .arguments(["show", "--no-all-versions"])
        .arguments(&names)
        .succeeds();
    if !known || install.run().is_err() {
        // The package lists are empty, as in a fresh container, or older than the archive.
        apt(["update"]).run()?;
        install.run()?;
    }
    let left: Vec<_> = self::missing(purpose).iter().map(|need| need.package).collect();
    if !left.is_empty() {
        bail!(
            "apt-get installed the packages, but what they should bring is still not found: {}",
            left.join(" ")
        );
    }
    clang_is_new_enough()
}

fn missing(purpose: Purpose) -> Vec<&'static Need> {
    NEEDS
        .iter()
        .filter(|need| need.purpose <= purpose && !need.probe.found())
        .collect()
}

impl Probe {
    fn found(&self) -> bool {
        match self {
            Self::Program(name) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(Into::into);
                std::env::split_paths(&path)
                    .chain(system)
                    .any(|folder| folder.join(name).is_file())
            }
            Self::Header(name) => ["/usr/include", "/usr/local/include"]
                .iter()
                .any(|folder| Path::new(folder).join(name).is_file()),
            Self::Module(name) => Invocation::new("python3")
                .arguments(["-c", &format!("import {name}")])
                .succeeds(),
            Self::File(path) => Path::new(path).is_file(),
        }
    }
}

fn has_apt() -> bool {
    Path::new("/etc/debian_version").exists() && Probe::Program("apt-get").found()
}

fn apt<const N: usize>(arguments: [&str; N]) -> Invocation {
    Invocation::new("apt-get")
        .arguments(["--quiet"])
        .arguments(arguments)
        .variable("DEBIAN_FRONTEND", "noninteractive")
}

fn clang_is_new_enough() -> anyhow::Result<()> {
    let version = Invocation::new("clang")
        .arguments(["--version"])
        .output()
        .unwrap_or_default();
    match major(&version, "clang version ") {
        Some(major) if major < CLANG => bail!(
            "clang {major} is too old for the BPF programs: {CLANG} or newer is needed. Install a newer one (Debian \
             12, Ubuntu 22.04 and later have it) and make sure that `clang` names it"
        ),
        _ => Ok(()),
    }
}

/// The major version in the output of a program of LLVM: the number after `words`.
pub(crate) fn major(version: &str, words: &str) -> Option<u32> {
    let number = version.split_once(words)?.1;
    number
        .split(|character: char| !character.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_clang_is_read_from_its_own_words() {
        let major = |version| major(version, "clang version ");
        assert_eq!(
            major("Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n"),
            Some(14)
        );
        assert_eq!(major("Ubuntu clang version 18.1.3 (1ubuntu1)"), Some(18));
        assert_eq!(major("clang: command not found"), None);
    }

    #[test]
    fn a_program_is_found_and_one_that_does_not_exist_is_not() {
        assert!(Probe::Program("sh").found());
        assert!(!Probe::Program("a program that does not exist").found());
    }

    #[test]
    fn the_tests_need_all_that_a_build_needs() {
        let of_build = NEEDS.iter().filter(|need| need.purpose <= Purpose::Build).count();
        let of_test = NEEDS.iter().filter(|need| need.purpose <= Purpose::Test).count();
        assert!(of_build < of_test && of_test < NEEDS.len());
    }
}
