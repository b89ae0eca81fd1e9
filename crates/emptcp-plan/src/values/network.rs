//! Addresses, prefixes, ports, devices and tokens.

use super::{ValueError, quantity};
use crate::suggest;
use mptcp_wire::Token;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Length of an IPv4-mapped prefix of length 0 (RFC 4291, section 2.5.5.2).
pub(crate) const MAPPED_BITS: u8 = 96;

/// An address prefix; IPv4 is kept IPv4-mapped, so 96 is added to its length.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Prefix {
    /// Network order; every bit beyond `length` is 0.
    pub address: [u8; 16],
    /// 0..=128.
    pub length: u8,
}

impl Prefix {
    /// Reads `192.0.2.0/24`, `192.0.2.1`, `2001:db8::/32` or `2001:db8::1`.
    ///
    /// # Errors
    /// When it is no address, the length is out of range, or bits beyond the length are set.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        const HELP: &str = "expected an address or a prefix, such as `192.0.2.1`, `192.0.2.0/24` or `2001:db8::/32`";
        let shown = suggest::shorten(text);
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            ValueError::new(format!("`{shown}` is not an address or prefix"), HELP).perhaps_meant(written_out(text))
        })?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => quantity::integer_within(length, 0, widest, "a prefix length").map_err(|error| {
                ValueError::new(
                    format!("the prefix length in `{shown}` is wrong: {}", error.message),
                    error.help,
                )
                .perhaps_meant(written_out(text))
            })?,
            None => widest,
        };
        let length = u8::try_from(length).unwrap_or(u8::MAX);
        let wanted = match address {
            IpAddr::V4(v4) => Self {
                address: v4.to_ipv6_mapped().octets(),
                length: length + MAPPED_BITS,
            },
            IpAddr::V6(v6) => Self {
                address: v6.octets(),
                length,
            },
        };
        let clean = wanted.cleared();
        if clean != wanted {
            return Err(ValueError::new(
                format!("`{shown}` has address bits set beyond its length"),
                format!("expected the first address of the prefix; did you mean `{clean}`?"),
            )
            .meant(clean.to_string()));
        }
        Ok(wanted)
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self {
            address: octets,
            length: 128,
        }
    }

    /// Whether `address` (IPv4 mapped) lies in this prefix.
    pub fn contains(&self, address: [u8; 16]) -> bool {
        Self {
            address,
            length: self.length,
        }
        .cleared()
            == self.cleared()
    }

    /// Whether some address lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let length = self.length.min(other.length);
        Self { length, ..*self }.cleared() == Self { length, ..*other }.cleared()
    }

    /// The same prefix without bits beyond its length.
    fn cleared(&self) -> Self {
        let length = self.length.min(128);
        let bits = u128::from_be_bytes(self.address);
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Self {
            address: (bits & mask).to_be_bytes(),
            length,
        }
    }

    /// Whether only IPv4 addresses lie in it.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.length >= MAPPED_BITS && Ipv6Addr::from(self.address).to_ipv4_mapped().is_some()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, length, widest) = match Ipv6Addr::from(self.address).to_ipv4_mapped() {
            Some(v4) if self.length >= MAPPED_BITS => (IpAddr::V4(v4), self.length - MAPPED_BITS, 32),
            _ => (IpAddr::V6(Ipv6Addr::from(self.address)), self.length, 128),
        };
        write!(out, "{address}")?;
        if length < widest {
            write!(out, "/{length}")
        } else {
            Ok(())
        }
    }
}

/// Short and long forms of other tools: `10/8`, `10.0.0.0/255.0.0.0`, `[2001:db8::1]`.
fn written_out(text: &str) -> Option<String> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let (address, length) = inner.split_once('/').map_or((inner, None), |(a, l)| (a, Some(l)));
    let mut parts: Vec<&str> = address.split('.').collect();
    let short = length.is_some() && parts.len() < 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    if short {
        parts.resize(4, "0");
    }
    let address = parts.join(".");
    let length = match length {
        Some(mask) if mask.contains('.') && !address.contains(':') => {
            let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
            Some((mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones().to_string())?)
        }
        other => other.map(str::to_owned),
    };
    let full = length.map_or_else(|| address.clone(), |length| format!("{address}/{length}"));
    // An unchanged text was already refused.
    if full == text {
        return None;
    }
    match Prefix::parse(&full) {
        Ok(_) => Some(full),
        Err(error) => error.meant,
    }
}

/// Names of services that users write instead of a port.
const SERVICES: &[(&str, u16)] = &[
    ("ssh", 22),
    ("domain", 53),
    ("dns", 53),
    ("http", 80),
    ("https", 443),
    ("imaps", 993),
    ("http-alt", 8080),
];

/// Ports from `low` to `high`, both inclusive.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Ports {
    /// Lowest port.
    pub low: u16,
    /// Highest port.
    pub high: u16,
}

impl Ports {
    /// Reads `443` or `1000-2000`.
    ///
    /// # Errors
    /// When it is no port or range of ports, or the range is upside down.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let whole = text;
        let port = |text: &str| -> Result<u16, ValueError> {
            let number = quantity::integer_within(text, 0, u64::from(u16::MAX), "a port").map_err(|error| {
                let known = SERVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(whole));
                let known = known.map(|(_, port)| port.to_string());
                // Ranges of other tools: `80:90`, `80..90`.
                let range = whole.split_once("..").or_else(|| whole.split_once(':'));
                let range = range.map(|(low, high)| format!("{low}-{high}"));
                error.perhaps_meant(known.or(range.filter(|range| Self::parse(range).is_ok())))
            })?;
            Ok(u16::try_from(number).unwrap_or(u16::MAX))
        };
        // Without a number at both ends it is no range: `-1`.
        match text
            .split_once('-')
            .filter(|(low, high)| !low.is_empty() && !high.is_empty())
        {
            None => port(text).map(|port| Self { low: port, high: port }),
            Some((low, high)) => {
                let (low, high) = (port(low)?, port(high)?);
                if low > high {
                    return Err(ValueError::new(
                        format!("the range of ports `{}` is upside down", suggest::shorten(text)),
                        format!("expected the lower port first: `{high}-{low}`"),
                    )
                    .meant(format!("{high}-{low}")));
                }
                Ok(Self { low, high })
            }
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            write!(out, "{}", self.low)
        } else {
            write!(out, "{}-{}", self.low, self.high)
        }
    }
}

/// Reads one end of a subflow: `192.0.2.1:443` or `[2001:db8::1]:443`.
///
/// # Errors
/// When either part is missing or wrong.
pub fn endpoint(text: &str) -> Result<SocketAddr, ValueError> {
    let wrong = || {
        ValueError::new(
            format!("`{}` is not an address with a port", suggest::shorten(text)),
            "expected `192.0.2.1:443` or, for IPv6, `[2001:db8::1]:443`",
        )
    };
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = match address.strip_prefix('[') {
        Some(rest) => IpAddr::V6(
            rest.strip_suffix(']')
                .and_then(|inner| inner.parse().ok())
                .ok_or_else(wrong)?,
        ),
        None => IpAddr::V4(address.parse::<Ipv4Addr>().map_err(|_| wrong())?),
    };
    let ports = Ports::parse(port)?;
    if ports.low != ports.high {
        return Err(wrong());
    }
    Ok(SocketAddr::new(address, ports.low))
}

/// Reads a token such as `0x1234abcd`.
///
/// # Errors
/// When it is not `0x` and one to eight hexadecimal digits.
pub fn token(text: &str) -> Result<Token, ValueError> {
    text.parse::<Token>().map_err(|_| {
        // Other programs write tokens in decimal digits.
        let decimal = text.bytes().all(|b| b.is_ascii_digit());
        if let Some(token) = text.parse().ok().filter(|_| decimal).map(Token) {
            return ValueError::new(
                format!("the token `{}` is written in decimal digits", suggest::shorten(text)),
                format!("expected it in hexadecimal: `{token}`"),
            )
            .meant(token.to_string());
        }
        ValueError::new(
            format!("`{}` is not a token", suggest::shorten(text)),
            "expected `0x` and up to eight hexadecimal digits, such as `0x1234abcd` (see `ss -Mi` or `emptcp flows`)",
        )
        .perhaps_meant(Some(format!("0x{text}")).filter(|with| !text.starts_with("0x") && token(with).is_ok()))
    })
}

/// Checks the name of a network device as the kernel does (`dev_valid_name`); an alternative name may be longer.
pub(crate) fn device(text: &str) -> Result<(), ValueError> {
    const LONGEST: usize = 127;
    let refuse = |why: &str| {
        Err(ValueError::new(
            format!("`{}` cannot be the name of a device: {why}", suggest::shorten(text)),
            "expected the name of one network device, such as `eth0` (see `ip link`)",
        ))
    };
    match text {
        "" => refuse("it is empty"),
        "." | ".." => refuse("the kernel reserves it"),
        "*" | "any" | "all" => refuse("every device must be named, there is no wildcard"),
        _ if text.contains(['*', '?', '%', '[', ']']) => {
            refuse("a pattern is not the name of a device, each must be named")
        }
        _ if text.len() > LONGEST => refuse("it is longer than 127 bytes"),
        _ if text.contains(['/', ':', '"']) => refuse("it contains `/`, `:` or `\"`"),
        _ if text.contains(|c: char| c.is_whitespace() || c.is_control()) => refuse("it contains white space"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ipv4_is_kept_mapped() {
        let prefix = Prefix::parse("192.0.2.0/24").unwrap();
        assert_eq!(prefix.length, 120);
        assert_eq!(prefix.address, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0]);
        assert_eq!(prefix, Prefix::parse("::ffff:192.0.2.0/120").unwrap());
        assert_eq!(prefix.to_string(), "192.0.2.0/24");
        assert_eq!(Prefix::parse("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    }

    #[test]
    fn bits_beyond_the_length_are_refused_with_the_prefix_meant() {
        let error = Prefix::parse("10.1.2.3/8").unwrap_err();
        assert!(error.help.contains("did you mean `10.0.0.0/8`"), "{error:?}");
        assert!(
            Prefix::parse("2001:db8::1/32")
                .unwrap_err()
                .help
                .contains("`2001:db8::/32`")
        );
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.256",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "fe80::1%eth0",
        ] {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn forms_of_other_tools_are_written_out() {
        for (found, meant) in [
            ("10/8", "10.0.0.0/8"),
            ("192.168/16", "192.168.0.0/16"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(
                Prefix::parse(found).unwrap_err().meant.as_deref(),
                Some(meant),
                "{found}"
            );
        }
        for found in [
            "ten",
            "10.0.0.0/255.0.255.0",
            "10.0.0",
            "1.2.3.4.5/8",
            "/8",
            "::/255.0.0.0",
        ] {
            assert_eq!(Prefix::parse(found).unwrap_err().meant, None, "{found}");
        }
        for (found, meant) in [
            ("https", "443"),
            ("80:90", "80-90"),
            ("80..90", "80-90"),
            ("90-80", "80-90"),
        ] {
            assert_eq!(
                Ports::parse(found).unwrap_err().meant.as_deref(),
                Some(meant),
                "{found}"
            );
        }
        assert_eq!(token("1234abcd").unwrap_err().meant.as_deref(), Some("0x1234abcd"));
    }

    #[test]
    fn prefixes_overlap_only_when_one_contains_the_other() {
        let parse = |text| Prefix::parse(text).unwrap();
        assert!(parse("10.0.0.0/8").overlaps(&parse("10.1.0.0/16")));
        assert!(!parse("10.0.0.0/16").overlaps(&parse("10.1.0.0/16")));
        assert!(!parse("0.0.0.0/0").overlaps(&parse("2001:db8::/32")));
        assert!(parse("::/0").overlaps(&parse("10.0.0.0/8")));
        assert!(parse("10.0.0.0/8").contains(parse("10.9.9.9").address));
        assert!(!parse("10.0.0.0/8").contains(parse("11.9.9.9").address));
    }

    #[test]
    fn ports_and_endpoints_are_read() {
        assert_eq!(Ports::parse("1000-2000").unwrap(), Ports { low: 1000, high: 2000 });
        assert!(Ports::parse("2000-1000").unwrap_err().help.contains("`1000-2000`"));
        assert!(Ports::parse("65536").unwrap_err().help.contains("from 0 to 65535"));
        assert_eq!(endpoint("[2001:db8::1]:443").unwrap().to_string(), "[2001:db8::1]:443");
        for text in [
            "2001:db8::1:443",
            "10.0.0.1",
            "10.0.0.1:80-90",
            "[10.0.0.1]:80",
            "[::1:80",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn device_names_follow_the_kernel() {
        assert!(device("eth0.100").is_ok());
        assert!(device("wlp2s0").is_ok());
        assert!(device(&"a".repeat(127)).is_ok());
        for text in ["", ".", "a/b", "eth0:1", &"a".repeat(128), "a b", "*"] {
            assert!(device(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_are_hexadecimal() {
        assert_eq!(token("0x1234abcd").unwrap(), Token(0x1234_abcd));
        for text in ["1234", "0x", "0x123456789", "0x+1", "abcd"] {
            assert!(token(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_written_is_read_back(address: [u8; 16], length in 0u8..=128, v4: bool) {
            let mut address = address;
            let mut length = length;
            if v4 {
                address[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
                length = length.max(96);
            }
            let prefix = Prefix { address, length }.cleared();
            prop_assert_eq!(Prefix::parse(&prefix.to_string()).unwrap(), prefix);
        }
    }
}
