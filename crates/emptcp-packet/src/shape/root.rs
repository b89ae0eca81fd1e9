//! The root qdisc of a device: whether it is ours, and our classes in it.

use super::request;
use crate::{
    elements::catalog::Catalog,
    error::{Error, OrKernel, Result},
    fault, records,
};
use emptcp_host::qdisc;
use emptcp_plan::{
    ClassRequest,
    plan::{DeviceDirection, PolicyPlan},
};
use libbpf_rs::MapHandle;
use std::{io, process::Command};

/// Major number of our qdisc's handle.
pub(super) const MAJOR: u16 = 0xe7c0;
/// Our qdisc, as `tc qdisc show` names it.
pub(super) const QDISC: &str = "htb e7c0:";
/// Qdiscs that the kernel gives a device by itself.
const DEFAULTS: [&str; 5] = ["noqueue", "pfifo_fast", "fq_codel", "mq", "fq"];
/// The queue that we give a class, and the one that the kernel gives it first.
const QUEUES: [&str; 2] = ["bfifo", "pfifo"];

/// What the root qdisc of a device offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Root {
    Ours,
    Default,
    Fq,
}

/// Whether a device shapes as a policy says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InPlace {
    /// It does, or the policy does not shape.
    Yes,
    /// The root qdisc of the policy is gone.
    NoQdisc,
    /// The qdisc is there, but the class of the policy is gone or has another rate.
    NoClass,
}

/// Whether the qdisc of a policy on a device still exists: the root qdisc, and its class `minor` with its rate. If the
/// element was removed in the meantime, its request is unknown.
pub(crate) fn in_place(
    policy: &PolicyPlan,
    minor: u16,
    catalog: &Catalog,
    (name, index): (&str, u32),
    has_classes: bool,
) -> InPlace {
    let Ok(ClassRequest::Required { rate, .. }) = request(policy, catalog) else {
        return InPlace::Yes;
    };
    if policy.direction == DeviceDirection::Ingress {
        return InPlace::Yes;
    }
    let wanted = if has_classes { Root::Ours } else { Root::Fq };
    if !root_of(name, index).is_ok_and(|root| root == wanted) {
        return InPlace::NoQdisc;
    }
    // The kernel counts in bytes.
    let bytes = rate / 8;
    let is_ours =
        |class: &qdisc::HtbClass| (class.major, class.minor, class.rate, class.ceil) == (MAJOR, minor, bytes, bytes);
    if has_classes && !qdisc::htb_classes(index).is_ok_and(|classes| classes.iter().any(is_ours)) {
        return InPlace::NoClass;
    }
    InPlace::Yes
}

/// The root qdisc of a device, when it is ours.
pub(crate) fn own_root(name: &str, index: u32) -> Option<&'static str> {
    root_of(name, index)
        .is_ok_and(|root| root == Root::Ours)
        .then_some(QDISC)
}

/// What the root of a device offers; an error if another program or user has set it up.
pub(super) fn root_of(name: &str, index: u32) -> Result<Root> {
    let qdiscs = qdisc::qdiscs(index).or_kernel(format!("list the qdiscs of {name}"))?;
    let Some(root) = qdiscs.iter().find(|qdisc| qdisc.parent == qdisc::ROOT) else {
        return Ok(Root::Default);
    };
    match root.kind.as_str() {
        "htb" if root.major == MAJOR => Ok(Root::Ours),
        "fq" => Ok(Root::Fq),
        kind if root.major == 0 && DEFAULTS.contains(&kind) => Ok(Root::Default),
        kind => Err(not_ours(name, kind, root.major)),
    }
}

/// The refusal of a qdisc that is not ours.
pub(super) fn not_ours(name: &str, kind: &str, major: u16) -> Error {
    Error::Shape {
        device: name.to_owned(),
        reason: format!(
            "there is already a `{kind}` qdisc ({major:x}:) that is not ours; remove it (`tc qdisc del dev {name} root`)"
        ),
    }
}

/// Whether a root qdisc with our handle holds only what we added: no filters, classes right below it, and in them the
/// queues that we give them, or the kernel's default ones.
pub(super) fn holds_only_ours(index: u32) -> Result<bool> {
    let qdiscs = qdisc::qdiscs(index).or_kernel("list the qdiscs")?;
    let mut below = qdiscs.iter().filter(|qdisc| qdisc.parent >> 16 == u32::from(MAJOR));
    let filters = qdisc::filters(index, u32::from(MAJOR) << 16).or_kernel("list the filters of a qdisc")?;
    let classes = qdisc::htb_classes(index).or_kernel("list the classes of a qdisc")?;
    Ok(filters.is_empty()
        && below.all(|qdisc| QUEUES.contains(&qdisc.kind.as_str()))
        && classes.iter().all(|class| class.parent == qdisc::ROOT))
}

/// The kind of the root qdisc of a device, when it has one.
pub(super) fn root_kind(index: u32) -> Option<String> {
    let qdiscs = qdisc::qdiscs(index).ok()?;
    let root = qdiscs.into_iter().find(|qdisc| qdisc.parent == qdisc::ROOT)?;
    Some(root.kind)
}

/// Removes the root qdisc of a device, if it is ours, and forgets it.
pub(super) fn remove_root(name: &str, index: u32, records: &MapHandle) -> Result<()> {
    if own_root(name, index).is_some() {
        delete(name)?;
    }
    records::forget_shaped(records, index)
}

/// Removes our root qdisc.
pub(super) fn delete(name: &str) -> Result<()> {
    let handle = format!("{MAJOR:x}:");
    tc(name, &["qdisc", "del", "dev", name, "root", "handle", &handle]).map(drop)
}

/// Removes those of our classes on a device that are `unwanted`; returns what could not be removed.
pub(super) fn remove_classes(name: &str, unwanted: impl Fn(u16) -> bool) -> Vec<Error> {
    let present = match present_classes(name) {
        Ok(present) => present,
        Err(error) => return vec![error],
    };
    let mut failed = Vec::new();
    for minor in present.into_iter().filter(|minor| unwanted(*minor)) {
        let class = format!("{MAJOR:x}:{minor:x}");
        let removed = fault::step("removing a class", || {
            tc(name, &["class", "del", "dev", name, "classid", &class])
        });
        failed.extend(removed.err());
    }
    failed
}

/// Minor numbers of our classes on a device.
pub(super) fn present_classes(name: &str) -> Result<Vec<u16>> {
    let text = tc(name, &["class", "show", "dev", name])?;
    let prefix = format!("{MAJOR:x}:");
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.strip_prefix(&prefix))
        .filter_map(|minor| u16::from_str_radix(minor, 16).ok())
        .collect())
}

/// Runs `tc` and returns its output.
pub(super) fn tc(device: &str, arguments: &[&str]) -> Result<String> {
    let failed = |reason: String| Error::Shape {
        device: device.to_owned(),
        reason,
    };
    let output = Command::new("tc").args(arguments).output().map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; install it: `apt install iproute2`",
            _ => "",
        };
        failed(format!("`tc` cannot be run ({error}){advice}"))
    })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("`tc {}`: {}", arguments.join(" "), words.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
