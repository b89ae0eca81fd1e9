//! The MPTCP subflows of this host, as its own sockets tell of them (inet_diag).

use crate::error::{OrKernel, Result};
use emptcp_abi::{FlowKey, SCALE_UNKNOWN, Token};
use emptcp_host::netlink;
use netlink_packet_core::{NlaBuffer, NlasIterator};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
};

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
pub(crate) mod subflow_flag {
    pub(crate) const CAPABLE_LOCAL: u32 = 1 << 1;
    pub(crate) const JOIN_REMOTE: u32 = 1 << 2;
    pub(crate) const JOIN_LOCAL: u32 = 1 << 3;
    pub(crate) const BACKUP_REMOTE: u32 = 1 << 4;
    pub(crate) const BACKUP_LOCAL: u32 = 1 << 5;
}

/// `TCPI_OPT_WSCALE`.
const OPTION_WINDOW_SCALE: u8 = 4;

/// The subflows of this network namespace's sockets.
pub(crate) fn keys() -> Result<HashSet<FlowKey>> {
    Ok(subflows()?.iter().map(|subflow| subflow.key).collect())
}

/// What a socket says about its subflow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Subflow {
    pub(crate) key: FlowKey,
    pub(crate) local_token: Token,
    pub(crate) remote_token: Token,
    pub(crate) flags: u32,
    pub(crate) ids: Option<[u8; 2]>,
    /// Window scales that the local and the remote host announced.
    pub(crate) scales: [u8; 2],
}

/// All established MPTCP subflows of this network namespace.
pub(crate) fn subflows() -> Result<Vec<Subflow>> {
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
}
