//! Frames of a third party, sent from the emulator's namespace, not by a socket of either host.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, send};

use crate::emulator::socket::sender;
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::topology;
use crate::traffic::End;

/// Puts frames on the last link of a path, towards one of its ends.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    addresses: [u8; 12],
}

impl Lab {
    /// Frames for the host at this end of path `path` (from 0).
    ///
    /// # Errors
    /// For a direct path, which has no emulator.
    pub fn injector(&self, path: usize, towards: End) -> Result<Injector> {
        let end = match towards {
            End::Client => topology::End::Client,
            End::Server => topology::End::Server,
        };
        let device = topology::emulator_device(path, end);
        let socket = self.middle().run(|| sender(&device))??;
        Ok(Injector {
            socket,
            addresses: topology::hardware_addresses(path, end),
        })
    }
}

impl Injector {
    /// Sends an Ethernet frame; its hardware addresses become those of the two ends of the link.
    ///
    /// # Errors
    /// When the device is down or has no room.
    pub fn send(&self, frame: &mut [u8]) -> Result<()> {
        if let Some(addresses) = frame.get_mut(..12) {
            addresses.copy_from_slice(&self.addresses);
        }
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty())
            .map(drop)
            .map_err(|errno| LabError::system("sending a frame", errno))
    }
}
