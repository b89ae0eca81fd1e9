//! Captures of a device to a pcap file, and their check by tshark.
//!
//! The capture uses a packet socket in this process, not a child process: it ends with this process, even if that is
//! killed. It completes checksums that offload left to the device, so that every frame in the file can be checked: a
//! wrong checksum in the file was wrong on the path. Sent frames are captured after all egress hooks of the device,
//! received ones before its tc ingress hooks but after native XDP.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::command::run_here;
use crate::emulator::segment::Offload;
use crate::emulator::socket::{FRAME_LIMIT, PacketSocket};
use crate::error::{LabError, Result};
use crate::host::Host;
use crate::netns::NetworkNamespace;

/// How long a capture waits for a frame before it checks whether to stop.
const TICK_MILLISECONDS: u8 = 20;

/// The display filter for faults: conditions that no correct TCP or MPTCP packet meets.
const COMPLAINTS: &str = "_ws.malformed || _ws.expert.group == \"Malformed\" || _ws.expert.group == \"Checksum\" \
     || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" || tcp.option.len.invalid";

/// A running capture. Dropping stops it.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
}

/// A finished capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFile {
    /// The pcap file.
    pub path: PathBuf,
    /// Frames in it; an aggregate of segmentation offload counts as one.
    pub frames: u64,
}

/// The result of tshark's check of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Frames that carry an MPTCP option.
    pub mptcp_frames: u64,
    /// One line per faulty frame: its number, a description, tshark's message.
    pub complaints: Vec<String>,
}

impl Verdict {
    /// Whether MPTCP was seen and there was no fault.
    pub fn is_clean(&self) -> bool {
        self.mptcp_frames > 0 && self.complaints.is_empty()
    }
}

impl Host {
    /// Captures all frames that a device of this host sends and receives, from now on.
    pub fn capture(&self, device: &str, file: impl AsRef<Path>) -> Result<Capture> {
        Capture::start(self.netns(), device, file.as_ref())
    }
}

impl Capture {
    /// Captures all frames of a device of any namespace, e.g. of [`Lab::middle`](crate::Lab::middle).
    pub fn start(netns: &NetworkNamespace, device: &str, file: &Path) -> Result<Self> {
        let socket = netns.run(|| PacketSocket::open(device, true))??;
        let failed = |error| LabError::system(format!("writing {}", file.display()), error);
        let mut writer = BufWriter::new(File::create(file).map_err(failed)?);
        writer.write_all(&file_header()).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, path) = (stop.clone(), file.to_owned());
        let thread = thread::Builder::new()
            .name("lab capture".to_owned())
            .spawn(move || {
                let failed = |error| LabError::system(format!("capturing into {}", path.display()), error);
                capture(&socket, writer, &stopped).map_err(failed)
            })
            .map_err(|error| LabError::system("starting a capture", error))?;
        Ok(Self {
            path: file.to_owned(),
            stop,
            thread: Some(thread),
        })
    }

    /// Stops. The file contains all frames that arrived before.
    pub fn stop(mut self) -> Result<CaptureFile> {
        let frames = self.join()?;
        Ok(CaptureFile {
            path: self.path.clone(),
            frames,
        })
    }

    fn join(&mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take() {
            Some(thread) => thread
                .join()
                .unwrap_or_else(|panic| Err(LabError::panicked("a capture", &*panic))),
            None => Ok(0),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::warn!(%error, "a capture had failed");
        }
    }
}

fn capture(socket: &PacketSocket, mut file: impl Write, stop: &AtomicBool) -> std::io::Result<u64> {
    let mut buffer = vec![0; FRAME_LIMIT];
    let mut frames = 0;
    loop {
        // Check before the socket is emptied, so that the file has all frames that arrived before `stop`.
        let last = stop.load(Ordering::Acquire);
        loop {
            match socket.receive(&mut buffer) {
                Ok(length) => {
                    let Some((offload, frame)) = Offload::split(&mut buffer[..length]) else {
                        continue;
                    };
                    offload.complete(frame);
                    file.write_all(&record_header(frame.len()))?;
                    file.write_all(frame)?;
                    frames += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if last {
            file.flush()?;
            return Ok(frames);
        }
        poll(
            &mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(TICK_MILLISECONDS),
        )?;
    }
}

/// The header of a pcap file of Ethernet frames, with times in nanoseconds.
fn file_header() -> [u8; 24] {
    let mut header = [0; 24];
    header[0..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
    header[4..6].copy_from_slice(&2_u16.to_le_bytes());
    header[6..8].copy_from_slice(&4_u16.to_le_bytes());
    header[16..20].copy_from_slice(&262_144_u32.to_le_bytes());
    header[20..24].copy_from_slice(&1_u32.to_le_bytes());
    header
}

fn record_header(length: usize) -> [u8; 16] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut header = [0; 16];
    header[0..4].copy_from_slice(&(now.as_secs() as u32).to_le_bytes());
    header[4..8].copy_from_slice(&now.subsec_nanos().to_le_bytes());
    header[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    header[12..16].copy_from_slice(&(length as u32).to_le_bytes());
    header
}

impl CaptureFile {
    /// Checks for malformed packets and options and for wrong checksums, with tshark.
    ///
    /// # Errors
    /// [`LabError::Unsupported`] if tshark is not installed.
    pub fn judge(&self) -> Result<Verdict> {
        judge(&self.path)
    }

    /// The values of tshark fields, one line per frame that passes a display filter, tabs between fields.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
        tshark(&self.path, filter, fields)
    }
}

/// Checks any capture with tshark: see [`CaptureFile::judge`].
pub fn judge(capture: &Path) -> Result<Verdict> {
    let mptcp_frames = tshark(capture, "tcp.option_kind == 30", &["frame.number"])?.len() as u64;
    let complaints = tshark(
        capture,
        COMPLAINTS,
        &["frame.number", "_ws.col.Info", "_ws.expert.message"],
    )?;
    Ok(Verdict {
        mptcp_frames,
        complaints,
    })
}

fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
    let capture = capture.to_string_lossy();
    let mut arguments = vec!["-n", "-r", &capture, "-Y", filter, "-T", "fields"];
    arguments.extend(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    // The payload is random. If some of it looks like a protocol, a retransmission would be "malformed" for tshark's
    // reassembly.
    arguments.extend(["-o", "tcp.desegment_tcp_streams:FALSE"]);
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    Ok(run_here("tshark", &arguments)?.lines().map(str::to_owned).collect())
}
