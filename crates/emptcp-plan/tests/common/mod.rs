//! Helpers of this crate's tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod strategies;
pub(crate) mod world;

use emptcp_plan::manifest::{Argument, ArgumentType, Hook, Kind, Manifest, Need};
use emptcp_plan::{Catalog, Diagnostics, compile, plan::Plan};
use std::path::Path;
use std::sync::LazyLock;

/// Bounds, as in the shipped elements.
fn bounds(element: &str, argument: &str) -> (Option<u64>, Option<u64>) {
    let most = match (element, argument) {
        ("mark", "dscp") => 64,
        ("mark", "fwmark" | "priority") | ("set_backup", "times") => u64::from(u32::MAX),
        ("record", "every") => return (Some(1), None),
        _ => return (None, None),
    };
    (Some(u64::from(argument == "times")), Some(most))
}

/// name, type, default, words of a choice
type Sketch = (
    &'static str,
    ArgumentType,
    Option<&'static str>,
    &'static [&'static str],
);

fn manifest(kind: Kind, name: &str, hooks: &[Hook], needs: &[Need], arguments: &[Sketch]) -> Manifest {
    let element = name;
    let argument = |(name, ty, default, values): &Sketch| Argument {
        name: (*name).to_owned(),
        ty: *ty,
        help: "For tests.".to_owned(),
        default: default.map(str::to_owned),
        min: bounds(element, name).0,
        max: bounds(element, name).1,
        only_at: if *name == "mode" {
            [("shape".to_owned(), vec![Hook::TcEgress])].into()
        } else {
            Default::default()
        },
        values: values.iter().map(ToString::to_string).collect(),
    };
    Manifest {
        name: name.to_owned(),
        kind,
        summary: "For tests.".to_owned(),
        hooks: hooks.to_vec(),
        arguments: arguments.iter().map(argument).collect(),
        any_of: match name {
            "mark" => vec!["fwmark".to_owned(), "priority".to_owned(), "dscp".to_owned()],
            _ => Vec::new(),
        },
        counters: Vec::new(),
        needs: needs.to_vec(),
        fields: Vec::new(),
        class: None,
    }
}

const ALL: &[Hook] = &[Hook::Xdp, Hook::TcIngress, Hook::TcEgress];
const TC: &[Hook] = &[Hook::TcIngress, Hook::TcEgress];

/// The folder with the sources of emptcp.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Manifests of the shipped elements.
pub(crate) fn shipped() -> Vec<Manifest> {
    let folders = std::fs::read_dir(root().join("elements")).unwrap();
    let files = folders
        .map(|folder| folder.unwrap().path().join("element.toml"))
        .filter(|file| file.is_file());
    files
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            Manifest::parse(&file.display().to_string(), &text).unwrap_or_else(|found| panic!("{found}"))
        })
        .collect()
}

/// The shipped selectors, simplified actors, and three elements for tests of hooks.
pub(crate) fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(read_catalog);
    &CATALOG
}

fn read_catalog() -> Catalog {
    use ArgumentType::*;
    use Kind::{Actor, Selector};
    let flow = &[Need::FlowView];
    let connection = &[Need::FlowView, Need::Connection];
    let selectors = shipped().into_iter().filter(|manifest| manifest.kind == Selector);
    let others = [
        manifest(Selector, "xdp_only", &[Hook::Xdp], &[], &[]),
        manifest(
            Actor,
            "rate_limit",
            TC,
            flow,
            &[
                ("rate", Rate, None, &[]),
                ("mode", Choice, Some("auto"), &["auto", "police", "shape", "window"]),
                ("ramp", Boolean, Some("yes"), &[]),
                ("per", Choice, Some("subflow"), &["subflow", "connection", "policy"]),
            ],
        ),
        manifest(
            Actor,
            "set_backup",
            TC,
            flow,
            &[
                ("state", Choice, Some("on"), &["on", "off"]),
                ("times", Integer, Some("3"), &[]),
            ],
        ),
        manifest(Actor, "hold_add_addr", ALL, &[], &[]),
        manifest(
            Actor,
            "get_connect",
            ALL,
            connection,
            &[("keys", Boolean, Some("no"), &[])],
        ),
        manifest(Actor, "get_subflow", ALL, connection, &[]),
        manifest(Actor, "record", ALL, flow, &[("every", Duration, Some("1s"), &[])]),
        manifest(Actor, "count", ALL, &[], &[]),
        manifest(Actor, "drop", ALL, &[], &[]),
        manifest(
            Actor,
            "mark",
            TC,
            &[],
            &[
                ("fwmark", Integer, Some("0"), &[]),
                ("priority", Integer, Some("0"), &[]),
                ("dscp", Integer, Some("64"), &[]),
            ],
        ),
        manifest(Actor, "reset", TC, flow, &[]),
        manifest(Actor, "xdp_actor", &[Hook::Xdp], &[], &[]),
        manifest(Actor, "egress_actor", &[Hook::TcEgress], &[], &[]),
    ];
    selectors.chain(others).collect()
}

/// A file with one policy, on ingress of eth0 and eth1.
pub(crate) fn file_with(when: &str, action: &str) -> String {
    policy("p", when, action)
}

/// A policy of this name, on ingress of eth0 and eth1.
pub(crate) fn policy(name: &str, when: &str, action: &str) -> String {
    format!(
        "[[policy]]\nname = '{name}'\ndevice = ['eth0', 'eth1']\nhook = 'ingress'\nwhen = '{when}'\ndo = ['{action}']\n"
    )
}

/// Compiles with [`catalog`].
pub(crate) fn compiled(text: &str) -> Result<Plan, Diagnostics> {
    compile("policy.toml", text, catalog())
}
