//! Bulk transfers with a given size or duration, in one direction or both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::payload::Payload;
use super::sampler::{SampledEnd, Sampler};
use super::series::TimeSeries;
use super::stream::{Amount, Progress, StreamPlan, StreamReport};
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::socket::{Connection, Listener, Protocol};
use mptcp_wire::IpVersion;

/// Time limit for the set-up of the connection, also over a lossy path.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TransferDirection {
    /// From the client to the server.
    #[default]
    Upload,
    /// From the server to the client.
    Download,
    /// Both at once.
    Both,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host that connected.
    Client = 0,
    /// The host that accepted.
    Server = 1,
}

/// The description of a bulk transfer; [`Bulk::run`] or [`Bulk::start`] makes it.
#[derive(Clone)]
#[must_use]
pub struct Bulk<'a> {
    lab: &'a Lab,
    amount: Amount,
    direction: TransferDirection,
    protocol: Protocol,
    version: IpVersion,
    first_path: usize,
    seed: u64,
    verify: bool,
    limit: Duration,
    sample_every: Duration,
    cpus: Option<[usize; 2]>,
}

impl Lab {
    /// Describes a bulk transfer between the hosts. Default: 10 s of verified MPTCP over IPv4 from the client to the
    /// server, the first subflow on path 0, over within 60 s.
    pub fn bulk(&self) -> Bulk<'_> {
        Bulk {
            lab: self,
            amount: Amount::Duration(Duration::from_secs(10)),
            direction: TransferDirection::Upload,
            protocol: Protocol::Mptcp,
            version: IpVersion::V4,
            first_path: 0,
            seed: 1,
            verify: true,
            limit: Duration::from_secs(60),
            sample_every: Duration::from_millis(100),
            cpus: None,
        }
    }
}

impl<'a> Bulk<'a> {
    /// Sends this many bytes in each direction.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.amount = Amount::Bytes(bytes);
        self
    }

    /// Sends for this long in each direction.
    pub fn duration(mut self, time: Duration) -> Self {
        self.amount = Amount::Duration(time);
        self
    }

    /// The direction of a transfer.
    pub fn direction(mut self, direction: TransferDirection) -> Self {
        self.direction = direction;
        self
    }

    /// MPTCP or TCP.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// IP version of the first subflow.
    pub fn version(mut self, version: IpVersion) -> Self {
        self.version = version;
        self
    }

    /// Path of the first subflow, counted from 0.
    pub fn first_path(mut self, path: usize) -> Self {
        self.first_path = path;
        self
    }

    /// Seed of the payload.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether every byte is compared. Without comparison, transfers reach tens of Gbit/s.
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Time after which the transfer fails, counted from the connection.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Interval of the samples.
    pub fn sample_every(mut self, interval: Duration) -> Self {
        self.sample_every = interval;
        self
    }

    /// Binds the threads that send to the first CPU and those that receive to the second. The kernel's work follows
    /// them: a veth pair handles a packet on the CPU that sent it.
    pub fn cpus(mut self, sender: usize, receiver: usize) -> Self {
        self.cpus = Some([sender, receiver]);
        self
    }

    /// Runs the whole transfer.
    ///
    /// # Errors
    /// [`LabError::Payload`] and [`LabError::Length`] if the receiver did not get what was sent;
    /// [`LabError::Timeout`].
    pub fn run(self) -> Result<BulkReport> {
        self.start()?.finish()
    }

    /// Connects and starts the transfer.
    pub fn start(self) -> Result<RunningBulk> {
        let (listener, client, server) = self.connect()?;
        let begin = Instant::now();
        let control = Arc::new(Control {
            stop: AtomicBool::new(false),
            abort: AtomicBool::new(false),
        });
        let ways = match self.direction {
            TransferDirection::Upload => [true, false],
            TransferDirection::Download => [false, true],
            TransferDirection::Both => [true, true],
        };
        let ends = [&client, &server];
        let mut streams = [None, None];
        for way in [0, 1].into_iter().filter(|way| ways[*way]) {
            let job = StreamJob {
                control: control.clone(),
                // The two directions carry different bytes, so a reflected packet would be detected.
                payload: Payload::new(self.seed.wrapping_mul(2).wrapping_add(way as u64)),
                verify: self.verify,
                begin,
                limit: self.limit,
                cpus: self.cpus,
            };
            streams[way] = Some(job.start(ends[way].clone(), ends[1 - way].clone(), self.amount)?);
        }
        let sampled = |end: usize, netns| SampledEnd {
            connection: ends[end].clone(),
            netns,
            written: streams[end].as_ref().map(|stream| stream.written.clone()),
            read: streams[1 - end].as_ref().map(|stream| stream.read.clone()),
        };
        let sampled = [
            sampled(0, self.lab.client().netns().clone()),
            sampled(1, self.lab.server().netns().clone()),
        ];
        let sampler = Sampler::start(begin, self.sample_every, sampled)?;
        Ok(RunningBulk {
            begin,
            control,
            streams,
            sampler,
            connections: [client, server],
            _listener: listener,
        })
    }

    fn connect(&self) -> Result<(Listener, Arc<Connection>, Arc<Connection>)> {
        let listener = self.lab.server().listen_with(self.protocol, self.version, 0)?;
        let remote = SocketAddr::new(self.lab.server_address(self.first_path, self.version)?, listener.port());
        let local = self.lab.client().address(self.first_path, self.version)?;
        let client = self
            .lab
            .client()
            .connect_with(self.protocol, Some(local), remote, CONNECT_LIMIT)?;
        let server = listener.accept(CONNECT_LIMIT)?;
        Ok((listener, Arc::new(client), Arc::new(server)))
    }
}

struct Control {
    stop: AtomicBool,
    abort: AtomicBool,
}

/// The data to start one direction.
struct StreamJob {
    control: Arc<Control>,
    payload: Payload,
    verify: bool,
    begin: Instant,
    limit: Duration,
    cpus: Option<[usize; 2]>,
}

/// The two threads of one direction.
struct Stream {
    written: Arc<Progress>,
    read: Arc<Progress>,
    sender: JoinHandle<Result<u64>>,
    receiver: JoinHandle<Result<StreamReport>>,
}

impl StreamJob {
    fn start(self, from: Arc<Connection>, to: Arc<Connection>, amount: Amount) -> Result<Stream> {
        let (written, read) = (Arc::new(Progress::default()), Arc::new(Progress::default()));
        let job = Arc::new(self);
        let failed = |error| LabError::system("starting a thread", error);
        let (at_sender, sent) = (job.clone(), written.clone());
        let sender = thread::Builder::new().name("lab sender".to_owned()).spawn(move || {
            let result = at_sender
                .bind(0)
                .and_then(|()| at_sender.plan().send(&from, amount, &sent));
            at_sender.after(&result);
            result
        });
        let (at_receiver, received) = (job, read.clone());
        let receiver = thread::Builder::new().name("lab receiver".to_owned()).spawn(move || {
            let result = at_receiver
                .bind(1)
                .and_then(|()| at_receiver.plan().receive(&to, &received));
            at_receiver.after(&result);
            result
        });
        Ok(Stream {
            written,
            read,
            sender: sender.map_err(failed)?,
            receiver: receiver.map_err(failed)?,
        })
    }

    /// Binds the calling thread to the CPU of the senders (0) or the receivers (1).
    fn bind(&self, role: usize) -> Result<()> {
        let Some(cpus) = self.cpus else { return Ok(()) };
        let mut set = CpuSet::new();
        set.set(cpus[role])
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
            .map_err(|errno| LabError::system(format!("binding a thread to CPU {}", cpus[role]), errno))
    }

    fn plan(&self) -> StreamPlan<'_> {
        StreamPlan {
            payload: self.payload,
            verify: self.verify,
            begin: self.begin,
            limit: self.limit,
            stop: &self.control.stop,
            abort: &self.control.abort,
        }
    }

    /// A failure ends all threads of the transfer, so that none waits for the time limit.
    fn after<T>(&self, result: &Result<T>) {
        if result.is_err() {
            self.control.abort.store(true, Ordering::Relaxed);
        }
    }
}

impl Stream {
    fn finish(self) -> Result<StreamReport> {
        let join = |panic: Box<dyn std::any::Any + Send>| LabError::panicked("a thread of a transfer", &*panic);
        let received = self.receiver.join().map_err(join).and_then(|result| result);
        let sent = self.sender.join().map_err(join).and_then(|result| result);
        match (sent, received) {
            (Ok(sent), Ok(report)) if sent == report.received => Ok(StreamReport { sent, ..report }),
            (Ok(sent), Ok(report)) => Err(LabError::Length {
                sent,
                received: report.received,
            }),
            // Of two errors, the cause is the one that is not a time-out.
            (Err(error), Err(LabError::Timeout { .. })) | (_, Err(error)) | (Err(error), _) => Err(error),
        }
    }
}

/// A transfer under way. Dropping it aborts it.
pub struct RunningBulk {
    begin: Instant,
    control: Arc<Control>,
    streams: [Option<Stream>; 2],
    sampler: Sampler,
    connections: [Arc<Connection>; 2],
    // Keep it open: joins are refused when no socket listens on the port.
    _listener: Listener,
}

impl RunningBulk {
    /// Time since the transfer began.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// The samples of one end so far.
    pub fn series(&self, end: End) -> TimeSeries {
        self.sampler.series(end)
    }

    /// Bytes that the application at one end has read so far.
    pub fn received(&self, end: End) -> u64 {
        // Upload, whose receiver is the server, is the first.
        let stream = &self.streams[1 - end as usize];
        stream.as_ref().map_or(0, |stream| stream.read.bytes())
    }

    /// The connection at one end.
    pub fn connection(&self, end: End) -> &Connection {
        &self.connections[end as usize]
    }

    /// Whether all bytes have arrived or something failed: [`RunningBulk::finish`] will not wait.
    pub fn is_finished(&self) -> bool {
        self.streams
            .iter()
            .flatten()
            .all(|stream| stream.receiver.is_finished() && stream.sender.is_finished())
    }

    /// Ends the senders now, gracefully: data that was sent still arrives and is verified.
    pub fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Result<BulkReport> {
        let [upload, download] = [self.streams[0].take(), self.streams[1].take()];
        let upload = upload.map(Stream::finish).transpose();
        let download = download.map(Stream::finish).transpose();
        // Before the sockets close: the last sample holds the final counters.
        self.control.abort.store(true, Ordering::Relaxed);
        let series = self.sampler.finish();
        let (upload, download) = (upload?, download?);
        let [client, server] = series?;
        let fallback = client.fell_back() || server.fell_back();
        Ok(BulkReport {
            upload,
            download,
            client,
            server,
            fallback,
        })
    }
}

impl Drop for RunningBulk {
    fn drop(&mut self) {
        self.control.abort.store(true, Ordering::Relaxed);
    }
}

/// The result of a bulk transfer.
#[derive(Clone, Debug)]
pub struct BulkReport {
    /// From the client to the server, if the transfer had this direction.
    pub upload: Option<StreamReport>,
    /// From the server to the client, if the transfer had this direction.
    pub download: Option<StreamReport>,
    /// Samples of the client's end.
    pub client: TimeSeries,
    /// Samples of the server's end.
    pub server: TimeSeries,
    /// Whether the connection was plain TCP at any time.
    pub fallback: bool,
}

impl BulkReport {
    /// The samples of one end.
    pub fn series(&self, end: End) -> &TimeSeries {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }
}
