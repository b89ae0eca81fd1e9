//! What this kernel offers, tried out rather than guessed from its version; and what follows for the user.

use crate::{
    attach, bank,
    device::{self, Devices},
    error::Error,
    ffi, libbpf_log,
    maps::Maps,
    place,
    rights::{self, Capability},
};
use emptcp_plan::{manifest::Hook, plan::Tables};
use libbpf_rs::{MapType, ProgramType, TC_EGRESS, TC_INGRESS, TcHookBuilder};
use nix::sched::{CloneFlags, unshare};
use serde::Serialize;
use std::{fs, io, os::fd::AsFd, path::Path, process::Command};

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there.
    pub available: bool,
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
    /// Whether everything is there that emptcp cannot do without.
    pub usable: bool,
    /// Features, the indispensable ones first.
    pub features: Vec<Feature>,
}

/// Features without which nothing works.
const INDISPENSABLE: [&str; 5] = ["bpf", "bpffs", "locks", "lru-hash", "tc"];

/// Tries out what this kernel offers. Changes nothing: trials run in a network namespace of their own.
pub fn probe() -> Report {
    libbpf_log::redirect();
    let tried = std::thread::scope(|scope| scope.spawn(tried_apart).join().unwrap_or_default());
    let mut features = programs();
    let tc = |name: &str| {
        tried
            .iter()
            .any(|feature: &Feature| feature.name == name && feature.available)
    };
    features.push(Feature {
        name: "tc",
        available: tc("tcx") || tc("clsact"),
        detail: match (tc("tcx"), tc("clsact")) {
            (true, _) => "by tcx",
            (_, true) => "by clsact",
            _ => "neither by tcx nor by clsact",
        }
        .to_owned(),
        consequence: "without it no policy can run at egress, nor at ingress of a virtual device",
    });
    features.extend(tried);
    features.extend(mptcp());
    let missing = |name: &str| !features.iter().any(|feature| feature.name == name && feature.available);
    Report {
        kernel: nix::sys::utsname::uname()
            .map_or_else(|_| "unknown".to_owned(), |n| n.release().to_string_lossy().into()),
        usable: !INDISPENSABLE.iter().any(|name| missing(name)),
        features,
    }
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn answer(result: Result<(), String>, good: &str) -> (bool, String) {
    match result {
        Ok(()) => (true, good.to_owned()),
        Err(why) => (false, why),
    }
}

/// What BPF itself offers.
fn programs() -> Vec<Feature> {
    let maps = Maps::create(&Tables {
        flows: 64,
        half_open: 64,
        connections: 64,
        state: 64,
        events: 4096,
    });
    let load = |hook: Hook| match &maps {
        Ok(maps) => bank::load_entry(maps, hook, 14)
            .map(drop)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (loads, detail) = answer(load(Hook::TcIngress), "the core loads for tc");
    let (xdp, xdp_detail) = answer(load(Hook::Xdp), "the core loads for XDP");
    let map = |ty: MapType| ty.is_supported().unwrap_or(false);
    let jit = text("/proc/sys/net/core/bpf_jit_enable");
    let [locks, pins] = place::written().map(|folder| rights::unwritable(&folder));
    let (bpffs, bpffs_detail) = bpffs(pins);
    let types: Vec<&str> = [
        ("tracing", ProgramType::Tracing),
        ("ext", ProgramType::Ext),
        ("lsm", ProgramType::Lsm),
    ]
    .into_iter()
    .filter(|(_, ty)| !ty.is_supported().unwrap_or(false))
    .map(|(name, _)| name)
    .collect();
    vec![
        Feature {
            name: "bpf",
            available: loads,
            detail,
            consequence: "without it nothing works: run as root on Linux 5.10 or newer with CONFIG_BPF_SYSCALL",
        },
        Feature {
            name: "bpffs",
            available: bpffs,
            detail: bpffs_detail,
            consequence: "policies are pinned there and stay in force without a process",
        },
        Feature {
            name: "locks",
            available: locks.is_none(),
            detail: locks.unwrap_or_else(|| "/run/emptcp can be written".to_owned()),
            consequence: "two changes at a time are kept apart there",
        },
        Feature {
            name: "lru-hash",
            available: map(MapType::LruHash),
            detail: "BPF_MAP_TYPE_LRU_HASH, Linux 4.10".to_owned(),
            consequence: "the flow tables are bounded by it",
        },
        Feature {
            name: "btf",
            available: Path::new("/sys/kernel/btf/vmlinux").exists(),
            detail: "/sys/kernel/btf/vmlinux".to_owned(),
            consequence: "only elements that read kernel structures (CO-RE) need it; none of the shipped ones does",
        },
        Feature {
            name: "jit",
            available: jit.as_deref().is_none_or(|value| value != "0"),
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
            available: types.is_empty(),
            detail: if types.is_empty() {
                "tracing, ext and lsm programs are allowed".to_owned()
            } else {
                format!("refused here: {}", types.join(", "))
            },
            consequence: "none: emptcp does without them",
        },
    ]
}

/// Whether policies can be pinned; `refused` says why not in the folder that is there.
fn bpffs(refused: Option<String>) -> (bool, String) {
    if !Path::new("/sys/fs/bpf").is_dir() {
        return (false, "/sys/fs/bpf does not exist".to_owned());
    }
    match (place::is_bpffs(), refused) {
        (true, None) => (true, "mounted at /sys/fs/bpf".to_owned()),
        (true, Some(why)) => (false, format!("mounted at /sys/fs/bpf, but {why}")),
        (false, _) if rights::has(Capability::SysAdmin) => (true, "not mounted yet; `apply` mounts it".to_owned()),
        (false, _) => (
            false,
            "not mounted yet, and to mount it needs CAP_SYS_ADMIN: `mount -t bpf bpf /sys/fs/bpf`".to_owned(),
        ),
    }
}

/// clsact where it cannot be tried: the kernel's own list of symbols tells.
fn has_clsact() -> bool {
    text("/proc/kallsyms").is_some_and(|symbols| symbols.contains("clsact_init"))
}

/// What must be tried on a device: in a network namespace of its own, which goes with this thread.
fn tried_apart() -> Vec<Feature> {
    let apart =
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("not tried, this needs CAP_SYS_ADMIN: {error}"));
    let when_apart = |trial: &dyn Fn() -> Result<(), String>| apart.clone().and_then(|()| trial());
    let feature = |name, result: Result<(), String>, good: &str, consequence| {
        let (available, detail) = answer(result, good);
        Feature {
            name,
            available,
            detail,
            consequence,
        }
    };
    let tcx = || {
        if attach::has_tcx() {
            Ok(())
        } else {
            Err("not offered; it came with Linux 6.6".to_owned())
        }
    };
    vec![
        feature(
            "tcx",
            // A question changes nothing, wherever it is asked.
            tcx(),
            "offered",
            "programs of several owners share a device; without it clsact is used",
        ),
        feature(
            "clsact",
            match &apart {
                Err(_) if has_clsact() => Ok(()),
                _ => when_apart(&try_clsact),
            },
            if apart.is_ok() {
                "offered"
            } else {
                "this kernel has it; not tried, this needs CAP_SYS_ADMIN"
            },
            "the way to attach before Linux 6.6",
        ),
        feature(
            "xdp-generic",
            when_apart(&|| try_xdp(1, 1 << 1)),
            "offered",
            "attach = \"xdp-generic\" works on any device, but is slower than tc",
        ),
        feature(
            "xdp-native",
            when_apart(&try_native),
            "offered (tried on a virtual pair); a physical device also needs a driver that has it",
            "attach = \"auto\" uses it on physical devices; it is slow on virtual ones",
        ),
        feature(
            "htb",
            when_apart(&|| try_qdisc("htb")),
            "offered",
            "rate_limit mode=shape needs it, or fq; otherwise mode=police",
        ),
        feature(
            "fq",
            when_apart(&|| try_qdisc("fq")),
            "offered",
            "rate_limit mode=shape uses it where a device has it",
        ),
    ]
}

fn try_clsact() -> Result<(), String> {
    let any = fs::File::open("/dev/null").map_err(|error| error.to_string())?;
    let mut hook = TcHookBuilder::new(any.as_fd()).ifindex(1).hook(TC_INGRESS | TC_EGRESS);
    hook.create().map_err(|error| error.to_string())?;
    let present = device::qdiscs(1).is_ok_and(|qdiscs| qdiscs.iter().any(|qdisc| qdisc.kind == "clsact"));
    if present {
        Ok(())
    } else {
        Err("the qdisc was not made".to_owned())
    }
}

fn try_xdp(ifindex: u32, flags: u32) -> Result<(), String> {
    let attempt = || -> Result<(), Error> {
        let maps = Maps::create(&Tables {
            flows: 64,
            half_open: 64,
            connections: 64,
            state: 64,
            events: 4096,
        })?;
        let program = bank::load_entry(&maps, Hook::Xdp, 14)?;
        ffi::link_create(program.as_fd(), ifindex, libbpf_sys::BPF_XDP, flags)
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
        .map_err(|error| format!("`{program}` cannot be run ({error}); `apt install iproute2`"))?;
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
    let (full, detail) = match ffi::has_mptcp_full_info() {
        Ok(true) => (true, "getsockopt(MPTCP_FULL_INFO) is offered".to_owned()),
        Ok(false) => (false, "not offered; it came with Linux 6.5".to_owned()),
        Err(error) => (false, no_mptcp_socket(&error)),
    };
    vec![
        Feature {
            name: "mptcp",
            available: enabled.as_deref() == Some("1"),
            detail: enabled.map_or_else(
                || "this kernel has no MPTCP (net.mptcp.enabled is missing)".to_owned(),
                |value| format!("net.mptcp.enabled = {value}"),
            ),
            consequence: "only hosts that speak MPTCP themselves need it; a middlebox does not",
        },
        Feature {
            name: "mptcp-full-info",
            available: full,
            detail,
            consequence: "the lab reads per-subflow counters by it, before Linux 6.5 by MPTCP_TCPINFO (5.16)",
        },
    ]
}

fn no_mptcp_socket(error: &io::Error) -> String {
    format!("no MPTCP socket can be made: {error}")
}
