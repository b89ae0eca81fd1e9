//! ADD_ADDR (RFC 6824, 3.4.1; RFC 8684, 3.4.1).

use super::view::begin;
use super::{Subtype, View, wrong_length};
use crate::bytes::{array_at, tail, u8_at, u16_at, u64_at};
use crate::error::Result;
use crate::types::{AddressId, TruncatedHmac};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Offsets in the option, and lengths of its parts.
mod field {
    pub(super) const ADDRESS_ID: usize = 3;
    pub(super) const ADDRESS: usize = 4;
    pub(super) const IPV4_LENGTH: usize = 4;
    pub(super) const IPV6_LENGTH: usize = 16;
    pub(super) const PORT_LENGTH: usize = 2;
    pub(super) const HMAC_LENGTH: usize = 8;

    /// E, in the nibble of version 1.
    pub(super) const ECHO: u8 = 0x01;
}

/// The form of the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddAddrForm {
    /// Version 0: an announcement, not authenticated.
    Version0,
    /// Version 1: an announcement with its HMAC, rightmost 64 bits.
    Announcement(TruncatedHmac),
    /// Version 1: the other host has received this announcement.
    Echo,
}

/// ADD_ADDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddAddr {
    /// The id of the address.
    pub address_id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// The port; none: the port of the initial subflow.
    pub port: Option<u16>,
    /// Version, and announcement or echo.
    pub form: AddAddrForm,
}

impl AddAddr {
    /// Reads the option.
    ///
    /// Nibble and length together show the version. In version 0 the nibble is the IP version and the length 8, 10, 20
    /// or 22 bytes. In version 1 the nibble has the flag E; with E the lengths are the same, without it 8 bytes more.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let bytes = view.bytes();
        let address_id = AddressId(u8_at(bytes, field::ADDRESS_ID));
        let v4: [u8; 4] = array_at(bytes, field::ADDRESS);
        let v6: [u8; 16] = array_at(bytes, field::ADDRESS);
        let v4 = (IpAddr::from(Ipv4Addr::from(v4)), field::IPV4_LENGTH);
        let v6 = (IpAddr::from(Ipv6Addr::from(v6)), field::IPV6_LENGTH);
        let echo = view.nibble() & field::ECHO != 0;
        let ((address, address_length), with_port, with_hmac) = match (view.nibble(), echo, view.length()) {
            (4, _, 8) | (_, true, 8) => (v4, false, false),
            (4, _, 10) | (_, true, 10) => (v4, true, false),
            (6, _, 20) | (_, true, 20) => (v6, false, false),
            (6, _, 22) | (_, true, 22) => (v6, true, false),
            (_, false, 16) => (v4, false, true),
            (_, false, 18) => (v4, true, true),
            (_, false, 28) => (v6, false, true),
            (_, false, 30) => (v6, true, true),
            (4, ..) => return wrong_length("ADD_ADDR version 0 IPv4", view, "8 or 10"),
            (6, ..) => return wrong_length("ADD_ADDR version 0 IPv6", view, "20 or 22"),
            (_, true, _) => return wrong_length("ADD_ADDR version 1 echo", view, "8, 10, 20 or 22"),
            (_, false, _) => return wrong_length("ADD_ADDR version 1", view, "16, 18, 28 or 30"),
        };
        let after_address = tail(tail(bytes, field::ADDRESS), address_length);
        let after_port = if with_port {
            tail(after_address, field::PORT_LENGTH)
        } else {
            after_address
        };
        let form = match (with_hmac, echo) {
            (true, _) => AddAddrForm::Announcement(TruncatedHmac(u64_at(after_port, 0))),
            (false, true) => AddAddrForm::Echo,
            (false, false) => AddAddrForm::Version0,
        };
        Ok(Self {
            address_id,
            address,
            port: with_port.then(|| u16_at(after_address, 0)),
            form,
        })
    }

    /// The length of the option in bytes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        let address = if self.address.is_ipv4() {
            field::IPV4_LENGTH
        } else {
            field::IPV6_LENGTH
        };
        let port = if self.port.is_some() { field::PORT_LENGTH } else { 0 };
        let hmac = if matches!(self.form, AddAddrForm::Announcement(_)) {
            field::HMAC_LENGTH
        } else {
            0
        };
        field::ADDRESS
            .saturating_add(address)
            .saturating_add(port)
            .saturating_add(hmac)
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let nibble = match (self.form, self.address) {
            (AddAddrForm::Version0, IpAddr::V4(_)) => 4,
            (AddAddrForm::Version0, IpAddr::V6(_)) => 6,
            (AddAddrForm::Announcement(_), _) => 0,
            (AddAddrForm::Echo, _) => field::ECHO,
        };
        let mut writer = begin(buffer, length, Subtype::AddAddr, nibble)?;
        writer.put_u8(self.address_id.0);
        match self.address {
            IpAddr::V4(address) => writer.put(&address.octets()),
            IpAddr::V6(address) => writer.put(&address.octets()),
        }
        if let Some(port) = self.port {
            writer.put_u16(port);
        }
        if let AddAddrForm::Announcement(hmac) = self.form {
            writer.put_u64(hmac.0);
        }
        Ok(length)
    }
}
