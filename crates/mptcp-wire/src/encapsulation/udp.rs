//! UDP (RFC 768): the tunnels that are told by its destination port.

use super::{Encapsulation, Inner, geneve, gtp, vxlan};
use crate::bytes::{tail, u16_at};
use crate::error::{Header, Result};

/// IP protocol number.
pub(crate) const PROTOCOL: u8 = 17;
const DESTINATION_PORT: usize = 2;
const LENGTH: usize = 8;

/// Ports of tunnels (IANA).
mod port {
    pub(super) const VXLAN: u16 = 4789;
    /// The default of Linux (`vxlan_port` in drivers/net/vxlan), older than the assignment.
    pub(super) const VXLAN_LINUX: u16 = 8472;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const GTP_U: u16 = 2152;
}

/// None: not a tunnel that is read.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<(Encapsulation, Inner)>> {
    Header::Udp.within(bytes, LENGTH)?;
    let content = tail(bytes, LENGTH);
    let (kind, inner) = match u16_at(bytes, DESTINATION_PORT) {
        port::VXLAN | port::VXLAN_LINUX => (Encapsulation::Vxlan, vxlan::open(content)?),
        port::VXLAN_GPE => (Encapsulation::Vxlan, vxlan::open_gpe(content)?),
        port::GENEVE => (Encapsulation::Geneve, geneve::open(content)?),
        port::GTP_U => (Encapsulation::GtpU, gtp::open(content)?),
        _ => return Ok(None),
    };
    Ok(inner.map(|inner| {
        let offset = inner.offset.saturating_add(LENGTH);
        (kind, Inner { offset, ..inner })
    }))
}
