//! Features of this kernel, tested rather than guessed from its version; and what follows for the user.

use crate::{
    attach, bpffs, core_programs,
    device::OfPolicy,
    error::{BpffsProblem, Error, LOADING},
    tables,
};
use emptcp_host::{
    device::Devices,
    qdisc,
    rights::{self, Capability},
};
use emptcp_load::{link, messages};
use emptcp_plan::manifest::Hook;
use libbpf_rs::{MapType, ProgramType, TC_EGRESS, TC_INGRESS, TcHookBuilder};
use nix::sched::{CloneFlags, unshare};
use serde::Serialize;
use std::{fs, io, os::fd::AsFd, path::Path, process::Command};

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is available with the rights of this process; `None` if it could not be tested.
    pub available: Option<bool>,
    /// What was found.
    pub detail: String,
    /// What follows for the user.
    pub consequence: &'static str,
}

/// All features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// Whether all indispensable features are available.
    pub usable: bool,
    /// Features, the indispensable ones first.
    pub features: Vec<Feature>,
    /// Why no instance can be seen here, if another file system is mounted over bpffs; the feature `bpffs` describes
    /// it.
    #[serde(skip)]
    pub hidden: Option<BpffsProblem>,
}

/// Features without which nothing works.
const INDISPENSABLE: [&str; 5] = ["bpf", "bpffs", "locks", "lru-hash", "tc"];

/// Tests the features of this kernel. Changes nothing: tests run in a network namespace of their own.
pub fn probe() -> Report {
    messages::redirect();
    let tried = std::thread::scope(|scope| scope.spawn(tried_apart).join().unwrap_or_default());
    let mut features = vec![capabilities()];
    features.extend(programs());
    let found = |name: &str| tried.iter().find(|feature: &&Feature| feature.name == name)?.available;
    let (available, detail) = match (found("tcx"), found("clsact")) {
        (Some(true), _) => (Some(true), "by tcx"),
        (Some(false), Some(true)) => (Some(true), "by clsact"),
        (Some(false), Some(false)) => (Some(false), "neither by tcx nor by clsact"),
        _ => (None, "not tried: see tcx and clsact"),
    };
    features.push(Feature {
        name: "tc",
        available,
        detail: detail.to_owned(),
        consequence: "without it no policy can run at egress, nor at ingress of a virtual device",
    });
    features.extend(tried);
    features.extend(mptcp());
    let there = |name: &str| {
        let mut found = features.iter().filter(|feature| feature.name == name);
        found.any(|feature| feature.available == Some(true))
    };
    Report {
        kernel: nix::sys::utsname::uname()
            .map_or_else(|_| "unknown".to_owned(), |n| n.release().to_string_lossy().into()),
        usable: INDISPENSABLE.iter().all(|name| there(name)),
        features,
        hidden: bpffs::hidden(),
    }
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn answer(result: Result<(), String>, good: &str) -> (Option<bool>, String) {
    match result {
        Ok(()) => (Some(true), good.to_owned()),
        Err(why) => (Some(false), why),
    }
}

fn not_tried(needed: &[Capability]) -> String {
    let lack = rights::lack(needed).unwrap_or_else(|| "the kernel does not allow it".to_owned());
    format!("not tried: {lack}")
}

/// The rights that loading and attaching need.
fn capabilities() -> Feature {
    let lack = rights::lack(&LOADING).or_else(|| rights::in_user_namespace().then(|| rights::NOT_THE_FIRST.to_owned()));
    Feature {
        name: "capabilities",
        available: Some(lack.is_none()),
        detail: lack.unwrap_or_else(|| format!("{} are there", rights::listed(&LOADING))),
        consequence: "loading and attaching take all three: run as root, or give them to the process",
    }
}

/// What BPF itself offers.
fn programs() -> Vec<Feature> {
    let maps = tables::small();
    let load = |hook: Hook| match &maps {
        Ok(maps) => core_programs::load_entry(maps, hook, 14)
            .map(drop)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (loads, detail) = answer(load(Hook::TcIngress), "the core loads for tc");
    let (xdp, xdp_detail) = answer(load(Hook::Xdp), "the core loads for XDP");
    let may_try = rights::lack(&LOADING).is_none();
    let (lru, lru_detail) = match may_try {
        true => (
            Some(MapType::LruHash.is_supported().unwrap_or(false)),
            "BPF_MAP_TYPE_LRU_HASH, Linux 4.10".to_owned(),
        ),
        false => (None, not_tried(&LOADING)),
    };
    let jit = text("/proc/sys/net/core/bpf_jit_enable");
    let [locks, pins] = bpffs::written().map(|folder| rights::unwritable(&folder));
    let (bpffs, bpffs_detail) = bpffs(pins);
    let refused: Vec<&str> = [
        ("tracing", ProgramType::Tracing),
        ("ext", ProgramType::Ext),
        ("lsm", ProgramType::Lsm),
    ]
    .into_iter()
    .filter(|(_, ty)| !ty.is_supported().unwrap_or(false))
    .map(|(name, _)| name)
    .collect();
    let (others, others_detail) = match (may_try, refused.is_empty()) {
        (false, _) => (None, not_tried(&LOADING)),
        (_, true) => (Some(true), "tracing, ext and lsm programs are allowed".to_owned()),
        (_, false) => (Some(false), format!("refused here: {}", refused.join(", "))),
    };
    vec![
        Feature {
            name: "bpf",
            available: loads,
            detail,
            consequence: "without it nothing works: run as root on Linux 5.10 or newer with CONFIG_BPF_SYSCALL",
        },
        Feature {
            name: "bpffs",
            available: Some(bpffs),
            detail: bpffs_detail,
            consequence: "policies are pinned there and stay in force without a process",
        },
        Feature {
            name: "locks",
            available: Some(locks.is_none()),
            detail: locks.unwrap_or_else(|| "/run/emptcp can be written".to_owned()),
            consequence: "two changes at a time are kept apart there",
        },
        Feature {
            name: "lru-hash",
            available: lru,
            detail: lru_detail,
            consequence: "the flow tables are bounded by it",
        },
        Feature {
            name: "btf",
            available: Some(Path::new("/sys/kernel/btf/vmlinux").exists()),
            detail: "/sys/kernel/btf/vmlinux".to_owned(),
            consequence: "only elements that read kernel structures (CO-RE) need it; none of the shipped ones does",
        },
        Feature {
            name: "jit",
            available: Some(jit.as_deref().is_none_or(|value| value != "0")),
            detail: jit.map_or_else(
                || "always on".to_owned(),
                |value| format!("net.core.bpf_jit_enable = {value}"),
            ),
            consequence: "without it a packet costs about ten times as much",
        },
        Feature {
            name: "xdp",
            available: xdp,
            detail: xdp_detail,
            consequence: "ingress of physical devices can use it; without it tc is used",
        },
        Feature {
            name: "other-program-types",
            available: others,
            detail: others_detail,
            consequence: "none: emptcp does without them",
        },
    ]
}

/// Whether policies can be pinned; `refused`: why the existing folder cannot be used.
fn bpffs(refused: Option<String>) -> (bool, String) {
    if !Path::new("/sys/fs/bpf").is_dir() {
        return (false, "/sys/fs/bpf does not exist".to_owned());
    }
    if let Some(why) = bpffs::hidden() {
        return (false, why.to_string());
    }
    match (bpffs::is_bpffs(), refused) {
        (true, None) => (true, "mounted at /sys/fs/bpf".to_owned()),
        (true, Some(why)) => (false, format!("mounted at /sys/fs/bpf, but {why}")),
        (false, _) if rights::has(Capability::SysAdmin) => (true, "not mounted yet; `apply` mounts it".to_owned()),
        (false, _) => (
            false,
            "not mounted yet, and to mount it needs CAP_SYS_ADMIN: `mount -t bpf bpf /sys/fs/bpf`".to_owned(),
        ),
    }
}

/// clsact where it cannot be tested: the kernel's list of symbols shows it.
fn has_clsact() -> bool {
    text("/proc/kallsyms").is_some_and(|symbols| symbols.contains("clsact_init"))
}

/// Features that need a device for the test: in a network namespace of its own, which ends with this thread.
fn tried_apart() -> Vec<Feature> {
    let apart = unshare(CloneFlags::CLONE_NEWNET).is_ok();
    let untried = || (None, not_tried(&[Capability::SysAdmin]));
    let when_apart = |trial: &dyn Fn() -> Result<(), String>, good: &str| match apart {
        true => answer(trial(), good),
        false => untried(),
    };
    let feature = |name, (available, detail): (Option<bool>, String), consequence| Feature {
        name,
        available,
        detail,
        consequence,
    };
    // A query changes nothing in any namespace.
    let tcx = match attach::offers_tcx() {
        Some(true) => (Some(true), "offered".to_owned()),
        Some(false) => (Some(false), "not offered; it came with Linux 6.6".to_owned()),
        None => (None, not_tried(&[Capability::NetAdmin])),
    };
    let clsact = match apart {
        false if has_clsact() => {
            let lack = not_tried(&[Capability::SysAdmin]);
            (Some(true), format!("this kernel has it; {lack}"))
        }
        _ => when_apart(&try_clsact, "offered"),
    };
    vec![
        feature(
            "tcx",
            tcx,
            "programs of several owners share a device; without it clsact is used",
        ),
        feature("clsact", clsact, "used to attach before Linux 6.6"),
        feature(
            "xdp-generic",
            when_apart(&|| try_xdp(1, 1 << 1), "offered"),
            "attach = \"xdp-generic\" works on any device, but is slower than tc",
        ),
        feature(
            "xdp-native",
            when_apart(
                &try_native,
                "offered (tried on a virtual pair); a physical device also needs a driver that has it",
            ),
            "attach = \"auto\" uses it on physical devices; it is slow on virtual ones",
        ),
        feature(
            "htb",
            when_apart(&|| try_qdisc("htb"), "offered"),
            "rate_limit mode=shape needs it, or fq; otherwise mode=police",
        ),
        feature(
            "fq",
            when_apart(&|| try_qdisc("fq"), "offered"),
            "rate_limit mode=shape uses it where a device has it",
        ),
    ]
}

fn try_clsact() -> Result<(), String> {
    let any = fs::File::open("/dev/null").map_err(|error| error.to_string())?;
    let mut hook = TcHookBuilder::new(any.as_fd()).ifindex(1).hook(TC_INGRESS | TC_EGRESS);
    hook.create().map_err(|error| error.to_string())?;
    let present = qdisc::qdiscs(1).is_ok_and(|qdiscs| qdiscs.iter().any(|qdisc| qdisc.kind == "clsact"));
    if present {
        Ok(())
    } else {
        Err("the qdisc was not made".to_owned())
    }
}

fn try_xdp(ifindex: u32, flags: u32) -> Result<(), String> {
    let attempt = || -> Result<(), Error> {
        let maps = tables::small()?;
        let program = core_programs::load_entry(&maps, Hook::Xdp, 14)?;
        link::create(program.as_fd(), ifindex, libbpf_sys::BPF_XDP, flags)
            .map(drop)
            .map_err(|error| Error::kernel("attach by XDP", error))
    };
    attempt().map_err(|error| error.to_string())
}

fn try_native() -> Result<(), String> {
    command(
        "ip",
        &["link", "add", "emptcp0", "type", "veth", "peer", "name", "emptcp1"],
    )?;
    let devices = Devices::read().map_err(|error| error.to_string())?;
    let index = devices.index("emptcp0", "").map_err(|error| error.to_string())?;
    try_xdp(index, 1 << 2)
}

fn try_qdisc(kind: &str) -> Result<(), String> {
    command("tc", &["qdisc", "replace", "dev", "lo", "root", kind])
}

fn command(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("`{program}` cannot be run ({error}); `apt install iproute2`"),
            _ => format!("`{program}` cannot be run ({error})"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr)
        .lines()
        .next()
        .unwrap_or("refused")
        .to_owned())
}

/// Multipath TCP of this host: not needed by the packet plane on a middlebox.
fn mptcp() -> Vec<Feature> {
    let enabled = text("/proc/sys/net/mptcp/enabled");
    let (full, detail) = match mptcp_socket::has_full_info() {
        Ok(true) => (true, "getsockopt(MPTCP_FULL_INFO) is offered".to_owned()),
        Ok(false) => (false, "not offered; it came with Linux 6.5".to_owned()),
        Err(error) => (false, no_mptcp_socket(&error)),
    };
    vec![
        Feature {
            name: "mptcp",
            available: Some(enabled.as_deref() == Some("1")),
            detail: enabled.map_or_else(
                || "this kernel has no MPTCP (net.mptcp.enabled is missing)".to_owned(),
                |value| format!("net.mptcp.enabled = {value}"),
            ),
            consequence: "only hosts that speak MPTCP themselves need it; a middlebox does not",
        },
        Feature {
            name: "mptcp-full-info",
            available: Some(full),
            detail,
            consequence: "the lab reads per-subflow counters by it, before Linux 6.5 by MPTCP_TCPINFO (5.16)",
        },
    ]
}

fn no_mptcp_socket(error: &io::Error) -> String {
    format!("no MPTCP socket can be made: {error}")
}
