//! Values that MPTCP derives from keys: tokens and initial data sequence numbers (RFC 8684, 3.2), HMACs (3.2, 3.4.1).
//!
//! Version 0 uses SHA-1, version 1 SHA-256; otherwise they are equal. "Local" is always the sender of the HMAC.

use crate::bytes::{array_at, u32_at, u64_at};
use crate::sequence::Idsn;
use crate::types::{AddressId, JoinHmac, Key, Nonce, Token, TruncatedHmac, Version};
use core::net::IpAddr;
use hmac::{Mac, SimpleHmac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// A host's token and initial data sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The first 32 bits of the hash.
    pub token: Token,
    /// The last 64 bits of the hash.
    pub idsn: Idsn,
}

/// Token and initial data sequence number of the host with `key`, by one hash.
///
/// ```
/// use mptcp_wire::{Key, Version, crypto};
///
/// // `printf abcdbcde | sha256sum` begins with c76eab38 and ends with 91711c618c641a2d.
/// let derived = crypto::derive(Version::V1, Key(*b"abcdbcde"));
/// assert_eq!(derived.token.to_string(), "0xc76eab38");
/// assert_eq!(derived.idsn.0, 0x9171_1c61_8c64_1a2d);
/// assert_eq!(derived.idsn.first_byte().0, 0x9171_1c61_8c64_1a2e);
/// ```
#[must_use]
pub fn derive(version: Version, key: Key) -> Derived {
    match version {
        Version::V0 => {
            let hash = Sha1::digest(key.0);
            Derived {
                token: Token(u32_at(&hash, 0)),
                idsn: Idsn(u64_at(&hash, 20 - 8)),
            }
        }
        Version::V1 => {
            let hash = Sha256::digest(key.0);
            Derived {
                token: Token(u32_at(&hash, 0)),
                idsn: Idsn(u64_at(&hash, 32 - 8)),
            }
        }
    }
}

/// The HMAC in the SYN-ACK of an MP_JOIN: the leftmost 64 bits. Local is the host that answers.
///
/// ```
/// use mptcp_wire::mptcp::MpJoin;
/// use mptcp_wire::{AddressId, Key, Nonce, Version, crypto};
///
/// let (server, client) = (Key([1; 8]), Key([2; 8]));
/// let (server_nonce, client_nonce) = (Nonce(7), Nonce(8));
/// let answer = MpJoin::SynAck {
///     backup: false,
///     address_id: AddressId(3),
///     hmac: crypto::join_syn_ack_hmac(Version::V1, server, client, server_nonce, client_nonce),
///     nonce: server_nonce,
/// };
/// // The client computes the same, with the server as the local host.
/// let MpJoin::SynAck { hmac, nonce, .. } = answer else { unreachable!() };
/// assert_eq!(hmac, crypto::join_syn_ack_hmac(Version::V1, server, client, nonce, client_nonce));
/// ```
#[must_use]
pub fn join_syn_ack_hmac(
    version: Version,
    local_key: Key,
    remote_key: Key,
    local_nonce: Nonce,
    remote_nonce: Nonce,
) -> TruncatedHmac {
    TruncatedHmac(u64_at(
        &join_hmac(version, local_key, remote_key, local_nonce, remote_nonce),
        0,
    ))
}

/// The HMAC in the third ACK of an MP_JOIN: the leftmost 160 bits. Local is the host that opens the subflow.
#[must_use]
pub fn join_ack_hmac(
    version: Version,
    local_key: Key,
    remote_key: Key,
    local_nonce: Nonce,
    remote_nonce: Nonce,
) -> JoinHmac {
    JoinHmac(array_at(
        &join_hmac(version, local_key, remote_key, local_nonce, remote_nonce),
        0,
    ))
}

/// The HMAC in a version 1 ADD_ADDR: the rightmost 64 bits, over address id, address and port (0 when the option has
/// none). Version 0 has no such HMAC. Local is the host that announces.
///
/// ```
/// use mptcp_wire::mptcp::{AddAddr, AddAddrForm};
/// use mptcp_wire::{AddressId, Key, crypto};
///
/// let (address_id, address) = (AddressId(2), "192.0.2.7".parse().unwrap());
/// let hmac = crypto::add_addr_hmac(Key([1; 8]), Key([2; 8]), address_id, address, None);
/// let option = AddAddr { address_id, address, port: None, form: AddAddrForm::Announcement(hmac) };
/// assert_eq!(option.buffer_length(), 16);
/// ```
#[must_use]
pub fn add_addr_hmac(
    local_key: Key,
    remote_key: Key,
    address_id: AddressId,
    address: IpAddr,
    port: Option<u16>,
) -> TruncatedHmac {
    let id = [address_id.0];
    let port = port.unwrap_or(0).to_be_bytes();
    let hmac = match address {
        IpAddr::V4(address) => hmac_sha256(local_key, remote_key, &[&id, &address.octets(), &port]),
        IpAddr::V6(address) => hmac_sha256(local_key, remote_key, &[&id, &address.octets(), &port]),
    };
    TruncatedHmac(u64_at(&hmac, 32 - 8))
}

/// The leftmost 20 bytes of the join HMAC: all of HMAC-SHA1, the used part of HMAC-SHA256.
fn join_hmac(version: Version, local_key: Key, remote_key: Key, local_nonce: Nonce, remote_nonce: Nonce) -> [u8; 20] {
    let (local_nonce, remote_nonce) = (local_nonce.0.to_be_bytes(), remote_nonce.0.to_be_bytes());
    let message: [&[u8]; 2] = [&local_nonce, &remote_nonce];
    match version {
        Version::V0 => hmac_sha1(local_key, remote_key, &message),
        Version::V1 => array_at(&hmac_sha256(local_key, remote_key, &message), 0),
    }
}

fn hmac_sha1(local_key: Key, remote_key: Key, message: &[&[u8]]) -> [u8; 20] {
    finish(
        SimpleHmac::<Sha1>::new_from_slice(&joined(local_key, remote_key)),
        message,
    )
}

fn hmac_sha256(local_key: Key, remote_key: Key, message: &[&[u8]]) -> [u8; 32] {
    finish(
        SimpleHmac::<Sha256>::new_from_slice(&joined(local_key, remote_key)),
        message,
    )
}

/// HMAC accepts keys of any length; the error type of the trait is for other algorithms.
fn finish<M: Mac, E, const N: usize>(mac: Result<M, E>, message: &[&[u8]]) -> [u8; N] {
    let Ok(mut mac) = mac else { return [0; N] };
    for part in message {
        mac.update(part);
    }
    array_at(&mac.finalize().into_bytes(), 0)
}

fn joined(local_key: Key, remote_key: Key) -> [u8; 16] {
    let mut joined = [0; 16];
    let (first, second) = joined.split_at_mut(8);
    first.copy_from_slice(&local_key.0);
    second.copy_from_slice(&remote_key.0);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two keys that together are RFC 4231's and RFC 2202's 0x0b key, cut to the 16 bytes that MPTCP uses.
    const OLD_KEY: Key = Key([0x0b; 8]);

    #[test]
    fn hmac_sha256_with_sixteen_bytes_of_key_gives_the_value_of_an_independent_implementation() {
        let hmac = hmac_sha256(OLD_KEY, OLD_KEY, &[b"Hi ", b"There"]);
        assert_eq!(hmac, HMAC_SHA256_HI_THERE);
    }

    #[test]
    fn hmac_sha1_with_sixteen_bytes_of_key_gives_the_value_of_an_independent_implementation() {
        let hmac = hmac_sha1(OLD_KEY, OLD_KEY, &[b"Hi There"]);
        assert_eq!(hmac, HMAC_SHA1_HI_THERE);
    }

    #[test]
    fn token_and_idsn_are_both_ends_of_the_hash_of_the_key() {
        // "abcdbcde" is hashed; the values are those of sha1sum and sha256sum.
        let key = Key(*b"abcdbcde");
        assert_eq!(derive(Version::V0, key), DERIVED_V0);
        assert_eq!(derive(Version::V1, key), DERIVED_V1);
    }

    #[test]
    fn an_add_addr_without_port_is_signed_as_with_port_zero() {
        let (local, remote) = (Key([1; 8]), Key([2; 8]));
        let address = "10.0.0.1".parse().unwrap();
        let without = add_addr_hmac(local, remote, AddressId(1), address, None);
        assert_eq!(without, add_addr_hmac(local, remote, AddressId(1), address, Some(0)));
        assert_ne!(without, add_addr_hmac(remote, local, AddressId(1), address, None));
        assert_ne!(without, add_addr_hmac(local, remote, AddressId(2), address, None));
    }

    const HMAC_SHA256_HI_THERE: [u8; 32] = [
        0x49, 0x2c, 0xe0, 0x20, 0xfe, 0x25, 0x34, 0xa5, 0x78, 0x9d, 0xc3, 0x84, 0x88, 0x06, 0xc7, 0x8f, 0x4f, 0x67,
        0x11, 0x39, 0x7f, 0x08, 0xe7, 0xe7, 0xa1, 0x2c, 0xa5, 0xa4, 0x48, 0x3c, 0x8a, 0xa6,
    ];

    const HMAC_SHA1_HI_THERE: [u8; 20] = [
        0x67, 0x5b, 0x0b, 0x3a, 0x1b, 0x4d, 0xdf, 0x4e, 0x12, 0x48, 0x72, 0xda, 0x6c, 0x2f, 0x63, 0x2b, 0xfe, 0xd9,
        0x57, 0xe9,
    ];

    const DERIVED_V0: Derived = Derived {
        token: Token(0x5db4_bc5d),
        idsn: Idsn(0x6198_e81c_30db_9c0e),
    };

    const DERIVED_V1: Derived = Derived {
        token: Token(0xc76e_ab38),
        idsn: Idsn(0x9171_1c61_8c64_1a2d),
    };
}
