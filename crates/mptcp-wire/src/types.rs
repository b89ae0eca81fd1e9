//! Separate types for the identifiers of MPTCP, so that a token cannot be confused with a nonce.
//!
//! Those that people read and write have one form for all purposes: `Display`, [`FromStr`](core::str::FromStr) and,
//! with the feature `serde`, JSON. Numbers that may be above 2^53, where many JSON readers are no longer exact, are
//! strings there; small ones are numbers.
//!
//! | type | text | JSON |
//! |---|---|---|
//! | [`Token`] | `0x1234abcd` | `"0x1234abcd"` |
//! | [`Key`] | only by [`Key::reveal`]: `0x0123456789abcdef` | `"0x0123456789abcdef"` |
//! | [`AddressId`] | `3` | `3` |
//! | [`Version`] | `1` | `1` |
//! | [`IpVersion`] | `4`, `6` | `4`, `6` |
//! | [`Side`] | `local`, `remote` | `"local"`, `"remote"` |
//! | [`FourTuple`] | `10.0.0.1:4000 <-> 10.0.0.2:80` | `{"local": "10.0.0.1:4000", "remote": "10.0.0.2:80"}` |
//! | [`DataSequenceNumber`](crate::DataSequenceNumber) | `18446744073709551615` | `"18446744073709551615"` |
//!
//! ```
//! use mptcp_wire::{FourTuple, Token, Version};
//!
//! let token: Token = "0x1234abcd".parse().unwrap();
//! assert_eq!(token, Token(0x1234_abcd));
//! assert_eq!(token.to_string(), "0x1234abcd");
//! assert_eq!(Version::from_number(1), Some(Version::V1));
//!
//! let subflow = FourTuple::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
//! assert_eq!(subflow.reversed().local, subflow.remote);
//! ```

mod address_id;
mod address_pair;
mod four_tuple;
mod hmac;
mod ip_version;
mod key;
mod side;
mod token;
mod version;

pub use address_id::AddressId;
pub use address_pair::AddressPair;
pub use four_tuple::FourTuple;
pub use hmac::{JoinHmac, Nonce, TruncatedHmac};
pub use ip_version::IpVersion;
pub use key::{Key, RevealedKey};
pub use side::Side;
pub use token::Token;
pub use version::Version;
