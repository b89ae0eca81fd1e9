//! The running test bed: it can be changed while it runs, and is removed on drop.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::error::{LabError, Result};
use crate::host::{Host, Interface};
use crate::live_path::LivePath;
use crate::names::{self, NamespaceGuard};
use crate::netns::NetworkNamespace;
use mptcp_wire::FourTuple;
use mptcp_wire::IpVersion;

/// Two MPTCP hosts joined by paths. Dropping it, also in a panic, removes everything that it created.
pub struct Lab {
    pub(crate) paths: Vec<LivePath>,
    pub(crate) client: Host,
    pub(crate) server: Host,
    pub(crate) gateway: Option<Host>,
    pub(crate) middle: NetworkNamespace,
    pub(crate) emulator_thread: String,
    // The fields are dropped in this order: first the emulation, then its thread, then the namespaces.
    pub(crate) _runtime: Arc<Runtime>,
    pub(crate) _namespaces: NamespaceGuard,
}

impl Lab {
    /// The host that opens connections.
    pub fn client(&self) -> &Host {
        &self.client
    }

    /// The host that accepts connections.
    pub fn server(&self) -> &Host {
        &self.server
    }

    /// The router in front of the server, with [`Topology::Gateway`](crate::Topology::Gateway).
    pub fn gateway(&self) -> Option<&Host> {
        self.gateway.as_ref()
    }

    /// The namespace of the emulator. Its devices `client1`, `server1` and so on are in the middle of path 1, for
    /// captures.
    pub fn middle(&self) -> &NetworkNamespace {
        &self.middle
    }

    /// The paths, in the order of their description.
    pub fn paths(&self) -> &[LivePath] {
        &self.paths
    }

    /// Path `index`, counted from 0.
    ///
    /// # Panics
    /// If there is no such path.
    pub fn path(&self, index: usize) -> &LivePath {
        &self.paths[index]
    }

    /// CPU time that the emulator of this lab has used so far.
    pub fn emulator_cpu(&self) -> Result<Duration> {
        let failed = |error| LabError::system("reading the CPU time of the emulator", error);
        for task in fs::read_dir("/proc/self/task").map_err(failed)?.flatten() {
            let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if comm.trim_end() != self.emulator_thread {
                continue;
            }
            // First number of schedstat: time on the CPU in nanoseconds.
            let text = fs::read_to_string(task.path().join("schedstat")).map_err(failed)?;
            if let Some(nanoseconds) = text.split_whitespace().next().and_then(|word| word.parse().ok()) {
                return Ok(Duration::from_nanos(nanoseconds));
            }
        }
        Err(LabError::Unsupported {
            feature: "CPU time per thread",
            reason: format!("no thread {} with a schedstat", self.emulator_thread),
        })
    }

    /// The address of the server to which a client connects so that the first subflow takes path `path`.
    pub fn server_address(&self, path: usize, version: IpVersion) -> Result<IpAddr> {
        self.server.address(path, version)
    }

    /// The path that a subflow takes, seen from either host; `None` if it has no address of the client.
    pub fn path_of(&self, subflow: &FourTuple) -> Option<usize> {
        let is_client = |interface: &Interface, address: IpAddr| {
            interface.v4.map(IpAddr::V4) == Some(address) || interface.v6.map(IpAddr::V6) == Some(address)
        };
        self.client
            .interfaces()
            .iter()
            .position(|interface| is_client(interface, subflow.local.ip()) || is_client(interface, subflow.remote.ip()))
    }

    /// Removes the namespaces of labs whose process has died (for example by SIGKILL) and returns their names. Labs of
    /// running processes and other namespaces are not changed.
    pub fn sweep() -> Result<Vec<String>> {
        names::sweep()
    }

    /// From now on SIGINT and SIGTERM remove all labs of this process before it ends. For programs; after interrupted
    /// tests, use [`Lab::sweep`].
    pub fn clean_up_on_signals() -> Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        static INSTALLED: std::sync::OnceLock<()> = std::sync::OnceLock::new();
        if INSTALLED.set(()).is_err() {
            return Ok(());
        }
        let failed = |error| LabError::system("waiting for signals", error);
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        std::thread::Builder::new()
            .name("lab signals".to_owned())
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    names::remove_all_live();
                    if let Err(error) = signal_hook::low_level::emulate_default_handler(signal) {
                        tracing::warn!(%error, signal, "this process could not be ended by its signal");
                    }
                }
            })
            .map(drop)
            .map_err(failed)
    }
}
