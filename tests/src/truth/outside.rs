//! Kernel set-up that shows the effect of a policy: routing rules, classes of a queueing discipline, ECN.

use super::{case::Case, seen};
use crate::live::Bed;
use emptcp_lab::Host;
use emptcp_packet::{ApplyOptions, instance::DEFAULT};
use std::process::Command;

/// The set-up for the time of a case.
#[derive(Clone, Copy, Debug)]
pub enum Outside {
    /// Nothing.
    Nothing,
    /// Packets with a mark are discarded (blackhole route): arguments of `ip rule`.
    BlackHole(&'static str),
    /// HTB on the second path with a default class and one for marked packets.
    Classes {
        /// A filter looks at the mark, with the value 77; else only the priority chooses, with 458754, which is 7:2.
        by_mark: bool,
    },
    /// Both hosts use ECN.
    Ecn,
}

/// The device of the second path.
const DEVICE: &str = "path2";

/// In classic BPF, so that it needs no program of ours: mark 77 is class 7:2, any other the default.
const MARK_77: &str = "4,32 0 0 4294963220,21 0 1 77,6 0 0 458754,6 0 0 0";

/// Packets of each class: the default one, and that of marked packets.
pub type Packets = [u64; 2];

/// The installed set-up; removed on drop.
pub(super) struct Installed<'a> {
    bed: &'a Bed,
    at: &'a Host,
    what: Outside,
    ipv6: bool,
}

fn command(host: &Host, words: &[&str]) -> Result<String, String> {
    let output = host
        .run(|| Command::new(words[0]).args(&words[1..]).output())
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("{words:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// XDP programs, which only count, at the other ends of the hosts' devices. Without one there, veth does not deliver
/// packets that a native XDP program sends back (`veth_xdp_flush` in the kernel).
pub(super) struct XdpPeers<'a>(&'a Bed);

impl<'a> XdpPeers<'a> {
    pub(super) fn set_up(bed: &'a Bed) -> Result<Self, String> {
        let text = "[[policy]]\nname = \"peers\"\ndevice = [\"client1\", \"client2\", \"server1\", \"server2\"]\n\
                    hook = \"ingress\"\nattach = \"xdp-native\"\ndo = ['count']\n";
        let plan =
            emptcp_plan::compile("peers.toml", text, &bed.catalog.manifests()).map_err(|error| error.to_string())?;
        let apply = || emptcp_packet::apply(DEFAULT, &plan, text, &bed.catalog, &ApplyOptions::default());
        bed.lab
            .middle()
            .run(apply)
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(Self(bed))
    }
}

impl Drop for XdpPeers<'_> {
    fn drop(&mut self) {
        match self.0.lab.middle().run(|| emptcp_packet::remove(DEFAULT)) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => eprintln!("{error}"),
            Err(error) => eprintln!("{error}"),
        }
    }
}

fn rule(at: &Host, ipv6: bool, verb: &str, words: &str) -> Result<String, String> {
    let mut all = vec!["ip", if ipv6 { "-6" } else { "-4" }, "rule", verb];
    all.extend(words.split(' '));
    all.extend(["prio", "5", "blackhole"]);
    command(at, &all)
}

impl<'a> Installed<'a> {
    pub(super) fn set_up(bed: &'a Bed, case: &Case, what: Outside) -> Result<Self, String> {
        let standing = Self {
            bed,
            at: seen::host(bed, case.place),
            what,
            ipv6: case.ipv6,
        };
        let at = standing.at;
        match what {
            Outside::Nothing => {}
            Outside::BlackHole(words) => drop(rule(at, case.ipv6, "add", words)?),
            Outside::Classes { by_mark } => {
                let tc = |words: &str| {
                    let words: Vec<&str> = words.split(' ').collect();
                    command(at, &words).map(drop)
                };
                tc(&format!("tc qdisc replace dev {DEVICE} root handle 7: htb default 1"))?;
                for class in [1, 2] {
                    tc(&format!(
                        "tc class add dev {DEVICE} parent 7: classid 7:{class} htb rate 1gbit quantum 60000"
                    ))?;
                }
                if by_mark {
                    let words = format!("tc filter add dev {DEVICE} parent 7: protocol all bpf bytecode");
                    let mut words: Vec<&str> = words.split(' ').collect();
                    words.push(MARK_77);
                    command(at, &words)?;
                }
            }
            Outside::Ecn => standing.ecn(1)?,
        }
        Ok(standing)
    }

    /// What `tc -s class` counts.
    pub(super) fn packets(&self) -> Result<Packets, String> {
        let mut packets = [0; 2];
        if !matches!(self.what, Outside::Classes { .. }) {
            return Ok(packets);
        }
        let text = command(self.at, &["tc", "-s", "class", "show", "dev", DEVICE])?;
        for (number, packets) in packets.iter_mut().enumerate() {
            let class = format!("class htb 7:{} ", number + 1);
            let counted = text.split_once(&class).and_then(|(_, rest)| {
                let (_, sent) = rest.split_once(" Sent ")?;
                sent.split_whitespace().nth(2)?.parse().ok()
            });
            *packets = counted.ok_or_else(|| format!("no number of packets of {class}in: {text}"))?;
        }
        Ok(packets)
    }

    fn ecn(&self, value: u8) -> Result<(), String> {
        for host in self.bed.hosts() {
            host.set_sysctl("net.ipv4.tcp_ecn", value)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        let undone = match self.what {
            Outside::Nothing => Ok(()),
            Outside::BlackHole(words) => rule(self.at, self.ipv6, "del", words).map(drop),
            Outside::Classes { .. } => command(self.at, &["tc", "qdisc", "del", "dev", DEVICE, "root"]).map(drop),
            // The kernel's default: use it when asked.
            Outside::Ecn => self.ecn(2),
        };
        if let Err(error) = undone {
            eprintln!("{error}");
        }
    }
}
