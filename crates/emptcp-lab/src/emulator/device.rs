//! The two ends of a chain: one reads frames from a packet socket, the other writes frames to one.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rattan_core::cells::{Packet, StdPacket};
use rattan_core::error::Error;
use tokio::io::unix::AsyncFd;

use super::segment::Offload;
use super::socket::{FRAME_LIMIT, PacketSocket};

/// The most frames that are read from the socket before the first one is passed on: limits the latency of a burst.
const BATCH: usize = 32;

/// What passed an end of a path. Counts packets after segmentation.
#[derive(Debug, Default)]
pub(crate) struct DeviceCounters {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// Sends immediately, without a queue, so that all queueing is that of the emulated path.
pub(crate) struct DeviceSender {
    socket: Arc<PacketSocket>,
    counters: Arc<DeviceCounters>,
}

impl DeviceSender {
    pub(crate) fn new(socket: Arc<PacketSocket>, counters: Arc<DeviceCounters>) -> Self {
        Self { socket, counters }
    }

    pub(crate) fn send(&self, packet: &StdPacket) {
        let counter = match self.socket.send(packet.as_slice()) {
            Ok(()) => &self.counters.sent,
            // The device is down, or has no room: a network card would also drop.
            Err(_) => &self.counters.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Receives frames and cuts aggregates into packets.
pub(crate) struct DeviceReceiver {
    socket: AsyncFd<Arc<PacketSocket>>,
    counters: Arc<DeviceCounters>,
    buffer: Vec<u8>,
    ready: VecDeque<StdPacket>,
}

impl DeviceReceiver {
    /// Must be called in the context of a runtime.
    pub(crate) fn new(socket: Arc<PacketSocket>, counters: Arc<DeviceCounters>) -> Result<Self, Error> {
        #[allow(deprecated)] // The successor is an unsafe function; our socket keeps its descriptor, as that demands.
        let socket = AsyncFd::new(socket)?;
        Ok(Self {
            socket,
            counters,
            buffer: vec![0; FRAME_LIMIT],
            ready: VecDeque::new(),
        })
    }

    /// The next packet; `None` when the runtime ends.
    pub(crate) async fn receive(&mut self) -> Option<StdPacket> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                self.counters.received.fetch_add(1, Ordering::Relaxed);
                return Some(packet);
            }
            let mut guard = self.socket.readable().await.ok()?;
            let taken = guard.try_io(|socket| take_batch(socket.get_ref(), &mut self.buffer, &mut self.ready));
            if let Ok(Err(error)) = taken {
                // E.g. the device went down: the socket reports it once and continues when the device is up again.
                tracing::debug!(%error, "packet socket");
            }
        }
    }
}

/// Takes a batch of frames. `WouldBlock` only if there was none, so that readiness is cleared at the right time.
fn take_batch(socket: &PacketSocket, buffer: &mut [u8], ready: &mut VecDeque<StdPacket>) -> io::Result<()> {
    for index in 0..BATCH {
        let length = match socket.receive(buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock && index > 0 => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some((offload, frame)) = Offload::split(&mut buffer[..length]) {
            offload.segments(frame, |packet| ready.push_back(StdPacket::from_raw_buffer(packet)));
        }
    }
    Ok(())
}
