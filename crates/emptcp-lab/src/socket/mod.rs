//! Sockets on the hosts, MPTCP or plain TCP, and the state of their connections in the kernel (by `mptcp-socket` and
//! `mptcp-netlink`).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use crate::error::{LabError, Result};
use crate::host::Host;
use crate::netns::NetworkNamespace;
use mptcp_netlink::{SockDiag, Subflow};
use mptcp_socket::ConnectionInfo;
use mptcp_wire::{FourTuple, IpVersion};

/// Transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Multipath TCP (`IPPROTO_MPTCP`).
    #[default]
    Mptcp,
    /// Plain TCP.
    Tcp,
}

impl Protocol {
    fn number(self) -> socket2::Protocol {
        match self {
            Self::Mptcp => socket2::Protocol::from(libc::IPPROTO_MPTCP),
            Self::Tcp => socket2::Protocol::TCP,
        }
    }
}

/// A listening socket on the wildcard address of a host, so that joins to every address of the host find it.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A connected socket. Reads and writes like a [`TcpStream`].
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Host {
    /// Listens with MPTCP on all addresses of this version, on a port that the kernel chooses.
    pub fn listen(&self, version: IpVersion) -> Result<Listener> {
        self.listen_with(Protocol::Mptcp, version, 0)
    }

    /// Listens on all addresses of this version; port 0 lets the kernel choose.
    pub fn listen_with(&self, protocol: Protocol, version: IpVersion, port: u16) -> Result<Listener> {
        let address = match version {
            IpVersion::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            IpVersion::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        };
        self.run(|| -> io::Result<Listener> {
            let socket = self.open(protocol, address)?;
            if version == IpVersion::V6 {
                socket.set_only_v6(true)?;
            }
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(64)?;
            let socket = TcpListener::from(socket);
            let address = socket.local_addr()?;
            Ok(Listener { socket, address })
        })?
        .map_err(|error| {
            refused(
                protocol,
                format!("listening on {address} at the {}", self.role()),
                error,
            )
        })
    }

    /// Connects with MPTCP.
    pub fn connect(&self, remote: SocketAddr, limit: Duration) -> Result<Connection> {
        self.connect_with(Protocol::Mptcp, None, remote, limit)
    }

    /// Connects, optionally from a given local address.
    pub fn connect_with(
        &self,
        protocol: Protocol,
        local: Option<IpAddr>,
        remote: SocketAddr,
        limit: Duration,
    ) -> Result<Connection> {
        self.run(|| -> io::Result<Connection> {
            let socket = self.open(protocol, remote)?;
            if let Some(local) = local {
                socket.bind(&SocketAddr::new(local, 0).into())?;
            }
            socket.connect_timeout(&remote.into(), limit)?;
            Connection::new(socket.into())
        })?
        .map_err(|error| refused(protocol, format!("connecting the {} to {remote}", self.role()), error))
    }

    /// The kernel's state of a subflow of this host; `None` when there is no such subflow.
    ///
    /// # Errors
    /// When the namespace cannot be entered or no netlink socket be opened.
    pub fn subflow_state(&self, subflow: &FourTuple) -> Result<Option<Subflow>> {
        sock_diag(self.netns())?
            .subflow(subflow)
            .map_err(|error| LabError::system(format!("looking for the subflow {subflow}"), error))
    }

    fn open(&self, protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(protocol.number()))?;
        let name = std::ffi::OsString::from(self.congestion_control());
        setsockopt(&socket, sockopt::TcpCongestion, &name)?;
        Ok(socket)
    }
}

/// A netlink socket in a namespace, for requests about its subflows.
pub(crate) fn sock_diag(netns: &NetworkNamespace) -> Result<SockDiag> {
    netns
        .run(SockDiag::open)?
        .map_err(|error| LabError::system("looking for subflows", error))
}

fn refused(protocol: Protocol, what: String, error: io::Error) -> LabError {
    match error.raw_os_error() {
        Some(libc::EPROTONOSUPPORT | libc::ENOPROTOOPT) if protocol == Protocol::Mptcp => LabError::Unsupported {
            feature: "MPTCP sockets",
            reason: error.to_string(),
        },
        _ => LabError::system(what, error),
    }
}

impl Listener {
    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next connection, waiting for at most `limit`.
    pub fn accept(&self, limit: Duration) -> Result<Connection> {
        let failed = |error: io::Error| LabError::system(format!("accepting on {}", self.address), error);
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout);
        if ready.map_err(|errno| failed(errno.into()))? == 0 {
            return Err(LabError::Timeout {
                what: format!("accepting a connection on {}", self.address),
                limit,
            });
        }
        let (socket, _) = self.socket.accept().map_err(failed)?;
        Connection::new(socket).map_err(failed)
    }
}

impl Connection {
    fn new(socket: TcpStream) -> io::Result<Self> {
        let (local, remote) = (socket.local_addr()?, socket.peer_addr()?);
        Ok(Self { socket, local, remote })
    }

    /// Address and port of this end, as the application sees them.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Address and port of the other end, as the application sees them.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The underlying socket (for timeouts, shutdown, options).
    pub fn as_tcp(&self) -> &TcpStream {
        &self.socket
    }

    /// State of the connection and of each subflow, from `MPTCP_FULL_INFO` (before Linux 6.5 in several requests). A
    /// socket that is plain TCP, by request or because the connection fell back before it was accepted, has
    /// [`fallback`](ConnectionInfo::fallback) set and no subflows.
    ///
    /// # Errors
    /// [`LabError::Unsupported`] before Linux 5.16.
    pub fn info(&self) -> Result<ConnectionInfo> {
        ConnectionInfo::of(&self.socket).map_err(|error| match error {
            mptcp_socket::Error::System { action, source } => LabError::system(action, source),
            error => LabError::Unsupported {
                feature: "MPTCP_TCPINFO",
                reason: error.to_string(),
            },
        })
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
