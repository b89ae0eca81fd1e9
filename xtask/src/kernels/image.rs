//! The initramfs: a root file system with our tests, the programs that they start, and the kernel's modules for them.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::archive::{self, Unpacked};
use super::cpio::Archive;
use crate::process::Invocation;

/// Modules that our tests use, where the kernel has them not built in. What they depend on comes with them; the kernel
/// asks for most of them by itself.
const MODULES: &[&str] = &[
    "veth",
    "tun",
    "sch_fq",
    "sch_fq_codel",
    "sch_htb",
    "sch_tbf",
    "sch_ingress",
    "cls_bpf",
    "cls_u32",
    "act_bpf",
    "act_gact",
    "inet_diag",
    "tcp_diag",
    "mptcp_diag",
];

/// Programs of this machine that the tests, or the first process, start.
const PROGRAMS: &[&str] = &[
    "busybox", "modprobe", "ip", "tc", "ethtool", "setpriv", "sh", "cat", "sleep", "true",
];

/// One thing to run in the machine.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// Seconds that it may take.
    pub(super) limit: u64,
}

/// What the first process prints before and after each job, and at the end.
pub(super) const BEGIN: &str = "== begin ";
pub(super) const END: &str = "== end ";
pub(super) const DONE: &str = "== done";

/// The part of the archive that is the same for all kernels.
pub(super) struct Image {
    archive: Archive,
    work: PathBuf,
    stripped: PathBuf,
}

impl Image {
    /// Programs of the machine, the jobs' own and what else they read: `extra` files and folders, at the same paths.
    pub(super) fn new(work: &Path, jobs: &[Job], extra: &[PathBuf]) -> anyhow::Result<Self> {
        let mut image = Self {
            archive: Archive::default(),
            work: work.to_owned(),
            stripped: work.join("stripped"),
        };
        fs::create_dir_all(&image.stripped)?;
        for folder in ["proc", "sys", "dev", "tmp", "run", "etc", "var"] {
            image.archive.folder(folder);
        }
        // As on the machine that the programs come from.
        for link in ["bin", "sbin", "lib", "lib64"] {
            image.archive.link(link, &format!("usr/{link}"));
        }
        for program in PROGRAMS {
            image.program(&which(program)?, false)?;
        }
        for job in jobs {
            image.program(&job.program, true)?;
            image.archive.folder(&job.folder.to_string_lossy());
        }
        for path in extra {
            image.tree(path)?;
        }
        image.archive.file(Path::new("init"), init(jobs).into_bytes());
        Ok(image)
    }

    /// Writes the archive for one kernel to `path`.
    pub(super) fn write(&mut self, kernel: &Unpacked, path: &Path) -> anyhow::Result<()> {
        let staged = self.stage(kernel)?;
        let root = Path::new("usr/lib/modules").join(&kernel.release);
        for file in files(&staged)? {
            let name = root.join(file.strip_prefix(&staged)?);
            self.archive.file(&name, fs::read(&file)?);
        }
        let mut file = BufWriter::new(fs::File::create(path)?);
        self.archive.write(&mut file)?;
        Ok(())
    }

    /// The modules for the tests in a folder of their own, with an index for modprobe that names no others.
    fn stage(&self, kernel: &Unpacked) -> anyhow::Result<PathBuf> {
        let Unpacked { release, root, .. } = kernel;
        let all = archive::modules(root, release).context("the kernel's modules are gone")?;
        // depmod knows only lib/modules.
        let depmod = |root: &Path| {
            Invocation::new(which("depmod")?)
                .arguments(["--basedir"])
                .arguments([root])
                .arguments([release])
                .run()
        };
        let link = root.join("lib");
        if !link.exists() {
            std::os::unix::fs::symlink("usr/lib", link)?;
        }
        depmod(root)?;
        let index = fs::read_to_string(all.join("modules.dep"))?;
        let staging = self.work.join("modules");
        let _ = fs::remove_dir_all(&staging);
        let staged = staging.join("lib/modules").join(release);
        for module in with_dependencies(&index, MODULES) {
            let to = staged.join(&module);
            fs::create_dir_all(to.parent().context("a module lies in a folder")?)?;
            fs::copy(all.join(&module), to)?;
        }
        fs::create_dir_all(&staged)?;
        for list in ["modules.builtin", "modules.order", "modules.builtin.modinfo"] {
            if all.join(list).is_file() {
                fs::copy(all.join(list), staged.join(list))?;
            }
        }
        depmod(&staging)?;
        Ok(staged)
    }

    /// A program and the libraries that it needs. Ours are taken without what is only for debuggers: 10 times smaller.
    fn program(&mut self, path: &Path, strip: bool) -> anyhow::Result<()> {
        if self.archive.has(path) {
            return Ok(());
        }
        let content = if strip {
            let stripped = self.stripped.join(path.file_name().context("a program has a name")?);
            Invocation::new("strip")
                .arguments(["--strip-debug", "-o"])
                .arguments([&stripped, path])
                .run()?;
            fs::read(stripped)?
        } else {
            fs::read(path).with_context(|| format!("reading {}", path.display()))?
        };
        self.archive.file(&place(path)?, content);
        // A program without libraries makes ldd fail.
        let libraries = Invocation::new("ldd").arguments([path]).output().unwrap_or_default();
        for library in libraries_in(&libraries) {
            let place = place(&library)?;
            if !self.archive.has(&place) {
                self.archive.file(&place, fs::read(&library)?);
            }
        }
        Ok(())
    }

    fn tree(&mut self, path: &Path) -> anyhow::Result<()> {
        for file in files(path)? {
            self.archive.file(&file, fs::read(&file)?);
        }
        Ok(())
    }
}

/// The path of a file without links among its folders, but with its own name: libraries are looked for by it.
fn place(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = path.parent().context("a file lies in a folder")?.canonicalize()?;
    Ok(folder.join(path.file_name().context("a file has a name")?))
}

/// All files below a folder, or the file itself.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        found.extend(files(&entry?.path())?);
    }
    Ok(found)
}

/// Where a program lies that root may start.
fn which(program: &str) -> anyhow::Result<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    match folders
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
    {
        Some(path) => Ok(path),
        None => bail!(
            "there is no program `{program}` in {}: install the package that has it",
            folders.join(", ")
        ),
    }
}

/// The paths in what ldd prints: `libc.so.6 => /lib/libc.so.6 (0x...)`, and the loader without an arrow.
fn libraries_in(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.rsplit_once(" (0x"))
        .filter_map(|(words, _)| words.split_whitespace().last())
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// The files of these modules and of all that they depend on, from `modules.dep`: `a/b.ko: a/c.ko a/d.ko`.
fn with_dependencies(index: &str, wanted: &[&str]) -> BTreeSet<String> {
    let is_wanted = |file: &str| {
        let name = file
            .rsplit('/')
            .next()
            .and_then(|name| name.split('.').next())
            .unwrap_or(file);
        wanted
            .iter()
            .any(|module| module.replace('-', "_") == name.replace('-', "_"))
    };
    index
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(module, _)| is_wanted(module))
        .flat_map(|(module, needs)| std::iter::once(module).chain(needs.split_whitespace()))
        .map(str::to_owned)
        .collect()
}

/// The first process: prepares the machine, runs the jobs and switches off.
fn init(jobs: &[Job]) -> String {
    let mut script = format!(
        "#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp RUST_BACKTRACE=0
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs run /run
busybox mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
for module in {}; do /usr/sbin/modprobe -q $module; done
job() {{
    name=$1; limit=$2; folder=$3; shift 3
    cd $folder
    # Lines of their own: firmware and programs that were killed leave lines without an end.
    printf '\\n%s\\n' \"{BEGIN}$name\"
    # A pipe: nothing that is written for a terminal.
    {{ CARGO_MANIFEST_DIR=$folder busybox timeout -s KILL $limit \"$@\" 2>&1; echo $? >/tmp/status; }} </dev/null | cat
    printf '\\n%s\\n' \"{END}$name $(cat /tmp/status)\"
}}
",
        MODULES.join(" ")
    );
    for job in jobs {
        let words: Vec<_> = job.arguments.iter().map(|word| format!("'{word}'")).collect();
        script += &format!(
            "job '{}' {} '{}' '{}' {}\n",
            job.name,
            job.limit,
            job.folder.display(),
            job.program.display(),
            words.join(" ")
        );
    }
    script + &format!("printf '\\n%s\\n' '{DONE}'\nbusybox poweroff -f\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_with_and_without_an_arrow() {
        let text = "\tlinux-vdso.so.1 (0x7ffe)\n\tlibelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x7f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f2)\n";
        let expected = ["/lib/x86_64-linux-gnu/libelf.so.1", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries_in(text), expected.map(PathBuf::from));
        assert!(libraries_in("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn a_module_comes_with_what_it_depends_on() {
        let index = "kernel/a/veth.ko.xz:\nkernel/b/tcp_diag.ko: kernel/b/inet_diag.ko\nkernel/b/inet_diag.ko:\n\
                     kernel/c/other.ko: kernel/a/veth.ko.xz\n";
        let found = with_dependencies(index, &["tcp-diag", "veth"]);
        let expected = ["kernel/a/veth.ko.xz", "kernel/b/inet_diag.ko", "kernel/b/tcp_diag.ko"];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }
}
