//! One emulated path: two chains of cells, and the handles by which they change at run time.
//!
//! The cells run in our own tasks, not under `RattanCore`, which yields to the scheduler, and so polls the kernel,
//! after each packet in each cell (0.56 against 0.48 of a CPU for 100 Mbit/s, both without optimisation; with it 0.25
//! to 0.45, most of which is wake-ups and the hosts' TCP, which runs in the sending system call).

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rattan_core::cells::bandwidth::queue::{DropTailQueue, DropTailQueueConfig};
use rattan_core::cells::bandwidth::{BwCell, BwCellConfig, BwCellControlInterface, BwType, MAX_BANDWIDTH};
use rattan_core::cells::loss::{LossCell, LossCellConfig, LossCellControlInterface};
use rattan_core::cells::{Cell, CellState, ControlInterface, Egress, Ingress, StdPacket};
use rattan_core::error::Error;
use rattan_core::netem_trace::Bandwidth;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::delay::{DelayCell, DelayConfig, DelayControl};
use super::device::{DeviceCounters, DeviceReceiver, DeviceSender};
use super::socket::PacketSocket;
use crate::error::{LabError, Result};
use crate::path::{Link, Path};

type TailDrop = DropTailQueue<StdPacket>;

/// The running emulation of one path. Dropping stops it.
pub(crate) struct EmulatedPath {
    index: usize,
    uplink: LinkControl,
    downlink: LinkControl,
    counters: [Arc<DeviceCounters>; 2],
}

/// The handles of one chain.
struct LinkControl {
    loss: Arc<LossCellControlInterface>,
    rate: Arc<BwCellControlInterface<StdPacket, TailDrop>>,
    delay: Arc<DelayControl>,
    tasks: [JoinHandle<()>; 3],
}

impl EmulatedPath {
    /// Starts the emulation between two sockets: that of the device towards the client and that of the device towards
    /// the server.
    pub(crate) fn start(
        runtime: &Runtime,
        index: usize,
        path: &Path,
        seed: u64,
        client: PacketSocket,
        server: PacketSocket,
    ) -> Result<Self> {
        let failed = |error: Error| LabError::Emulator {
            path: index,
            message: error.to_string(),
        };
        let _context = runtime.enter();
        let counters = [Arc::new(DeviceCounters::default()), Arc::new(DeviceCounters::default())];
        let (client, server) = (Arc::new(client), Arc::new(server));
        let ends = |from: usize| {
            let sockets = [&client, &server];
            let receiver = DeviceReceiver::new(sockets[from].clone(), counters[from].clone());
            (
                receiver,
                DeviceSender::new(sockets[1 - from].clone(), counters[1 - from].clone()),
            )
        };
        let (receiver, sender) = ends(0);
        let uplink = LinkControl::start(receiver.map_err(failed)?, sender, &path.uplink, seed).map_err(failed)?;
        let (receiver, sender) = ends(1);
        let downlink =
            LinkControl::start(receiver.map_err(failed)?, sender, &path.downlink, seed ^ 1).map_err(failed)?;
        Ok(Self {
            index,
            uplink,
            downlink,
            counters,
        })
    }

    /// Changes the running path to `path`.
    pub(crate) fn set(&self, path: &Path) -> Result<()> {
        self.uplink
            .set(&path.uplink)
            .and_then(|()| self.downlink.set(&path.downlink))
            .map_err(|error| LabError::Emulator {
                path: self.index,
                message: error.to_string(),
            })
    }

    /// Counters of the ends towards the client and towards the server.
    pub(crate) fn counters(&self) -> &[Arc<DeviceCounters>; 2] {
        &self.counters
    }
}

impl LinkControl {
    /// Starts loss -> rate -> delay between two devices, in the context of a runtime. Loss comes first, so
    /// lost packets take no room in the queue.
    fn start(mut from: DeviceReceiver, to: DeviceSender, link: &Link, seed: u64) -> Result<Self, Error> {
        let loss = LossCell::new(loss_pattern(link), StdRng::seed_from_u64(seed))?;
        let rate = BwCell::new(bandwidth(link), DropTailQueue::new(queue(link)), BwType::NetworkLayer)?;
        let delay = DelayCell::new(delay_config(link), seed.rotate_left(17))?;
        let controls = (
            loss.control_interface(),
            rate.control_interface(),
            delay.control_interface(),
        );

        let (into_loss, into_rate, into_delay) = (loss.sender(), rate.sender(), delay.sender());
        let mut after_loss = running(loss.into_receiver());
        let mut after_rate = running(rate.into_receiver());
        let mut after_delay = delay.into_receiver();
        let tasks = [
            tokio::spawn(async move {
                while let Some(packet) = from.receive().await {
                    // The loss cell never delays.
                    if into_loss.enqueue(packet).is_ok()
                        && let Some(packet) = after_loss.dequeue().await
                        && into_rate.enqueue(packet).is_err()
                    {
                        return;
                    }
                }
            }),
            tokio::spawn(async move {
                loop {
                    // `None` means "not yet": the cell ends only with the task before it, which is stopped at the same
                    // time.
                    if let Some(packet) = after_rate.dequeue().await
                        && into_delay.enqueue(packet).is_err()
                    {
                        return;
                    }
                }
            }),
            tokio::spawn(async move {
                while let Some(packet) = after_delay.dequeue().await {
                    to.send(&packet);
                }
            }),
        ];
        Ok(Self {
            loss: controls.0,
            rate: controls.1,
            delay: controls.2,
            tasks,
        })
    }

    fn set(&self, link: &Link) -> Result<(), Error> {
        self.loss.set_config(LossCellConfig::new(loss_pattern(link)))?;
        self.rate
            .set_config(BwCellConfig::new(bandwidth(link), queue(link), None))?;
        self.delay.set_config(delay_config(link))
    }
}

impl Drop for LinkControl {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Cells drop all packets until they are started.
fn running<E: Egress<StdPacket>>(mut egress: E) -> E {
    egress.reset();
    egress.change_state(CellState::Normal);
    egress
}

fn loss_pattern(link: &Link) -> Vec<f64> {
    // One number: every packet is lost with this probability, independently.
    vec![link.loss]
}

fn bandwidth(link: &Link) -> Bandwidth {
    link.rate
        .map_or(MAX_BANDWIDTH, |rate| Bandwidth::from_bps(rate.bits_per_second()))
}

fn queue(link: &Link) -> DropTailQueueConfig {
    DropTailQueueConfig::new(None, link.queue_bytes(), BwType::NetworkLayer)
}

fn delay_config(link: &Link) -> DelayConfig {
    DelayConfig {
        delay: link.delay,
        jitter: link.jitter,
    }
}
