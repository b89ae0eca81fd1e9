//! Nonces and HMACs, which authenticate subflows and addresses.

/// The random number of an MP_JOIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub u32);

/// 64 bits of an HMAC: in the MP_JOIN SYN-ACK and in ADD_ADDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TruncatedHmac(pub u64);

/// 160 bits of an HMAC: in the MP_JOIN third ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoinHmac(pub [u8; 20]);
