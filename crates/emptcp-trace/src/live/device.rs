//! A device as a source of packets.

use super::block::{Captured, Cursor};
use super::ffi::{BLOCK_TIMEOUT, Ring};
use super::filter::{TAG, is_vlan, program};
use crate::{Error, Frame, Next, PacketNumber, Result, Source, Span, Timestamp};
use mptcp_wire::LinkType;
use nix::errno::Errno;
use nix::libc;
use nix::net::if_::{if_nameindex, if_nametoindex};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// All devices at once.
const ANY: &str = "any";

/// The longest wait before the stop flag is checked.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Settings of a live capture.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// Bytes captured of each packet, from the IP header on.
    pub snap_length: u32,
    /// Interval of [`Next::Quiet`], also under load.
    pub interval: Duration,
    /// Bytes of memory for packets that wait to be read.
    pub buffer: usize,
    /// The capture ends after this time.
    pub duration: Option<Duration>,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self {
            // The largest headers of IPv6 and TCP have 100 bytes; the rest is for extension headers.
            snap_length: 160,
            interval: Duration::from_secs(1),
            buffer: 16 << 20,
            duration: None,
        }
    }
}

/// Counters of a live capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// TCP packets that passed the filter, the dropped ones included.
    pub packets: u64,
    /// Packets that the kernel dropped, because they were not read fast enough.
    pub dropped: u64,
}

/// A device, or all devices, as a source. The socket is closed with it.
#[derive(Debug)]
pub struct Device {
    name: Arc<str>,
    ring: Ring,
    cursor: Option<Cursor>,
    settings: DeviceSettings,
    stop: Arc<AtomicBool>,
    counters: Cell<Counters>,
    number: u64,
    newest: Timestamp,
    begun: Instant,
    next_quiet: Instant,
    /// Packets until the clock is read again.
    patience: u32,
}

/// The next step of the source.
enum NextStep {
    Packet,
    Wait(Duration),
    Quiet,
    End,
}

impl Device {
    /// Opens a device of the calling thread's network namespace; `any` for all of them.
    ///
    /// # Errors
    /// [`Error::Io`] with the name of the device and, when the device or the privilege to capture is missing, what to
    /// do.
    pub fn open(name: &str, settings: DeviceSettings) -> Result<Self> {
        let failed = |source: io::Error| Error::Io {
            path: name.into(),
            source,
        };
        let index = match name {
            ANY => 0,
            _ => if_nametoindex(name).map_err(|errno| failed(unknown(errno)))?,
        };
        let filter = program(settings.snap_length);
        let ring = Ring::open(index, &filter, settings.buffer).map_err(|error| failed(explained(error)))?;
        let now = Instant::now();
        Ok(Self {
            name: name.into(),
            ring,
            cursor: None,
            settings,
            stop: Arc::default(),
            counters: Cell::default(),
            number: 0,
            newest: Timestamp(i64::MIN),
            begun: now,
            next_quiet: now + settings.interval,
            patience: 0,
        })
    }

    /// A flag that ends the capture when it is set, by a signal handler or another thread.
    #[must_use]
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// The counters since the capture began.
    ///
    /// # Errors
    /// The error of the kernel.
    pub fn counters(&self) -> io::Result<Counters> {
        let since = self.ring.statistics()?;
        let mut counters = self.counters.get();
        counters.packets += u64::from(since.packets);
        counters.dropped += u64::from(since.drops);
        self.counters.set(counters);
        Ok(counters)
    }

    fn next_step(&mut self) -> NextStep {
        if self.stop.load(Ordering::Relaxed) {
            return NextStep::End;
        }
        let packet_ready = self.cursor.is_some();
        // Do not read the clock for every packet.
        if packet_ready && self.patience > 0 {
            self.patience -= 1;
            return NextStep::Packet;
        }
        self.patience = 64;
        let now = Instant::now();
        if self.settings.duration.is_some_and(|most| now - self.begun >= most) {
            return NextStep::End;
        }
        if now >= self.next_quiet {
            self.next_quiet = now + self.settings.interval;
            return NextStep::Quiet;
        }
        if packet_ready {
            return NextStep::Packet;
        }
        NextStep::Wait((self.next_quiet - now).min(LONGEST_WAIT))
    }

    /// Waits for a block. A device that is down may come up again; a deleted device is an error.
    fn wait(&self, most: Duration) -> io::Result<()> {
        let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::ZERO);
        let mut polled = [PollFd::new(self.ring.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, timeout) {
            // A signal: check the stop flag next.
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        let events = polled.first().and_then(PollFd::revents).unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLERR) {
            if &*self.name != ANY && if_nametoindex(&*self.name).is_err() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the device does not exist any more",
                ));
            }
            // Reading the error clears it, so that the next wait can block.
            nix::sys::socket::getsockopt(&self.ring, nix::sys::socket::sockopt::SocketError)?;
        }
        Ok(())
    }

    /// The current time, but not later than packets that may still be in the ring.
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        (now + Span(-2_000_000 * i64::from(BLOCK_TIMEOUT))).max(self.newest)
    }
}

/// Whether this copy of a packet counts. On loopback each packet is captured twice, on egress and on ingress.
fn is_wanted(captured: &Captured) -> bool {
    captured.device_type != libc::ARPHRD_LOOPBACK || captured.kind != libc::PACKET_OUTGOING
}

impl Source for Device {
    fn next(&mut self) -> Result<Next<'_>> {
        loop {
            if self.cursor.is_none() {
                self.cursor = self.ring.block().map(Cursor::begin);
            }
            match self.next_step() {
                NextStep::End => return Ok(Next::End),
                NextStep::Quiet => return Ok(Next::Quiet(self.now())),
                NextStep::Wait(most) => {
                    let waited = self.wait(most);
                    waited.map_err(|source| Error::Io {
                        path: (&*self.name).into(),
                        source,
                    })?;
                }
                NextStep::Packet => {
                    let found = match (self.ring.block(), &mut self.cursor) {
                        (Some(block), Some(cursor)) => std::iter::from_fn(|| cursor.next(block)).find(is_wanted),
                        _ => None,
                    };
                    let Some(captured) = found else {
                        self.cursor = None;
                        self.ring.release();
                        continue;
                    };
                    self.number += 1;
                    self.newest = self.newest.max(captured.time);
                    let tag = if is_vlan(captured.ether_type) { TAG } else { 0 };
                    let bytes = captured.bytes.start + tag as usize..captured.bytes.end;
                    let bytes = self.ring.block().and_then(|block| block.get(bytes));
                    return Ok(Next::Frame(Frame {
                        number: PacketNumber(self.number),
                        time: captured.time,
                        link: Ok(LinkType::RawIp),
                        original_length: captured.length.saturating_sub(tag),
                        bytes: bytes.unwrap_or_default(),
                    }));
                }
            }
        }
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

/// The error for an unknown device, with the names of existing ones.
fn unknown(errno: Errno) -> io::Error {
    let names = if_nameindex().map(|devices| {
        let names = devices
            .iter()
            .map(|device| device.name().to_string_lossy().into_owned());
        names.chain([ANY.to_owned()]).collect::<Vec<_>>().join(", ")
    });
    match names {
        Ok(names) => io::Error::new(
            io::ErrorKind::NotFound,
            format!("no such device; existing devices: {names}"),
        ),
        Err(_) => errno.into(),
    }
}

fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => io::Error::new(
            io::ErrorKind::PermissionDenied,
            "capturing needs the capability CAP_NET_RAW: run it as root, or give the program that capability \
             (setcap cap_net_raw+ep)",
        ),
        _ => error,
    }
}
