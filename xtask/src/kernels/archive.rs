//! Debian's kernels: found and fetched by apt with separate lists, unpacked, never installed. The machine's
//! configuration of apt names the archive, and is not changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::process::Invocation;
use crate::report;

/// A kernel to fetch: the beginning of its version, and the suite of Debian that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) version: &'static str,
    pub(super) suite: &'static str,
    /// What it does not have: tests may be skipped when their reason names one of these.
    pub(super) lacks: &'static [&'static str],
}

/// A kernel that was unpacked.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// What `uname -r` will say.
    pub(super) release: String,
    /// The file to boot.
    pub(super) image: PathBuf,
    /// The folder that stands for `/`, with `lib/modules` or `usr/lib/modules` in it.
    pub(super) root: PathBuf,
}

/// The flavour for virtual machines: the same code with fewer drivers, so less to fetch.
const FLAVOUR: &str = "-cloud-amd64";

/// Fetches the newest kernel of this version and unpacks it below `folder`, unless that has been done already.
pub(super) fn unpacked(kernel: Kernel, folder: &Path) -> anyhow::Result<Unpacked> {
    let home = folder.join(kernel.version);
    let root = home.join("root");
    if let Some(found) = find(&root) {
        report::note(&format!(
            "{} is there; remove {} to fetch it again",
            found.release,
            home.display()
        ));
        return Ok(found);
    }
    let apt = Apt::new(kernel.suite, &home.join("apt"))?;
    let names = apt.names("linux-")?;
    let Some(release) = newest(&names, kernel.version) else {
        bail!(
            "{} of Debian has no kernel {} any more: `cargo xtask kernels --list` shows where each is looked for, in \
             xtask/src/kernels.rs",
            kernel.suite,
            kernel.version
        );
    };
    let packages = packages(&names, &release);
    report::note(&format!("fetching {}", packages.join(" and ")));
    apt.get("download").arguments(&packages).folder(&home).run()?;
    fs::create_dir_all(&root)?;
    for package in debs(&home)? {
        Invocation::new("dpkg-deb")
            .arguments(["-x"])
            .arguments([&package, &root])
            .run()?;
        fs::remove_file(package)?;
    }
    find(&root).with_context(|| format!("{} hold no kernel image with modules", packages.join(" and ")))
}

fn find(root: &Path) -> Option<Unpacked> {
    let boot = fs::read_dir(root.join("boot")).ok()?.flatten();
    let image = boot
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("/vmlinuz-"))?;
    let release = image
        .file_name()?
        .to_string_lossy()
        .strip_prefix("vmlinuz-")?
        .to_owned();
    modules(root, &release)?;
    Some(Unpacked {
        release,
        image,
        root: root.to_owned(),
    })
}

/// The folder of a kernel's modules below `root`.
pub(super) fn modules(root: &Path, release: &str) -> Option<PathBuf> {
    ["lib/modules", "usr/lib/modules"]
        .map(|folder| root.join(folder).join(release))
        .into_iter()
        .find(|folder| folder.join("kernel").is_dir())
}

/// The newest release of a version for which there is a package.
fn newest(names: &[String], version: &str) -> Option<String> {
    let numbers = |release: &str| -> Vec<u64> {
        release
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    names
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with(FLAVOUR))
        .filter(|release| release.strip_prefix(version).is_some_and(|rest| rest.starts_with('.')))
        .max_by_key(|release| numbers(release))
        .map(str::to_owned)
}

/// The packages that hold a release: one, or since 6.19 image and modules apart.
fn packages(names: &[String], release: &str) -> Vec<String> {
    let [binary, modules, image] = ["binary", "modules", "image"].map(|part| format!("linux-{part}-{release}"));
    let there = |name: &String| names.contains(name);
    let first = if there(&binary) { binary } else { image };
    std::iter::once(first).chain(Some(modules).filter(there)).collect()
}

fn debs(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.iter().map(fs::DirEntry::path);
    Ok(paths
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect())
}

/// Apt for one suite, with sources, lists and a cache of its own.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(suite: &str, folder: &Path) -> anyhow::Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let sources = folder.join("sources.list");
        fs::write(
            &sources,
            format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {suite} main\n",
                site()?
            ),
        )?;
        let apt = Self {
            options: [
                format!("Dir::Etc::sourcelist={}", sources.display()),
                "Dir::Etc::sourceparts=/dev/null".to_owned(),
                format!("Dir::State::lists={}", folder.join("lists").display()),
                format!("Dir::Cache={}", folder.join("cache").display()),
                "Acquire::Languages=none".to_owned(),
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
                // What is in the build folder need not be readable for apt's own user.
                "APT::Sandbox::User=root".to_owned(),
            ]
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect(),
        };
        apt.get("update").run()?;
        Ok(apt)
    }

    fn get(&self, command: &str) -> Invocation {
        Invocation::new("apt-get")
            .arguments(["--quiet"])
            .arguments(&self.options)
            .arguments([command])
    }

    /// The names of all packages that begin like this.
    fn names(&self, begin: &str) -> anyhow::Result<Vec<String>> {
        let text = Invocation::new("apt-cache")
            .arguments(&self.options)
            .arguments(["pkgnames", begin])
            .output()
            .context("`apt-cache pkgnames` failed, although `apt-get update` did not: run it by hand to see why")?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// Where this machine gets Debian from.
fn site() -> anyhow::Result<String> {
    let ask = || {
        let text = Invocation::new("apt-get")
            .arguments(["indextargets", "--format", "$(LABEL) $(SITE)"])
            .output()?;
        text.lines()
            .find_map(|line| line.strip_prefix("Debian "))
            .map(str::to_owned)
    };
    if let Some(site) = ask() {
        return Ok(site);
    }
    // Without lists apt does not know the origin of the archive.
    Invocation::new("apt-get").arguments(["--quiet", "update"]).run()?;
    ask().context(
        "apt of this machine has no source of Debian itself, from which kernels could come: run this on Debian",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_of_a_version_is_chosen_and_its_packages_are_known() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.1.0-51-amd64",
            "linux-image-6.12.94+deb13-cloud-amd64",
            "linux-image-7.2.6+deb13-cloud-amd64",
            "linux-image-7.2.12+deb13-cloud-amd64",
            "linux-image-7.2.13+deb13-cloud-amd64-dbg",
            "linux-binary-7.2.12+deb13-cloud-amd64",
            "linux-modules-7.2.12+deb13-cloud-amd64",
        ]
        .map(str::to_owned);
        let release = |version| newest(&names, version);
        assert_eq!(release("6.1").as_deref(), Some("6.1.0-50-cloud-amd64"));
        assert_eq!(release("7.2").as_deref(), Some("7.2.12+deb13-cloud-amd64"));
        assert_eq!(release("7.3"), None);
        assert_eq!(
            packages(&names, "6.1.0-50-cloud-amd64"),
            ["linux-image-6.1.0-50-cloud-amd64"]
        );
        assert_eq!(
            packages(&names, "7.2.12+deb13-cloud-amd64"),
            [
                "linux-binary-7.2.12+deb13-cloud-amd64",
                "linux-modules-7.2.12+deb13-cloud-amd64"
            ]
        );
    }
}
