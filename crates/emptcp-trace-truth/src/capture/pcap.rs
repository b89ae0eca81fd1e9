//! The capture as a file.

use super::Capture;
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
            let length = frame.bytes.len() as u32;
            for word in [seconds as u32, nanoseconds as u32, length, length] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&frame.bytes)?;
        }
        file.flush()
    }
}
