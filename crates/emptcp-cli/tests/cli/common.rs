//! Running the built command, as root and as nobody, and network namespaces to run it in.

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The built command.
pub(crate) const EMPTCP: &str = env!("CARGO_BIN_EXE_emptcp");

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in: {self:?}"))
    }

    /// Number of entries in the JSON list on standard output.
    pub(crate) fn entries(&self) -> usize {
        self.json()
            .as_array()
            .unwrap_or_else(|| panic!("a list: {self:?}"))
            .len()
    }

    /// Checks the exit code, and shows everything if it differs.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

pub(crate) fn run(command: &mut Command, input: &str) -> Said {
    // No colours, no installed elements of this machine.
    command.env("EMPTCP_ELEMENTS", "/nonexistent").env_remove("EMPTCP_LOG");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that does not read its input may end first.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `emptcp`.
pub(crate) fn emptcp(arguments: &[&str]) -> Said {
    run(Command::new(EMPTCP).args(arguments), "")
}

/// Runs `emptcp` with text on its standard input.
pub(crate) fn emptcp_with(arguments: &[&str], input: &str) -> Said {
    run(Command::new(EMPTCP).args(arguments), input)
}

/// The command where every user may run it: one for all processes that test the same build. A static is never dropped,
/// so the process cannot remove it; the next build's tests do.
pub(crate) static FOR_ALL: LazyLock<PathBuf> =
    LazyLock::new(|| for_all(&std::env::temp_dir().join("emptcp-cli-tests")));

/// Prefix of folders that hold the command.
const BUILD: &str = "build-";

/// The command in a folder of `parent` that is named after its build. Removes folders of other builds that no process
/// uses.
pub(crate) fn for_all(parent: &Path) -> PathBuf {
    let data = fs::metadata(EMPTCP).expect("the command is built");
    let name = format!(
        "{BUILD}{}-{}-{}-{}",
        data.dev(),
        data.ino(),
        data.mtime(),
        data.mtime_nsec()
    );
    fs::create_dir_all(parent).expect("a folder for the command");
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let _alone = locked(parent, FlockArg::LockExclusive).expect("its lock");
    for entry in fs::read_dir(parent).expect("it can be listed").flatten() {
        let is_other = entry
            .file_name()
            .to_str()
            .is_some_and(|found| found.starts_with(BUILD) && found != name);
        if is_other && let Ok(_unused) = locked(&entry.path(), FlockArg::LockExclusiveNonblock) {
            fs::remove_dir_all(entry.path()).expect("it is ours");
        }
    }
    let (folder, command) = (parent.join(&name), parent.join(&name).join("emptcp"));
    fs::create_dir_all(&folder).expect("a folder for the command");
    // Held until the process ends.
    std::mem::forget(locked(&folder, FlockArg::LockShared).expect("its lock"));
    if !command.exists() {
        let unfinished = folder.join("unfinished");
        let _ = fs::remove_file(&unfinished);
        // A hard link takes no space, but is impossible across file systems.
        if fs::hard_link(EMPTCP, &unfinished).is_err() {
            fs::copy(EMPTCP, &unfinished).expect("the command is copied");
        }
        for path in [&folder, &unfinished] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        fs::rename(unfinished, &command).expect("it takes its place");
    }
    command
}

fn locked(folder: &Path, how: FlockArg) -> Result<Flock<fs::File>, Errno> {
    let file = fs::File::open(folder).map_err(|_| Errno::ENOENT)?;
    Flock::lock(file, how).map_err(|(_, error)| error)
}

#[test]
fn one_command_for_everybody_is_kept_however_many_processes_ask_for_it() {
    let parent = tempfile::tempdir().unwrap();
    let old = parent.path().join(format!("{BUILD}of-before"));
    fs::create_dir(&old).unwrap();
    let first = for_all(parent.path());
    let inode = || fs::metadata(&first).unwrap().ino();
    let before = inode();
    assert_eq!(
        (for_all(parent.path()), inode()),
        (first.clone(), before),
        "it is not made again"
    );
    assert!(!old.exists());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(first.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(run(Command::new(&first).arg("--version"), "").code, 0);
}

/// Runs `emptcp` without rights.
pub(crate) fn emptcp_as_nobody(arguments: &[&str], input: &str) -> Said {
    if !nix::unistd::geteuid().is_root() {
        return emptcp_with(arguments, input);
    }
    let mut command = Command::new(FOR_ALL.as_path());
    run(command.args(arguments).current_dir("/").uid(NOBODY).gid(NOBODY), input)
}

/// Waits for a condition, for a minute at most: a busy machine is no reason to fail.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "in 60 s it does not come true that {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A folder with a policy file.
pub(crate) struct PolicyFile(TempDir);

impl PolicyFile {
    /// Writes one.
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("policy.toml"), text).expect("the file is written");
        Self(folder)
    }

    /// Its path.
    pub(crate) fn path(&self) -> String {
        self.0.path().join("policy.toml").display().to_string()
    }
}

/// A network namespace with the devices `v0` and `v1`, a veth pair, both up. Removed when it is dropped, with all
/// instances in it.
pub(crate) struct Netns {
    /// Its name.
    pub(crate) name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Netns {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let name = format!(
            "emptcp-cli-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        ip(&["netns", "add", &name]);
        let netns = Self { name };
        netns.ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
        for device in ["v0", "v1"] {
            netns.ip(&["link", "set", device, "up"]);
        }
        netns
    }

    /// `ip -n NAME ...`.
    pub(crate) fn ip(&self, arguments: &[&str]) -> String {
        ip(&[&["-n", &self.name], arguments].concat())
    }

    /// `tc -n NAME ...`: its output, or its error.
    pub(crate) fn tc(&self, arguments: &[&str]) -> Result<String, String> {
        output(Command::new("tc").args(["-n", &self.name]).args(arguments))
    }

    /// Runs `emptcp --netns NAME ...`.
    pub(crate) fn emptcp(&self, arguments: &[&str]) -> Said {
        emptcp(&[&["--netns", &self.name], arguments].concat())
    }

    /// Inode of the namespace, which also names its folder in the BPF file system.
    pub(crate) fn inode(&self) -> u64 {
        inode(&format!("/run/netns/{}", self.name)).expect("the namespace is there")
    }

    /// Applies a policy file of this text.
    pub(crate) fn apply(&self, text: &str, arguments: &[&str]) -> Said {
        emptcp_with(&[&["--netns", &self.name, "apply", "-"], arguments].concat(), text)
    }
}

/// Inode of a file, if it is there.
pub(crate) fn inode(path: &str) -> Option<u64> {
    fs::metadata(path).map(|data| data.ino()).ok()
}

impl Drop for Netns {
    fn drop(&mut self) {
        for instance in ["default", "second"] {
            self.emptcp(&["--instance", instance, "remove"]);
        }
        let _ = output(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

fn ip(arguments: &[&str]) -> String {
    output(Command::new("ip").args(arguments)).unwrap_or_else(|error| panic!("ip {}: {error}", arguments.join(" ")))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Compiles a foreign BPF program that passes every packet: for `tc`, and for XDP.
pub(crate) fn foreign_programs(folder: &Path) -> [PathBuf; 2] {
    [("tc", 0), ("xdp", 2)].map(|(section, pass)| {
        let (source, object) = (folder.join(format!("{section}.c")), folder.join(format!("{section}.o")));
        let text = format!(
            "__attribute__((section(\"{section}\"))) int foreign(void *context) {{ return {pass}; }}\n\
             char _license[] __attribute__((section(\"license\"))) = \"GPL\";\n"
        );
        fs::write(&source, text).expect("the source is written");
        let mut clang = Command::new("clang");
        clang
            .args(["-O2", "-g", "-target", "bpf", "-c"])
            .arg(&source)
            .arg("-o")
            .arg(&object);
        output(&mut clang).unwrap_or_else(|error| panic!("clang: {error}"));
        object
    })
}

/// Skips a test that only root can run.
macro_rules! require_root {
    () => {
        emptcp::require!(
            emptcp::testing::is_root(),
            "needs root: it makes network namespaces and loads programs"
        );
    };
}
pub(crate) use require_root;
