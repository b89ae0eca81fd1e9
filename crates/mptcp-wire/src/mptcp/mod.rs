//! The MPTCP options of RFC 6824 and RFC 8684: one file per subtype.
//!
//! [`View`] is any MPTCP option in place; [`MptcpOption`] is any parsed one. Reserved bits are ignored when read and
//! zero when written, as both RFCs require.

mod add_addr;
mod capable;
mod dss;
mod join;
mod priority;
mod remove_addr;
mod signals;
mod unknown;
mod view;

pub use add_addr::{AddAddr, AddAddrForm};
pub use capable::{CapableFlags, CapableKeys, MpCapable};
pub use dss::{Dss, DssFlags, Mapping};
pub use join::MpJoin;
pub use priority::MpPrio;
pub use remove_addr::RemoveAddr;
pub use signals::{MpFail, MpFastclose, MpTcprst, ResetReason};
pub use unknown::UnknownSubtype;
pub use view::{Subtype, View};

use crate::error::{Error, Result};

/// The kind of the TCP option that every MPTCP option is (IANA "TCP Option Kind Numbers").
pub const KIND: u8 = 30;

/// Offsets that all MPTCP options share.
mod field {
    pub(super) const LENGTH: usize = 1;
    pub(super) const SUBTYPE: usize = 2;
    pub(super) const CONTENT: usize = 3;
}

/// An MPTCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MptcpOption {
    /// Opens a connection.
    MpCapable(MpCapable),
    /// Adds a subflow to a connection.
    MpJoin(MpJoin),
    /// Maps data and acknowledges it.
    Dss(Dss),
    /// Announces an address, or echoes an announcement.
    AddAddr(AddAddr),
    /// Removes addresses.
    RemoveAddr(RemoveAddr),
    /// Makes a subflow backup, or regular again.
    MpPrio(MpPrio),
    /// Falls back after a checksum failure.
    MpFail(MpFail),
    /// Aborts the whole connection.
    MpFastclose(MpFastclose),
    /// The reason of a subflow's reset.
    MpTcprst(MpTcprst),
    /// A subtype without a format in either RFC: 0x9 to 0xe, and MP_EXPERIMENTAL (0xf).
    Unknown(UnknownSubtype),
}

impl MptcpOption {
    /// Reads the option; its length must be one that the RFC of its version defines.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        match view.subtype() {
            Subtype::MpCapable => MpCapable::parse(view).map(Self::MpCapable),
            Subtype::MpJoin => MpJoin::parse(view).map(Self::MpJoin),
            Subtype::Dss => Dss::parse(view).map(Self::Dss),
            Subtype::AddAddr => AddAddr::parse(view).map(Self::AddAddr),
            Subtype::RemoveAddr => RemoveAddr::parse(view).map(Self::RemoveAddr),
            Subtype::MpPrio => MpPrio::parse(view).map(Self::MpPrio),
            Subtype::MpFail => MpFail::parse(view).map(Self::MpFail),
            Subtype::MpFastclose => MpFastclose::parse(view).map(Self::MpFastclose),
            Subtype::MpTcprst => MpTcprst::parse(view).map(Self::MpTcprst),
            Subtype::Unknown(_) | Subtype::MpExperimental => UnknownSubtype::parse(view).map(Self::Unknown),
        }
    }

    /// The subtype.
    #[must_use]
    pub fn subtype(&self) -> Subtype {
        match self {
            Self::MpCapable(_) => Subtype::MpCapable,
            Self::MpJoin(_) => Subtype::MpJoin,
            Self::Dss(_) => Subtype::Dss,
            Self::AddAddr(_) => Subtype::AddAddr,
            Self::RemoveAddr(_) => Subtype::RemoveAddr,
            Self::MpPrio(_) => Subtype::MpPrio,
            Self::MpFail(_) => Subtype::MpFail,
            Self::MpFastclose(_) => Subtype::MpFastclose,
            Self::MpTcprst(_) => Subtype::MpTcprst,
            Self::Unknown(option) => option.subtype(),
        }
    }

    /// The bytes that the option takes, kind and length included.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        match self {
            Self::MpCapable(option) => option.buffer_length(),
            Self::MpJoin(option) => option.buffer_length(),
            Self::Dss(option) => option.buffer_length(),
            Self::AddAddr(option) => option.buffer_length(),
            Self::RemoveAddr(option) => option.buffer_length(),
            Self::MpPrio(option) => option.buffer_length(),
            Self::MpFail(option) => option.buffer_length(),
            Self::MpFastclose(option) => option.buffer_length(),
            Self::MpTcprst(option) => option.buffer_length(),
            Self::Unknown(option) => option.buffer_length(),
        }
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::MpCapable(option) => option.emit(buffer),
            Self::MpJoin(option) => option.emit(buffer),
            Self::Dss(option) => option.emit(buffer),
            Self::AddAddr(option) => option.emit(buffer),
            Self::RemoveAddr(option) => option.emit(buffer),
            Self::MpPrio(option) => option.emit(buffer),
            Self::MpFail(option) => option.emit(buffer),
            Self::MpFastclose(option) => option.emit(buffer),
            Self::MpTcprst(option) => option.emit(buffer),
            Self::Unknown(option) => option.emit(buffer),
        }
    }
}

macro_rules! from {
    ($($variant:ident($option:ty)),*) => {$(
        impl From<$option> for MptcpOption {
            fn from(option: $option) -> Self {
                Self::$variant(option)
            }
        }
    )*};
}

from!(
    MpCapable(MpCapable),
    MpJoin(MpJoin),
    Dss(Dss),
    AddAddr(AddAddr),
    RemoveAddr(RemoveAddr),
    MpPrio(MpPrio),
    MpFail(MpFail),
    MpFastclose(MpFastclose),
    MpTcprst(MpTcprst),
    Unknown(UnknownSubtype)
);

fn wrong_length<T>(option: &'static str, view: &View<'_>, expected: &'static str) -> Result<T> {
    Err(Error::OptionLength {
        option,
        length: view.length(),
        expected,
    })
}

#[cfg(test)]
mod tests;
