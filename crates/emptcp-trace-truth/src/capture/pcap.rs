//! The capture as a file.

use super::Capture;
use emptcp_trace::source::{self, Files};
use std::io::{self, Write};

/// Nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const SNAP_LENGTH: u32 = 262_144;

impl Capture {
    /// Writes a pcap file with nanoseconds.
    ///
    /// # Errors
    /// Those of `file`.
    pub fn write(&self, mut file: impl Write) -> io::Result<()> {
        file.write_all(&MAGIC.to_le_bytes())?;
        file.write_all(&2_u16.to_le_bytes())?;
        file.write_all(&4_u16.to_le_bytes())?;
        for word in [0, 0, SNAP_LENGTH, ETHERNET] {
            file.write_all(&word.to_le_bytes())?;
        }
        for frame in &self.frames {
            let (seconds, nanoseconds) = (frame.time.0 / 1_000_000_000, frame.time.0 % 1_000_000_000);
            let captured = frame.bytes.len() as u32;
            for word in [seconds as u32, nanoseconds as u32, captured, frame.length as u32] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&frame.bytes)?;
        }
        file.flush()
    }

    /// The capture as a source: as if it were read from a file.
    ///
    /// # Errors
    /// None: what is written can be read.
    pub fn open(&self) -> emptcp_trace::Result<Files> {
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.write(&mut bytes);
        source::from_reader(&format!("capture {}", self.seed()), io::Cursor::new(bytes))
    }
}
