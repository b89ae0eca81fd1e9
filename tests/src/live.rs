//! Policies on live MPTCP: a lab, the policy sets of its hosts, and the measured rates.
//!
//! * [`Bed`]: a test bed, a lab whose hosts have policies; dropping it removes everything.
//! * [`Rates`]: the rate of each path between two moments.

use crate::command::output_of;
use emptcp_abi::Flow;
use emptcp_lab::{Counter, End, Host, Lab, LabBuilder, LabError, Mib, Offloads, Path, Rate, RunningBulk, TimeSeries};
use emptcp_packet::{Applied, ApplyOptions, Catalog, Instance, instance::DEFAULT, stats::Stats};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Round trips of the two paths of most tests.
pub const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(50)];

/// Rate of both, Mbit/s.
pub const PATH_RATE: u64 = 50;

/// Describes the lab of most tests: two paths of 50 Mbit/s, with 20 and 50 ms.
pub fn two_paths() -> LabBuilder {
    ROUND_TRIPS.into_iter().fold(Lab::builder(), |lab, rtt| {
        lab.path(Path::with(Rate::mbit(PATH_RATE), rtt))
    })
}

/// Waits for a condition, at most 30 seconds: a busy machine must not make a test fail.
///
/// # Panics
/// When the condition does not become true.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < seconds(30.0), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds as a duration.
pub fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(time)
}

/// A test bed: a lab whose hosts have policies. Measuring tests must not run in parallel, so a bed holds a lock of the
/// process.
pub struct Bed {
    /// The lab.
    pub lab: Lab,
    /// The elements that are shipped.
    pub catalog: Catalog,
    begin: [Mib; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Bed {
    /// Builds the lab; `None`, with a message, if this machine does not support labs.
    ///
    /// # Panics
    /// When the machine supports labs, but building one fails.
    pub fn new(builder: LabBuilder) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = match builder.build() {
            Ok(lab) => lab,
            Err(LabError::Unsupported { feature, reason }) => {
                assert!(
                    std::env::var_os("EMPTCP_REQUIRE_ROOT").is_none(),
                    "there is no {feature}: {reason}"
                );
                eprintln!("skipped: this machine does not offer {feature} ({reason})");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let begin = [lab.client().mib().unwrap(), lab.server().mib().unwrap()];
        Some(Self {
            lab,
            catalog: Catalog::load().unwrap(),
            begin,
            _alone: alone,
        })
    }

    /// Puts a policy set in force on a host.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply(&self, host: &Host, policies: &str) -> Applied {
        self.apply_with(host, policies, &ApplyOptions::default())
    }

    /// The same, with options.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply_with(&self, host: &Host, policies: &str, options: &ApplyOptions) -> Applied {
        let plan = emptcp_plan::compile("live.toml", policies, &self.catalog.manifests())
            .unwrap_or_else(|mistakes| panic!("{mistakes}\n{policies}"));
        host.run(|| emptcp_packet::apply(DEFAULT, &plan, policies, &self.catalog, options))
            .unwrap()
            .unwrap_or_else(|error| panic!("{error}\n{policies}"))
    }

    /// Removes the policies of a host.
    ///
    /// # Panics
    /// When there are none.
    pub fn remove(&self, host: &Host) {
        host.run(|| emptcp_packet::remove(DEFAULT)).unwrap().unwrap();
    }

    /// Counters of a host's policies.
    ///
    /// # Panics
    /// When it has none.
    pub fn stats(&self, host: &Host) -> Stats {
        host.run(|| Instance::open(DEFAULT).and_then(|instance| instance.stats(&self.catalog)))
            .unwrap()
            .unwrap()
    }

    /// The records of a host, by local and remote end of the subflow.
    ///
    /// # Panics
    /// When it has no policies.
    pub fn records(&self, host: &Host) -> BTreeMap<(SocketAddr, SocketAddr), Flow> {
        let read = || Instance::open(DEFAULT).and_then(|instance| instance.raw_records());
        let records = host.run(read).unwrap().unwrap();
        records
            .into_iter()
            .map(|(key, flow)| ((key.local(), key.remote()), flow))
            .collect()
    }

    /// A counter of the first element of this name in a policy, in packets.
    ///
    /// # Panics
    /// When the policy, the element or the counter is not there.
    pub fn counted(&self, host: &Host, policy: &str, element: &str, counter: &str) -> u64 {
        let stats = self.stats(host);
        let policy = stats
            .policies
            .iter()
            .find(|found| found.name == policy)
            .expect("the policy is in force");
        let element = policy
            .elements
            .iter()
            .find(|found| found.element == element)
            .expect("the policy has the element");
        element
            .counters
            .iter()
            .find(|found| found.name == counter)
            .expect("the element has the counter")
            .counter
            .packets
    }

    /// Asserts that no connection fell back to TCP and no checksum was wrong, on either host, since the bed was built.
    ///
    /// # Panics
    /// When there was a fallback or a wrong checksum.
    pub fn assert_clean(&self, what: &str) {
        for (host, before) in self.hosts().into_iter().zip(&self.begin) {
            let change = host.mib().unwrap().since(before);
            assert_eq!(change.fallback_causes(), [], "{what}: {}", host.role());
            assert_eq!(change.checksum_errors(), 0, "{what}: {}", host.role());
        }
    }

    /// From now on new sockets send no aggregates: each packet at the hooks is one segment. (Without segmentation
    /// offload the kernel still passes aggregates through tc and splits them afterwards.)
    ///
    /// # Panics
    /// When `ip` cannot do it.
    pub fn forbid_aggregates(&self) {
        for host in self.hosts() {
            host.set_all_offloads(Offloads::OFF).unwrap();
            for interface in host.interfaces() {
                shell(host, &format!("ip link set dev {} gso_max_segs 1", interface.device));
            }
        }
    }

    /// Client and server.
    pub fn hosts(&self) -> [&Host; 2] {
        [self.lab.client(), self.lab.server()]
    }

    /// Rate of the subflow on each path as the server received it between two moments, in seconds after the begin.
    pub fn rates(&self, series: &TimeSeries, from: f64, to: f64) -> Rates {
        let mut rates = [0.0; 2];
        for subflow in series.subflows() {
            let Some(path) = self.lab.path_of(&subflow) else {
                continue;
            };
            rates[path] += series
                .throughput(&subflow, Counter::Received, seconds(from), seconds(to))
                .unwrap_or(0.0);
        }
        Rates(rates)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for host in self.hosts() {
            let removed = host.run(|| {
                for name in Instance::list().unwrap_or_default() {
                    if let Err(error) = emptcp_packet::remove(&name) {
                        eprintln!("removing the policies of {}: {error}", host.role());
                    }
                }
            });
            if let Err(error) = removed {
                eprintln!("{error}");
            }
        }
    }
}

/// Payload of the subflow on each path, Mbit/s.
#[derive(Clone, Copy, Debug)]
pub struct Rates(pub [f64; 2]);

impl Rates {
    /// Both together.
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// Runs a command in the namespace of a host; its words are separated by single spaces. Returns what it printed.
///
/// # Panics
/// When it fails.
pub fn shell(host: &Host, command: &str) -> String {
    let mut words = command.split(' ');
    host.run(|| output_of(Command::new(words.next().unwrap_or_default()).args(words)))
        .unwrap()
}

/// Sleeps until `time` seconds after the begin of a transfer.
pub fn until(transfer: &RunningBulk, time: f64) {
    thread::sleep(seconds(time).saturating_sub(transfer.elapsed()));
}

/// The server's samples so far.
pub fn at_server(transfer: &RunningBulk) -> TimeSeries {
    transfer.series(End::Server)
}
