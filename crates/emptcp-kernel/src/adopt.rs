//! Takes over connections of this host that already run when a policy arrives: the kernel's own sockets tell what the
//! handshake would have told. Records are written by the core program `adopt` alone, which is run here: user space never
//! changes memory that the data path writes.

use crate::{
    bank,
    error::{OrKernel, Result},
    ffi::{self, TestRun},
    grace,
    load::{self, Who},
    maps::Maps,
};
use emptcp_abi::{Adoption, ConnectionId, FlowKey, SCALE_UNKNOWN, Token, TokenKey, adopted, flow_flag, side};
use emptcp_host::netlink;
use emptcp_plan::manifest::Hook;
use libbpf_rs::{MapCore, MapFlags};
use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};
use zerocopy::{FromBytes, IntoBytes};

/// `INET_DIAG_ULP_INFO` and what is in it (linux/inet_diag.h, linux/mptcp.h).
mod attribute {
    pub(super) const ULP_INFO: u16 = 19;
    pub(super) const ULP_MPTCP: u16 = 3;
    pub(super) const TOKEN_REMOTE: u16 = 1;
    pub(super) const TOKEN_LOCAL: u16 = 2;
    pub(super) const FLAGS: u16 = 8;
    pub(super) const ID_REMOTE: u16 = 9;
    pub(super) const ID_LOCAL: u16 = 10;
}

/// `MPTCP_SUBFLOW_FLAG_*`.
mod subflow_flag {
    pub(super) const CAPABLE_LOCAL: u32 = 1 << 1;
    pub(super) const JOIN_REMOTE: u32 = 1 << 2;
    pub(super) const JOIN_LOCAL: u32 = 1 << 3;
    pub(super) const BACKUP_REMOTE: u32 = 1 << 4;
    pub(super) const BACKUP_LOCAL: u32 = 1 << 5;
}

/// `TCPI_OPT_WSCALE`.
const OPTION_WINDOW_SCALE: u8 = 4;

/// The subflows of this network namespace's sockets.
pub(crate) fn keys() -> Result<HashSet<FlowKey>> {
    Ok(subflows()?.iter().map(|subflow| subflow.key).collect())
}

/// What a socket says about its subflow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Subflow {
    key: FlowKey,
    local_token: Token,
    remote_token: Token,
    flags: u32,
    ids: Option<[u8; 2]>,
    /// Window scales that the local and the remote host announced.
    scales: [u8; 2],
}

/// Ethernet header that BPF_PROG_TEST_RUN wants before the data.
const LINK_HEADER: usize = 14;

/// How often the program runs for each subflow.
const RUNS: u32 = 3;

/// The core program `adopt`, which takes over subflows of which a socket of the host tells.
#[derive(Debug)]
pub struct Adopter(OwnedFd);

impl Adopter {
    /// Loads it.
    pub(crate) fn load(maps: &Maps) -> Result<Self> {
        let hook = Hook::TcIngress;
        let who = Who {
            element: "adopt",
            policy: None,
            hook,
        };
        Ok(Self(
            load::load(bank::core_object("adopt", hook)?, who, &[], maps)?.program,
        ))
    }

    /// Takes over subflows: makes a record for each that the tables do not know, and completes those of which the data
    /// path saw only packets from mid-stream. Returns for how many it did something.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn adopt(&self, adoptions: &[Adoption]) -> Result<usize> {
        let mut made = BTreeSet::new();
        let mut touched = BTreeSet::new();
        // The data path may store a record at the very moment at which a run looks for it. When the programs of that moment have
        // ended, the next run finds what they have left: a record twice, or one that nobody has completed.
        for run in 1..=RUNS {
            if run > 1 {
                grace::wait();
            }
            for (position, adoption) in adoptions.iter().enumerate() {
                let done = self.run(&Adoption {
                    made: u8::from(run == RUNS && made.contains(&adoption.connection)),
                    ..*adoption
                })?;
                if done & adopted::CONNECTION != 0 {
                    made.insert(adoption.connection);
                }
                if done & (adopted::STORED | adopted::COMPLETED) != 0 {
                    touched.insert(position);
                }
            }
        }
        Ok(touched.len())
    }

    /// Runs the program for one subflow. Returns bits of [`adopted`].
    fn run(&self, adoption: &Adoption) -> Result<u32> {
        let mut packet = vec![0_u8; LINK_HEADER];
        packet.extend_from_slice(adoption.as_bytes());
        let run = TestRun {
            packet: &packet,
            context: &mut [],
            repeat: 1,
        };
        let answer = ffi::test_run(self.0.as_fd(), run).or_kernel("take over a connection")?;
        Ok(answer.returned)
    }
}

/// Takes over every MPTCP subflow of this host. Returns of how many the tables did not know all.
pub(crate) fn adopt(maps: &Maps) -> Result<usize> {
    let subflows = subflows()?;
    if subflows.is_empty() {
        return Ok(0);
    }
    let tokens = maps.get("emptcp_tokens")?;
    let mut adoptions = Vec::new();
    for subflow in &subflows {
        let index = TokenKey {
            token: subflow.local_token,
            side: side::LOCAL,
        };
        // A connection that was followed from its handshake is indexed already.
        let connection = match tokens
            .lookup(index.as_bytes(), MapFlags::ANY)
            .or_kernel("look for a token")?
        {
            Some(id) => ConnectionId::read_from_bytes(&id).unwrap_or_default(),
            None => ConnectionId(u64::from(subflow.local_token.0) << 32 | u64::from(subflow.remote_token.0)),
        };
        adoptions.push(subflow.adoption(connection));
    }
    Adopter::load(maps)?.adopt(&adoptions)
}

impl Subflow {
    fn adoption(&self, connection: ConnectionId) -> Adoption {
        let joined = self.flags & (subflow_flag::JOIN_LOCAL | subflow_flag::JOIN_REMOTE) != 0;
        let local_opened = self.flags & (subflow_flag::CAPABLE_LOCAL | subflow_flag::JOIN_LOCAL) != 0;
        let mut flags = flow_flag::PARTIAL;
        flags |= if joined { flow_flag::JOINED } else { flow_flag::INITIAL };
        flags |= if local_opened {
            flow_flag::LOCAL_OPENED
        } else {
            flow_flag::REMOTE_OPENED
        };
        for (theirs, ours) in [
            (subflow_flag::BACKUP_LOCAL, flow_flag::BACKUP_LOCAL),
            (subflow_flag::BACKUP_REMOTE, flow_flag::BACKUP_REMOTE),
        ] {
            flags |= if self.flags & theirs != 0 { ours } else { 0 };
        }
        flags |= if self.ids.is_some() { flow_flag::ADDRESS_IDS } else { 0 };
        Adoption {
            key: self.key,
            token: [self.local_token, self.remote_token],
            flags: flags as u16,
            // The only version that this kernel speaks itself.
            version: 1,
            made: 0,
            connection,
            address_id: self.ids.unwrap_or_default(),
            window_scale: self.scales,
            reserved: [0; 4],
        }
    }
}

/// All established MPTCP subflows of this network namespace.
fn subflows() -> Result<Vec<Subflow>> {
    let mut subflows = Vec::new();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::INFO,
            states: StateFlags::ESTABLISHED
                | StateFlags::CLOSE_WAIT
                | StateFlags::FIN_WAIT1
                | StateFlags::FIN_WAIT2
                | StateFlags::LAST_ACK
                | StateFlags::CLOSING,
            socket_id,
        });
        for answer in netlink::dump(NETLINK_SOCK_DIAG, request).or_kernel("list the sockets of this host")? {
            let SockDiagMessage::InetResponse(answer) = answer else {
                continue;
            };
            subflows.extend(subflow(&answer));
        }
    }
    complete_tokens(&mut subflows);
    Ok(subflows)
}

/// Linux keeps the other host's token only with subflows that this host has opened: it is the same for all others of the
/// connection.
fn complete_tokens(subflows: &mut [Subflow]) {
    let unknown = Token::default();
    let known: BTreeMap<u32, Token> = subflows
        .iter()
        .filter(|subflow| subflow.remote_token != unknown)
        .map(|subflow| (subflow.local_token.0, subflow.remote_token))
        .collect();
    for subflow in subflows.iter_mut().filter(|subflow| subflow.remote_token == unknown) {
        subflow.remote_token = known.get(&subflow.local_token.0).copied().unwrap_or(unknown);
    }
}

/// The subflow that a socket is, if it is one.
fn subflow(answer: &InetResponse) -> Option<Subflow> {
    let id = &answer.header.socket_id;
    let mut scales = [SCALE_UNKNOWN; 2];
    let mut mptcp = None;
    for attribute in &answer.nlas {
        match attribute {
            Nla::TcpInfo(info) => {
                // struct tcp_info: byte 5 tcpi_options, byte 6 tcpi_snd_wscale (low half) and tcpi_rcv_wscale.
                let (options, packed) = (*info.get(5)?, *info.get(6)?);
                let scaled = options & OPTION_WINDOW_SCALE != 0;
                scales = if scaled { [packed >> 4, packed & 0xf] } else { [0, 0] };
            }
            Nla::Other(other) if netlink_packet_core::Nla::kind(other) == attribute::ULP_INFO => {
                let mut value = vec![0; netlink_packet_core::Nla::value_len(other)];
                netlink_packet_core::Nla::emit_value(other, &mut value);
                mptcp = inner(&value, attribute::ULP_MPTCP);
            }
            _ => {}
        }
    }
    let mptcp = mptcp?;
    let number = |kind: u16| inner(&mptcp, kind).and_then(|value| Some(u32::from_ne_bytes(value.try_into().ok()?)));
    let byte = |kind: u16| inner(&mptcp, kind).and_then(|value| value.first().copied());
    Some(Subflow {
        key: FlowKey::new(
            SocketAddr::new(id.source_address.to_canonical(), id.source_port),
            SocketAddr::new(id.destination_address.to_canonical(), id.destination_port),
        ),
        local_token: Token(number(attribute::TOKEN_LOCAL)?),
        remote_token: Token(number(attribute::TOKEN_REMOTE)?),
        flags: number(attribute::FLAGS).unwrap_or_default(),
        ids: byte(attribute::ID_LOCAL)
            .zip(byte(attribute::ID_REMOTE))
            .map(|(local, remote)| [local, remote]),
        scales,
    })
}

/// The value of one attribute inside another.
fn inner(bytes: &[u8], kind: u16) -> Option<Vec<u8>> {
    NlasIterator::new(bytes)
        .filter_map(Result::ok)
        .find(|attribute: &NlaBuffer<&[u8]>| attribute.kind() == kind)
        .map(|attribute| attribute.value().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subflow_that_the_other_host_opened_gets_its_token_from_one_that_this_host_opened() {
        let subflow = |local: u32, remote: u32| Subflow {
            key: FlowKey::new("10.0.0.1:5000".parse().unwrap(), "10.0.0.2:80".parse().unwrap()),
            local_token: Token(local),
            remote_token: Token(remote),
            flags: 0,
            ids: None,
            scales: [7, 9],
        };
        let mut subflows = [subflow(1, 0), subflow(2, 0), subflow(1, 5)];
        complete_tokens(&mut subflows);
        assert_eq!(subflows.map(|subflow| subflow.remote_token.0), [5, 0, 5]);
    }

    #[test]
    fn a_joined_backup_subflow_keeps_its_role_ids_and_scales() {
        let subflow = Subflow {
            key: FlowKey::new("10.0.0.1:5000".parse().unwrap(), "10.0.0.2:80".parse().unwrap()),
            local_token: Token(0x1111_1111),
            remote_token: Token(0x2222_2222),
            flags: subflow_flag::JOIN_LOCAL | subflow_flag::JOIN_REMOTE | subflow_flag::BACKUP_REMOTE,
            ids: Some([2, 3]),
            scales: [7, 9],
        };
        let adoption = subflow.adoption(ConnectionId(7));
        let words = emptcp_abi::bit_names(flow_flag::ALL, u32::from(adoption.flags));
        assert_eq!(
            words,
            ["joined", "partial", "local_opened", "backup_remote", "address_ids"]
        );
        assert_eq!(adoption.token, [Token(0x1111_1111), Token(0x2222_2222)]);
        assert_eq!((adoption.window_scale, adoption.address_id), ([7, 9], [2, 3]));
    }
}
