//! A thread that reads the state of both ends of a connection from the kernel at a fixed interval.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::bulk::End;
use super::series::{Sample, TimeSeries};
use super::stream::Progress;
use crate::error::{LabError, Result};
use crate::netns::NetworkNamespace;
use crate::socket::{Connection, sock_diag};
use mptcp_netlink::SockDiag;

/// One end of the sampled connection.
pub(crate) struct SampledEnd {
    pub(crate) connection: Arc<Connection>,
    pub(crate) netns: NetworkNamespace,
    /// Bytes that the application of this end wrote and read.
    pub(crate) written: Option<Arc<Progress>>,
    pub(crate) read: Option<Arc<Progress>>,
}

/// The running sampler and its samples.
pub(crate) struct Sampler {
    series: Arc<Mutex<[TimeSeries; 2]>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sampler {
    /// Starts to sample the client's end and the server's end.
    pub(crate) fn start(begin: Instant, interval: Duration, ends: [SampledEnd; 2]) -> Result<Self> {
        let series = Arc::new(Mutex::new([TimeSeries::default(), TimeSeries::default()]));
        let stop = Arc::new(AtomicBool::new(false));
        let mut diags = [sock_diag(&ends[0].netns)?, sock_diag(&ends[1].netns)?];
        let (seen, stopped) = (series.clone(), stop.clone());
        let thread = thread::Builder::new()
            .name("lab sampler".to_owned())
            .spawn(move || {
                let mut next = begin;
                loop {
                    // Read the flag before the last sample, so that the series covers everything up to `stop`.
                    let last = stopped.load(Ordering::Acquire);
                    for (index, (end, diag)) in ends.iter().zip(&mut diags).enumerate() {
                        let sample = end.sample(begin, diag)?;
                        lock(&seen)[index].push(sample);
                    }
                    if last {
                        return Ok(());
                    }
                    // Skip missed samples: the next one is at the next multiple of the interval.
                    let now = Instant::now();
                    while next <= now {
                        next += interval;
                    }
                    thread::park_timeout(next - now);
                }
            })
            .map_err(|error| LabError::system("starting the sampler", error))?;
        Ok(Self {
            series,
            stop,
            thread: Some(thread),
        })
    }

    /// The samples so far.
    pub(crate) fn series(&self, end: End) -> TimeSeries {
        lock(&self.series)[end as usize].clone()
    }

    /// Takes a last sample and stops.
    pub(crate) fn finish(&mut self) -> Result<[TimeSeries; 2]> {
        self.join()?;
        Ok(std::mem::take(&mut *lock(&self.series)))
    }

    fn join(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.stop.store(true, Ordering::Release);
        thread.thread().unpark();
        thread
            .join()
            .unwrap_or_else(|panic| Err(LabError::panicked("the sampler", &*panic)))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::warn!(%error, "the sampler had failed");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SampledEnd {
    fn sample(&self, begin: Instant, diag: &mut SockDiag) -> Result<Sample> {
        let bytes = |progress: &Option<Arc<Progress>>| progress.as_ref().map_or(0, |progress| progress.bytes());
        let info = self.connection.info()?;
        let keys = info.subflows.iter().map(|subflow| subflow.addresses);
        let backup = keys.filter(|key| matches!(diag.subflow(key), Ok(Some(subflow)) if subflow.flags.is_backup()));
        let backup = backup.collect();
        Ok(Sample {
            at: begin.elapsed(),
            info,
            backup,
            written: bytes(&self.written),
            read: bytes(&self.read),
        })
    }
}
