//! Propagation delay with jitter that keeps packets in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rattan_core::cells::{Cell, ControlInterface, Egress, Ingress, Packet, StdPacket};
use rattan_core::error::Error;
use rattan_core::metal::timer::Timer;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Packets due within this time are sent together, which saves timers. It is far below any emulated delay.
const TOGETHER: Duration = Duration::from_micros(100);

/// Delay and jitter, both in nanoseconds so that they change without a lock.
#[derive(Debug, Default)]
pub(crate) struct DelayControl {
    delay: AtomicU64,
    jitter: AtomicU64,
}

/// The settings of a delay cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DelayConfig {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

impl ControlInterface for DelayControl {
    type Config = DelayConfig;

    fn set_config(&self, config: DelayConfig) -> Result<(), Error> {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        self.delay.store(nanoseconds(config.delay), Ordering::Relaxed);
        self.jitter.store(nanoseconds(config.jitter), Ordering::Relaxed);
        Ok(())
    }
}

pub(crate) struct DelayIngress(mpsc::UnboundedSender<StdPacket>);

impl Ingress<StdPacket> for DelayIngress {
    fn enqueue(&self, packet: StdPacket) -> Result<(), Error> {
        self.0
            .send(packet)
            .map_err(|_| Error::ChannelError("the delay cell has ended".to_owned()))
    }
}

pub(crate) struct DelayEgress {
    arriving: mpsc::UnboundedReceiver<StdPacket>,
    waiting: VecDeque<(Instant, StdPacket)>,
    control: Arc<DelayControl>,
    random: StdRng,
    timer: Timer,
}

impl DelayEgress {
    fn accept(&mut self, packet: StdPacket) {
        let delay = self.control.delay.load(Ordering::Relaxed);
        let jitter = self.control.jitter.load(Ordering::Relaxed);
        let low = delay.saturating_sub(jitter);
        let delay = if jitter == 0 {
            delay
        } else {
            self.random.random_range(low..=delay + jitter)
        };
        let due = packet.get_timestamp() + Duration::from_nanos(delay);
        // Packets stay in order, also when the delay becomes shorter.
        let due = self.waiting.back().map_or(due, |(last, _)| due.max(*last));
        self.waiting.push_back((due, packet));
    }
}

#[async_trait]
impl Egress<StdPacket> for DelayEgress {
    async fn dequeue(&mut self) -> Option<StdPacket> {
        loop {
            while let Ok(packet) = self.arriving.try_recv() {
                self.accept(packet);
            }
            let now = Instant::now();
            match self.waiting.front() {
                Some((due, _)) if *due <= now + TOGETHER => {
                    let (due, mut packet) = self.waiting.pop_front()?;
                    packet.delay_until(due);
                    return Some(packet);
                }
                Some((due, _)) => {
                    let wait = *due - now;
                    tokio::select! {
                        biased;
                        packet = self.arriving.recv() => self.accept(packet?),
                        _ = self.timer.sleep(wait) => {}
                    }
                }
                None => {
                    let packet = self.arriving.recv().await?;
                    self.accept(packet);
                }
            }
        }
    }
}

pub(crate) struct DelayCell {
    ingress: Arc<DelayIngress>,
    egress: DelayEgress,
    control: Arc<DelayControl>,
}

impl DelayCell {
    /// Must be called in the context of a runtime.
    pub(crate) fn new(config: DelayConfig, seed: u64) -> Result<Self, Error> {
        let (sender, arriving) = mpsc::unbounded_channel();
        let control = Arc::new(DelayControl::default());
        control.set_config(config)?;
        let egress = DelayEgress {
            arriving,
            waiting: VecDeque::new(),
            control: control.clone(),
            random: StdRng::seed_from_u64(seed),
            timer: Timer::new()?,
        };
        Ok(Self {
            ingress: Arc::new(DelayIngress(sender)),
            egress,
            control,
        })
    }
}

impl Cell<StdPacket> for DelayCell {
    type IngressType = DelayIngress;
    type EgressType = DelayEgress;
    type ControlInterfaceType = DelayControl;

    fn sender(&self) -> Arc<DelayIngress> {
        self.ingress.clone()
    }

    fn receiver(&mut self) -> &mut DelayEgress {
        &mut self.egress
    }

    fn into_receiver(self) -> DelayEgress {
        self.egress
    }

    fn control_interface(&self) -> Arc<DelayControl> {
        self.control.clone()
    }
}
