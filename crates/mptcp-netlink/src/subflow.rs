//! The kernel's data about one subflow (`subflow_get_info` of `net/mptcp/diag.c`).

use crate::attribute;
use mptcp_wire::{AddressId, FourTuple, SequenceNumber, Token, tcp::State};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Length of `struct inet_diag_msg`.
const DIAG_MESSAGE: usize = 72;

/// Attributes of `linux/inet_diag.h`.
mod diag {
    /// `INET_DIAG_INFO`: `struct tcp_info`.
    pub(super) const INFO: u16 = 2;
    /// `INET_DIAG_ULP_INFO`, and in it `INET_ULP_INFO_MPTCP`.
    pub(super) const PATH_TO_MPTCP: [u16; 2] = [19, 3];
}

/// `MPTCP_SUBFLOW_ATTR_*` of `linux/mptcp.h`.
mod attr {
    pub(super) const TOKEN_REMOTE: u16 = 1;
    pub(super) const TOKEN_LOCAL: u16 = 2;
    pub(super) const SSN_OFFSET: u16 = 6;
    pub(super) const FLAGS: u16 = 8;
    pub(super) const ID_REMOTE: u16 = 9;
    pub(super) const ID_LOCAL: u16 = 10;
}

/// The kernel's data about a subflow of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subflow {
    /// Addresses and ports; local is this host. IPv4 addresses on IPv6 sockets are IPv4.
    pub addresses: FourTuple,
    /// State of the subflow's TCP connection.
    pub state: State,
    /// Token of this host; `None` if the kernel does not report it.
    pub local_token: Option<Token>,
    /// Token of the other host. The kernel stores it only for subflows that this host opened; `None` if the connection
    /// has no such subflow.
    pub remote_token: Option<Token>,
    /// Initial sequence number of the other host; 0 if the kernel does not report it.
    pub remote_initial: SequenceNumber,
    /// Role, opener and backup flags.
    pub flags: SubflowFlags,
    /// Address ids of this and of the other host; `None` if the kernel does not report them.
    pub address_ids: Option<[AddressId; 2]>,
    /// `struct tcp_info` as the kernel wrote it, for a reader such as `mptcp_socket::TcpInfo`; empty when it is
    /// missing.
    pub tcp_info: Vec<u8>,
}

/// Bits of `MPTCP_SUBFLOW_FLAG_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubflowFlags(pub u32);

impl SubflowFlags {
    /// The other host has MP_CAPABLE.
    pub const CAPABLE_REMOTE: Self = Self(1 << 0);
    /// This host opened the subflow with MP_CAPABLE.
    pub const CAPABLE_LOCAL: Self = Self(1 << 1);
    /// Part of a connection by MP_JOIN.
    pub const JOIN_REMOTE: Self = Self(1 << 2);
    /// This host opened the subflow with MP_JOIN.
    pub const JOIN_LOCAL: Self = Self(1 << 3);
    /// The other host has requested it as backup.
    pub const BACKUP_REMOTE: Self = Self(1 << 4);
    /// This host has requested it as backup.
    pub const BACKUP_LOCAL: Self = Self(1 << 5);

    /// Whether one of `flags` is set.
    #[must_use]
    pub fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Opened by MP_CAPABLE: the first subflow of its connection.
    #[must_use]
    pub fn is_initial(self) -> bool {
        self.intersects(Self::CAPABLE_LOCAL | Self::CAPABLE_REMOTE)
    }

    /// Opened by MP_JOIN: a further subflow.
    #[must_use]
    pub fn is_joined(self) -> bool {
        self.intersects(Self::JOIN_LOCAL | Self::JOIN_REMOTE)
    }

    /// This host opened it.
    #[must_use]
    pub fn is_opened_here(self) -> bool {
        self.intersects(Self::CAPABLE_LOCAL | Self::JOIN_LOCAL)
    }

    /// Either host has requested it as backup.
    #[must_use]
    pub fn is_backup(self) -> bool {
        self.intersects(Self::BACKUP_LOCAL | Self::BACKUP_REMOTE)
    }
}

impl std::ops::BitOr for SubflowFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Subflow {
    /// Reads `struct inet_diag_msg` and its attributes; `None` for a socket that is not a subflow.
    pub(crate) fn parse(answer: &[u8]) -> Option<Self> {
        let header = answer.first_chunk::<DIAG_MESSAGE>()?;
        let attributes = answer.get(DIAG_MESSAGE..)?;
        let mptcp = diag::PATH_TO_MPTCP.into_iter().try_fold(attributes, attribute::find)?;
        let token = |kind| attribute::number(mptcp, kind).and_then(|number| Token(number).known());
        let id = |kind| attribute::find(mptcp, kind).and_then(|value| value.first().copied().map(AddressId));
        Some(Self {
            addresses: addresses(header)?,
            state: State::from_linux(header[1]).unwrap_or(State::Closed),
            local_token: token(attr::TOKEN_LOCAL),
            remote_token: token(attr::TOKEN_REMOTE),
            remote_initial: SequenceNumber(attribute::number(mptcp, attr::SSN_OFFSET).unwrap_or_default()),
            flags: SubflowFlags(attribute::number(mptcp, attr::FLAGS).unwrap_or_default()),
            address_ids: id(attr::ID_LOCAL)
                .zip(id(attr::ID_REMOTE))
                .map(|(local, remote)| [local, remote]),
            tcp_info: attribute::find(attributes, diag::INFO).unwrap_or_default().to_vec(),
        })
    }
}

/// `struct inet_diag_sockid`, which begins at byte 4: two ports, two addresses of 16 bytes.
fn addresses(header: &[u8; DIAG_MESSAGE]) -> Option<FourTuple> {
    let is_v4 = i32::from(header[0]) == libc::AF_INET;
    let end = |port: usize, address: usize| {
        let port = u16::from_be_bytes([*header.get(port)?, *header.get(port + 1)?]);
        let bytes: [u8; 16] = header.get(address..address + 16)?.try_into().ok()?;
        let address = if is_v4 {
            IpAddr::from(*bytes.first_chunk::<4>()?)
        } else {
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        };
        Some(SocketAddr::new(address, port))
    };
    Some(FourTuple::new(end(4, 8)?, end(6, 24)?))
}

/// Sets the other host's token from another subflow of the same connection.
pub(crate) fn complete_tokens(subflows: &mut [Subflow]) {
    let known: BTreeMap<Token, Token> = subflows
        .iter()
        .filter_map(|subflow| subflow.local_token.zip(subflow.remote_token))
        .collect();
    for subflow in subflows.iter_mut().filter(|subflow| subflow.remote_token.is_none()) {
        subflow.remote_token = subflow.local_token.and_then(|local| known.get(&local).copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subflow(local: u32, remote: u32) -> Subflow {
        Subflow {
            addresses: "10.0.0.1:5000 <-> 10.0.0.2:80".parse().unwrap(),
            state: State::Established,
            local_token: Token(local).known(),
            remote_token: Token(remote).known(),
            remote_initial: SequenceNumber(0),
            flags: SubflowFlags::default(),
            address_ids: None,
            tcp_info: Vec::new(),
        }
    }

    #[test]
    fn a_subflow_that_the_other_host_opened_gets_its_token_from_one_that_this_host_opened() {
        let mut subflows = [subflow(1, 0), subflow(2, 0), subflow(1, 5)];
        complete_tokens(&mut subflows);
        assert_eq!(
            subflows.map(|subflow| subflow.remote_token),
            [Some(Token(5)), None, Some(Token(5))]
        );
    }

    fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
        bytes.extend((4 + value.len() as u16).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }

    fn answer() -> Vec<u8> {
        let mut mptcp = Vec::new();
        put(&mut mptcp, attr::TOKEN_REMOTE, &0_u32.to_ne_bytes());
        put(&mut mptcp, attr::TOKEN_LOCAL, &0x1234_abcd_u32.to_ne_bytes());
        put(&mut mptcp, attr::SSN_OFFSET, &77_u32.to_ne_bytes());
        put(&mut mptcp, attr::FLAGS, &(1_u32 << 2 | 1 << 4).to_ne_bytes());
        put(&mut mptcp, attr::ID_REMOTE, &[3]);
        put(&mut mptcp, attr::ID_LOCAL, &[2]);
        let mut ulp = Vec::new();
        put(&mut ulp, 1, b"mptcp\0");
        put(&mut ulp, 3, &mptcp);
        let mut answer = vec![0; DIAG_MESSAGE];
        answer[0] = libc::AF_INET as u8;
        answer[1] = 1;
        answer[4..8].copy_from_slice(&[0x13, 0x88, 0, 80]);
        answer[8..12].copy_from_slice(&[10, 0, 0, 1]);
        answer[24..28].copy_from_slice(&[10, 0, 0, 2]);
        put(&mut answer, diag::INFO, &[1, 2, 3]);
        put(&mut answer, 19, &ulp);
        answer
    }

    #[test]
    fn an_answer_is_read() {
        let read = Subflow::parse(&answer()).unwrap();
        let expected = Subflow {
            local_token: Some(Token(0x1234_abcd)),
            remote_token: None,
            remote_initial: SequenceNumber(77),
            flags: SubflowFlags::JOIN_REMOTE | SubflowFlags::BACKUP_REMOTE,
            address_ids: Some([AddressId(2), AddressId(3)]),
            tcp_info: vec![1, 2, 3],
            ..subflow(0, 0)
        };
        assert_eq!(read, expected);
        assert!(read.flags.is_joined() && read.flags.is_backup() && !read.flags.is_opened_here());
    }

    #[test]
    fn an_ipv4_subflow_of_an_ipv6_socket_is_told_as_ipv4() {
        let mut answer = answer();
        answer[0] = libc::AF_INET6 as u8;
        for (at, address) in [(8, "::ffff:10.0.0.1"), (24, "::ffff:10.0.0.2")] {
            let address: Ipv6Addr = address.parse().unwrap();
            answer[at..at + 16].copy_from_slice(&address.octets());
        }
        assert_eq!(Subflow::parse(&answer).unwrap().addresses, subflow(0, 0).addresses);
    }

    #[test]
    fn a_cut_off_answer_and_a_socket_of_plain_tcp_are_no_subflow() {
        let whole = answer();
        for length in 0..whole.len() - 4 {
            assert_eq!(Subflow::parse(&whole[..length]), None, "{length}");
        }
    }
}
