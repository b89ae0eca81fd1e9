//! A netlink socket for requests about subflows.

use crate::error::Error;
use crate::message::{self, Message};
use crate::request;
use crate::subflow::{Subflow, complete_tokens};
use mptcp_wire::{FourTuple, IpVersion, tcp::State};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel fills at most 32 kB at a time (`netlink_dump`).
const DATAGRAM: usize = 64 * 1024;

/// States between handshake and end, in which a subflow has addresses and a connection.
const CONNECTED: [State; 6] = [
    State::Established,
    State::CloseWait,
    State::FinWait1,
    State::FinWait2,
    State::LastAck,
    State::Closing,
];

/// A netlink socket. It belongs to the network namespace in which it was opened.
#[derive(Debug)]
pub struct SockDiag {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl SockDiag {
    /// Opens a socket for the network namespace of this thread.
    ///
    /// # Errors
    /// [`Error::Open`]: the kernel has no sock_diag, or no file descriptor is available.
    pub fn open() -> Result<Self, Error> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        );
        Ok(Self {
            socket: socket.map_err(|errno| Error::Open(errno.into()))?,
            sequence: 0,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// All subflows of the namespace between handshake and end, of IPv4 and IPv6.
    ///
    /// The list is not atomic: a subflow that begins or ends meanwhile may be in it or not.
    ///
    /// # Errors
    /// When the kernel does not list sockets, for example because it was built without `CONFIG_INET_TCP_DIAG`.
    pub fn subflows(&mut self) -> Result<Vec<Subflow>, Error> {
        let mut subflows = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            self.ask(
                |sequence| request::all(sequence, version, &CONNECTED),
                |message| match message {
                    Message::Answer(answer) => {
                        subflows.extend(Subflow::parse(answer));
                        false
                    }
                    Message::Done => true,
                },
            )?;
        }
        complete_tokens(&mut subflows);
        Ok(subflows)
    }

    /// One subflow by its addresses, in any state. `None` when it does not exist, is plain TCP, or is bound to a device
    /// (the kernel then finds it only by that device).
    ///
    /// # Errors
    /// When the kernel refuses the request.
    pub fn subflow(&mut self, addresses: &FourTuple) -> Result<Option<Subflow>, Error> {
        let mut found = None;
        let asked = self.ask(
            |sequence| request::one(sequence, addresses),
            |message| {
                if let Message::Answer(answer) = message {
                    found = Subflow::parse(answer);
                }
                true
            },
        );
        match asked {
            Err(Error::Refused(error)) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            asked => asked.map(|()| found),
        }
    }

    /// Sends a request and passes messages to `with` until it has enough.
    fn ask(
        &mut self,
        question: impl FnOnce(u32) -> Vec<u8>,
        mut with: impl FnMut(Message<'_>) -> bool,
    ) -> Result<(), Error> {
        let failed = |errno: nix::errno::Errno| Error::Exchange(errno.into());
        self.sequence = self.sequence.wrapping_add(1);
        let question = question(self.sequence);
        send(self.socket.as_raw_fd(), &question, MsgFlags::empty()).map_err(failed)?;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC).map_err(failed)?;
            let datagram = self
                .buffer
                .get(..length)
                .ok_or(Error::Malformed("a datagram is longer than any of the kernel"))?;
            if message::each(datagram, self.sequence, &mut with)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn connections_of_plain_tcp_are_no_subflows_and_a_socket_answers_again_and_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let plain = FourTuple::new(client.local_addr().unwrap(), client.peer_addr().unwrap());
        let mut diag = SockDiag::open().unwrap();
        for _ in 0..3 {
            assert_eq!(diag.subflow(&plain).unwrap(), None);
            assert_eq!(diag.subflow(&FourTuple::new(plain.local, plain.local)).unwrap(), None);
            let all = diag.subflows().unwrap();
            assert!(all.iter().all(|subflow| subflow.addresses != plain), "{all:?}");
        }
    }
}
