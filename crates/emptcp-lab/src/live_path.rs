//! A path of a running lab.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::emulator::EmulatedPath;
use crate::error::{LabError, Result};
use crate::netns::NetworkNamespace;
use crate::path::{Path, Rate};
use crate::topology::{self, End};

/// A running path, which can be changed.
pub struct LivePath {
    index: usize,
    path: Mutex<Path>,
    middle: NetworkNamespace,
    emulated: Option<EmulatedPath>,
}

/// Counters of the emulator of a path, in packets after segmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathCounters {
    /// Packets that came from the client.
    pub from_client: u64,
    /// Packets delivered to the server; the others wait, were lost or did not fit the queue.
    pub to_server: u64,
    /// Packets that came from the server.
    pub from_server: u64,
    /// Packets delivered to the client.
    pub to_client: u64,
    /// Packets that a device refused, e.g. because it was down.
    pub refused: u64,
}

impl LivePath {
    pub(crate) fn new(index: usize, path: Path, middle: NetworkNamespace, emulated: Option<EmulatedPath>) -> Self {
        Self {
            index,
            path: Mutex::new(path),
            middle,
            emulated,
        }
    }

    /// Number of the path, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The current description of the path.
    pub fn path(&self) -> Path {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes rate, delay, jitter, loss or queue while traffic runs, e.g. `update(|path| path.loss(0.01))`. Packets
    /// already in flight keep their delay.
    ///
    /// # Errors
    /// For a path without emulator; for a change of addresses or MTU, which are fixed.
    pub fn update(&self, change: impl FnOnce(Path) -> Path) -> Result<()> {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = change(path.clone());
        wanted.check()?;
        let fixed = |path: &Path| (path.ip, path.mtu, path.backup, path.emulated);
        let Some(emulated) = &self.emulated else {
            return Err(self.not_emulated());
        };
        if fixed(&path) != fixed(&wanted) {
            return Err(LabError::Invalid {
                what: format!(
                    "IP versions, MTU and backup of path {} cannot change while it runs",
                    self.index
                ),
                advice: "build another lab".to_owned(),
            });
        }
        emulated.set(&wanted)?;
        *path = wanted;
        Ok(())
    }

    /// Sets the rate each way: short for [`LivePath::update`].
    pub fn set_rate(&self, rate: Rate) -> Result<()> {
        self.update(|path| path.rate(rate))
    }

    /// Sets the probability of loss each way: short for [`LivePath::update`].
    pub fn set_loss(&self, probability: f64) -> Result<()> {
        self.update(|path| path.loss(probability))
    }

    /// Connects or disconnects the path at the client: its device loses its carrier, while addresses and routes stay.
    /// To lose all packets without a visible change at the hosts, set a loss of 1.
    pub fn set_carrier(&self, plugged: bool) -> Result<()> {
        if self.emulated.is_none() {
            return Err(self.not_emulated());
        }
        let device = topology::emulator_device(self.index, End::Client);
        let state = if plugged { "up" } else { "down" };
        self.middle
            .command("ip", &["link", "set", "dev", &device, state])
            .map(drop)
    }

    /// Counters of the emulator; `None` for a direct path.
    pub fn counters(&self) -> Option<PathCounters> {
        let [client, server] = self.emulated.as_ref()?.counters();
        Some(PathCounters {
            from_client: client.received.load(Ordering::Relaxed),
            to_client: client.sent.load(Ordering::Relaxed),
            from_server: server.received.load(Ordering::Relaxed),
            to_server: server.sent.load(Ordering::Relaxed),
            refused: client.refused.load(Ordering::Relaxed) + server.refused.load(Ordering::Relaxed),
        })
    }

    fn not_emulated(&self) -> LabError {
        LabError::Invalid {
            what: format!("path {} is a direct one, without an emulator", self.index),
            advice: "describe it with `Path::new()`".to_owned(),
        }
    }
}
