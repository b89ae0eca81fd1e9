//! One direction of a bulk transfer: a thread that writes and a thread that reads and compares.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::payload::Payload;
use crate::error::{LabError, Result};
use crate::socket::Connection;

/// Length of reads and writes.
const BLOCK: usize = 64 * 1024;
/// How often a thread that waits for its socket checks its time limit.
const TICK: Duration = Duration::from_millis(100);

/// Bytes that one end of a stream has handled so far.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

impl Progress {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The size or duration of a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Bytes(u64),
    Duration(Duration),
}

/// Shared by both threads of a direction.
#[derive(Clone, Copy)]
pub(crate) struct StreamPlan<'a> {
    pub(crate) payload: Payload,
    pub(crate) verify: bool,
    pub(crate) begin: Instant,
    pub(crate) limit: Duration,
    /// Set: the sender stops now, gracefully.
    pub(crate) stop: &'a AtomicBool,
    /// Set: another thread failed, so stop waiting.
    pub(crate) abort: &'a AtomicBool,
}

/// The result of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Bytes that the sender wrote.
    pub sent: u64,
    /// Bytes that the receiver read; all are right if the transfer was verified.
    pub received: u64,
    /// From the begin of the transfer to the first byte at the receiver.
    pub first_byte: Duration,
    /// From the begin of the transfer to the end of the stream at the receiver.
    pub elapsed: Duration,
}

impl StreamReport {
    /// Received bytes over the whole time, in Mbit/s.
    pub fn goodput(&self) -> f64 {
        self.received as f64 * 8e-6 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl StreamPlan<'_> {
    fn over(&self) -> Result<()> {
        if self.begin.elapsed() > self.limit || self.abort.load(Ordering::Relaxed) {
            return Err(LabError::Timeout {
                what: "a bulk transfer".to_owned(),
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Writes `amount` and then ends the stream; returns the bytes written.
    pub(crate) fn send(&self, connection: &Connection, amount: Amount, progress: &Progress) -> Result<u64> {
        let mut socket = connection.as_tcp();
        let failed = |error| LabError::system(format!("sending from {}", connection.local()), error);
        socket.set_write_timeout(Some(TICK)).map_err(failed)?;
        let mut buffer = vec![0; BLOCK];
        // Compute unverified payload only once.
        self.payload.fill(0, &mut buffer);
        let mut sent = 0;
        // Bytes of the buffer that are not written yet.
        let mut waiting = 0..0;
        loop {
            let left = match amount {
                Amount::Bytes(bytes) => bytes - sent,
                Amount::Duration(time) if self.begin.elapsed() < time => u64::MAX,
                Amount::Duration(_) => 0,
            };
            if left == 0 || self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.over()?;
            if waiting.is_empty() {
                waiting = 0..BLOCK;
                if self.verify && sent > 0 {
                    self.payload.fill(sent, &mut buffer);
                }
            }
            let part = waiting.start
                ..waiting
                    .end
                    .min(waiting.start.saturating_add(usize::try_from(left).unwrap_or(BLOCK)));
            match socket.write(&buffer[part]) {
                Ok(written) => {
                    sent += written as u64;
                    waiting.start += written;
                    progress.0.store(sent, Ordering::Relaxed);
                }
                Err(error) if is_timeout(error.kind()) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        socket.shutdown(Shutdown::Write).map_err(failed)?;
        Ok(sent)
    }

    /// Reads to the end of the stream; `sent` of the report is left for the caller to fill.
    pub(crate) fn receive(&self, connection: &Connection, progress: &Progress) -> Result<StreamReport> {
        let mut socket = connection.as_tcp();
        let failed = |error| LabError::system(format!("receiving at {}", connection.local()), error);
        socket.set_read_timeout(Some(TICK)).map_err(failed)?;
        let (mut buffer, mut scratch) = (vec![0; BLOCK], Vec::new());
        let mut report = StreamReport {
            sent: 0,
            received: 0,
            first_byte: Duration::ZERO,
            elapsed: Duration::ZERO,
        };
        loop {
            self.over()?;
            let read = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if is_timeout(error.kind()) => continue,
                Err(error) => return Err(failed(error)),
            };
            if report.received == 0 {
                report.first_byte = self.begin.elapsed();
            }
            if self.verify
                && let Some((at, expected, wrong_in_block)) =
                    self.payload
                        .first_difference(report.received, &buffer[..read], &mut scratch)
            {
                return Err(LabError::Payload {
                    from: connection.remote(),
                    to: connection.local(),
                    offset: report.received + at as u64,
                    expected,
                    found: buffer[at],
                    wrong_in_block,
                    block: read,
                });
            }
            report.received += read as u64;
            progress.0.store(report.received, Ordering::Relaxed);
        }
        report.elapsed = self.begin.elapsed();
        Ok(report)
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
