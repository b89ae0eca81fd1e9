//! Policies at one hook of one device, and packets of both hosts through it.

use crate::{
    describe::Packet,
    hosts::{Hosts, Peer},
};
use emptcp_packet::{
    Catalog, element,
    stats::PolicyStats,
    testrun::{Input, Output, Sandbox, Verdict},
};
use emptcp_plan::manifest::Hook;
use std::{collections::BTreeMap, path::Path};

/// Name that policies use for the device.
pub const DEVICE: &str = "lo";

/// Runs a test on a thread in a new network namespace with only a loopback device, which is up.
///
/// # Panics
/// When the namespace cannot be made, and when the test does.
pub fn alone<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let run = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let up = std::process::Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(
            up.expect("ip of iproute2").success(),
            "the loopback device did not come up"
        );
        test()
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The shipped elements, and a custom one that is built in `folder`.
///
/// # Panics
/// When it cannot be built or the verifier refuses it.
pub fn with_own_element(folder: &Path, name: &str, manifest: &str, source: &str) -> Catalog {
    let element = folder.join(name);
    std::fs::create_dir_all(&element).expect("a folder");
    std::fs::write(element.join("element.toml"), manifest).expect("written");
    std::fs::write(element.join("element.bpf.c"), source).expect("written");
    let installed = folder.join("installed");
    element::install_into(&element, &installed).unwrap_or_else(|error| panic!("{error}"));
    Catalog::load_from(&installed).unwrap_or_else(|error| panic!("{error}"))
}

/// A device between the two hosts with policies for packets of one of them.
#[derive(Debug)]
pub struct Place {
    /// The programs and tables.
    pub sandbox: Sandbox,
    /// The host whose packets pass the hook; the other's pass the device in the other direction.
    pub sender: Peer,
    /// The hook.
    pub hook: Hook,
}

impl Place {
    /// Loads a policy file. `sender` is the host whose packets pass `hook`.
    ///
    /// # Panics
    /// When the file does not compile or the kernel refuses a program.
    pub fn new(hook: Hook, sender: Peer, policies: &str) -> Self {
        Self::with_catalog(&Catalog::built_in(), hook, sender, policies)
    }

    /// The same, with the elements of `catalog`.
    ///
    /// # Panics
    /// As [`Place::new`].
    pub fn with_catalog(catalog: &Catalog, hook: Hook, sender: Peer, policies: &str) -> Self {
        let plan = emptcp_plan::compile("case.toml", policies, &catalog.manifests())
            .unwrap_or_else(|error| panic!("{error}\nin:\n{policies}"));
        let sandbox = Sandbox::new(&plan, hook, catalog, &[(DEVICE, 1)])
            .unwrap_or_else(|error| panic!("{error}\nfor:\n{policies}"));
        Self { sandbox, sender, hook }
    }

    /// One policy in the direction of the hook.
    pub fn with_policy(hook: Hook, sender: Peer, when: &str, actors: &[&str]) -> Self {
        Self::new(hook, sender, &policy("p", direction(hook), when, actors))
    }

    /// Puts another policy file in force.
    ///
    /// # Panics
    /// As [`Place::new`].
    pub fn switch(&mut self, policies: &str) {
        let plan = emptcp_plan::compile("case.toml", policies, &Catalog::built_in().manifests())
            .unwrap_or_else(|error| panic!("{error}\nin:\n{policies}"));
        self.sandbox.switch(&plan).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Sends a frame of `from`.
    ///
    /// # Panics
    /// When the kernel refuses it.
    pub fn frame(&self, from: Peer, frame: &[u8]) -> Output {
        self.input(from, &Input::new(frame))
    }

    /// Sends a frame of `from` with its metadata.
    ///
    /// # Panics
    /// When the kernel refuses it.
    pub fn input(&self, from: Peer, input: &Input<'_>) -> Output {
        let output = if from == self.sender {
            self.sandbox.run(input)
        } else {
            self.sandbox.run_opposite(input)
        };
        output.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a frame of `from`; `None` when the kernel's test run refuses it: tc never gets a frame shorter than its IP
    /// header.
    ///
    /// # Panics
    /// When the kernel refuses a longer one.
    pub fn any_frame(&self, from: Peer, frame: &[u8]) -> Option<Output> {
        let input = Input::new(frame);
        let output = if from == self.sender {
            self.sandbox.run(&input)
        } else {
            self.sandbox.run_opposite(&input)
        };
        match output {
            Ok(output) => Some(output),
            Err(error) => {
                assert!(frame.len() < 54, "{error}: {frame:02x?}");
                None
            }
        }
    }

    /// Sends a packet, which must pass unchanged.
    ///
    /// # Panics
    /// When it does not.
    pub fn send(&self, hosts: &mut Hosts, packet: &Packet) -> Vec<u8> {
        let frame = packet.build(hosts);
        let output = self.frame(packet.from, &frame);
        assert_eq!(output.verdict, Verdict::Pass, "{packet:?}");
        assert_eq!(output.packet, frame, "{packet:?}");
        frame
    }

    /// The counters of the core.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn core(&self) -> BTreeMap<String, u64> {
        self.sandbox.stats().expect("counters").0
    }

    /// The counters of the policies.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn policies(&self) -> Vec<PolicyStats> {
        self.sandbox.stats().expect("counters").1
    }
}

/// `ingress` or `egress`.
pub fn direction(hook: Hook) -> &'static str {
    if hook == Hook::TcEgress { "egress" } else { "ingress" }
}

/// A policy in TOML.
pub fn policy(name: &str, direction: &str, when: &str, actors: &[&str]) -> String {
    let when = if when.is_empty() {
        String::new()
    } else {
        format!("when = '{when}'\n")
    };
    let actors: Vec<_> = actors.iter().map(|actor| format!("'{actor}'")).collect();
    format!(
        "[[policy]]\nname = \"{name}\"\ndevice = \"{DEVICE}\"\nhook = \"{direction}\"\n{when}do = [{}]\n",
        actors.join(", ")
    )
}
