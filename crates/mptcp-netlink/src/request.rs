//! Requests to `inet_diag` (`struct inet_diag_req_v2` of `linux/inet_diag.h`).

use crate::message::HEADER;
use mptcp_wire::{FourTuple, IpVersion, tcp::State};
use std::net::{IpAddr, SocketAddr};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// Length of a request, header included.
const LENGTH: usize = HEADER + 56;
/// `INET_DIAG_INFO` as an extension: without it the kernel leaves out `INET_DIAG_ULP_INFO` as well.
const WITH_INFO: u8 = 1 << (2 - 1);
/// `INET_DIAG_NOCOOKIE`.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// All subflows with one of these states, in Linux's numbering.
pub(crate) fn all(sequence: u32, version: IpVersion, states: &[State]) -> Vec<u8> {
    let numbers = (1..=12).filter(|number| State::from_linux(*number).is_some_and(|state| states.contains(&state)));
    let states = numbers.fold(0_u32, |mask, number| mask | 1 << number);
    let mut message = head(sequence, libc::NLM_F_REQUEST | libc::NLM_F_DUMP, version, states);
    message.resize(LENGTH, 0);
    message
}

/// One subflow, whatever its state.
pub(crate) fn one(sequence: u32, subflow: &FourTuple) -> Vec<u8> {
    let mut message = head(sequence, libc::NLM_F_REQUEST, subflow.local.ip().into(), u32::MAX);
    message.extend(subflow.local.port().to_be_bytes());
    message.extend(subflow.remote.port().to_be_bytes());
    message.extend(padded(subflow.local));
    message.extend(padded(subflow.remote));
    message.extend([0; 4]); // any device
    message.extend(NO_COOKIE);
    message
}

/// Everything before the addresses.
fn head(sequence: u32, flags: libc::c_int, version: IpVersion, states: u32) -> Vec<u8> {
    let family = match version {
        IpVersion::V4 => libc::AF_INET,
        IpVersion::V6 => libc::AF_INET6,
    };
    let mut message = Vec::with_capacity(LENGTH);
    message.extend((LENGTH as u32).to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]); // our port: the kernel fills it in
    message.extend([family as u8, libc::IPPROTO_TCP as u8, WITH_INFO, 0]);
    message.extend(states.to_ne_bytes());
    message
}

fn padded(address: SocketAddr) -> [u8; 16] {
    match address.ip() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_requests_have_the_length_that_they_say() {
        let subflow = "10.0.0.1:5000 <-> 10.0.0.2:80".parse().unwrap();
        for request in [one(1, &subflow), all(1, IpVersion::V6, &[State::Established])] {
            assert_eq!(request.len(), LENGTH);
            assert_eq!(request[..4], (LENGTH as u32).to_ne_bytes());
        }
    }

    #[test]
    fn states_are_asked_for_by_the_numbers_of_linux() {
        let request = all(1, IpVersion::V4, &[State::Established, State::LastAck]);
        assert_eq!(request[HEADER + 4..][..4], (1_u32 << 1 | 1 << 9).to_ne_bytes());
    }
}
