//! DSS (RFC 8684, 3.3): data sequence mapping, DATA_ACK, DATA_FIN. Both versions are the same.

use super::view::begin;
use super::{Subtype, View};
use crate::bytes::{tail, u8_at, u16_at, u32_at, u64_at};
use crate::error::{Error, Result};
use crate::sequence::{SubflowSequenceNumber, WireDataSequenceNumber};

/// Offsets in the option.
mod field {
    pub(super) const FLAGS: usize = 3;
    pub(super) const DATA_ACK: usize = 4;

    // From the start of the mapping, after its data sequence number.
    pub(super) const SUBFLOW_SEQUENCE: usize = 0;
    pub(super) const DATA_LENGTH: usize = 4;
    pub(super) const CHECKSUM: usize = 6;
    pub(super) const CHECKSUM_LENGTH: usize = 2;
}

/// The flags of a DSS option. `a` and `m` mean something only with `A` and `M`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DssFlags(pub u8);

impl DssFlags {
    /// A: a DATA_ACK is there.
    pub const DATA_ACK: Self = Self(0x01);
    /// a: the DATA_ACK has 8 bytes.
    pub const DATA_ACK_LONG: Self = Self(0x02);
    /// M: a mapping is there.
    pub const MAPPING: Self = Self(0x04);
    /// m: the data sequence number has 8 bytes.
    pub const MAPPING_LONG: Self = Self(0x08);
    /// F: DATA_FIN.
    pub const DATA_FIN: Self = Self(0x10);

    /// The flags of `view`, which is a DSS option; 0 when it has no byte for them.
    #[must_use]
    pub fn of(view: &View<'_>) -> Self {
        Self(u8_at(view.bytes(), field::FLAGS))
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    fn set(&mut self, flags: Self, when: bool) {
        if when {
            self.0 |= flags.0;
        }
    }
}

/// A mapping from bytes of the subflow to bytes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Data sequence number of the first byte.
    pub data_sequence: WireDataSequenceNumber,
    /// Subflow sequence number of the first byte, relative to the subflow's start. 0: only a DATA_FIN.
    pub subflow_sequence: SubflowSequenceNumber,
    /// Data-level length: bytes of data, and 1 for a DATA_FIN. 0: infinite mapping, the connection has fallen back.
    pub length: u16,
    /// The DSS checksum, when the connection uses it.
    pub checksum: Option<u16>,
}

/// DSS.
///
/// ```
/// use mptcp_wire::mptcp::{Dss, Mapping, View};
/// use mptcp_wire::{DataSequenceNumber, SubflowSequenceNumber, WireDataSequenceNumber};
///
/// let option = Dss {
///     data_ack: Some(WireDataSequenceNumber::Short(0x10)),
///     mapping: Some(Mapping {
///         data_sequence: WireDataSequenceNumber::Long(0x1_0000_0001),
///         subflow_sequence: SubflowSequenceNumber(1),
///         length: 1400,
///         checksum: None,
///     }),
///     data_fin: false,
/// };
/// let mut bytes = [0; 28];
/// let length = option.emit(&mut bytes).unwrap();
/// let read = Dss::parse(&View::new_checked(&bytes[..length]).unwrap()).unwrap();
///
/// // A DATA_ACK of 4 bytes has only the lower half: extend it with a known number.
/// let sent = DataSequenceNumber(0x2_ffff_fff0);
/// assert_eq!(read.data_ack.unwrap().extend(sent), DataSequenceNumber(0x3_0000_0010));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dss {
    /// All data before this number was received.
    pub data_ack: Option<WireDataSequenceNumber>,
    /// The mapping.
    pub mapping: Option<Mapping>,
    /// The sender has no more data. Means something only with a mapping (RFC 8684, 3.3.3).
    pub data_fin: bool,
}

impl Dss {
    /// Reads the option. The flags decide its length; 2 bytes more are a checksum, when there is a mapping.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let flags = DssFlags::of(view);
        let data_ack = width(flags, DssFlags::DATA_ACK, DssFlags::DATA_ACK_LONG);
        let mapping = width(flags, DssFlags::MAPPING, DssFlags::MAPPING_LONG);
        let expected = length(data_ack, mapping, false);
        let with_checksum = match view.length() {
            found if found == expected => false,
            found if mapping.is_some() && found == expected.saturating_add(field::CHECKSUM_LENGTH) => true,
            found => {
                let expected = expected_text(expected, mapping.is_some());
                return Err(Error::OptionLength {
                    option: "DSS",
                    length: found,
                    expected,
                });
            }
        };
        let acknowledged = tail(view.bytes(), field::DATA_ACK);
        let mapped = tail(acknowledged, data_ack.unwrap_or(0));
        let rest = tail(mapped, mapping.unwrap_or(0));
        Ok(Self {
            data_ack: data_ack.map(|width| number(acknowledged, width)),
            mapping: mapping.map(|width| Mapping {
                data_sequence: number(mapped, width),
                subflow_sequence: SubflowSequenceNumber(u32_at(rest, field::SUBFLOW_SEQUENCE)),
                length: u16_at(rest, field::DATA_LENGTH),
                checksum: with_checksum.then(|| u16_at(rest, field::CHECKSUM)),
            }),
            data_fin: flags.contains(DssFlags::DATA_FIN),
        })
    }

    /// The flags that the option has on the wire.
    #[must_use]
    pub fn flags(&self) -> DssFlags {
        let long = |number: Option<WireDataSequenceNumber>| matches!(number, Some(WireDataSequenceNumber::Long(_)));
        let mut flags = DssFlags::default();
        flags.set(DssFlags::DATA_ACK, self.data_ack.is_some());
        flags.set(DssFlags::DATA_ACK_LONG, long(self.data_ack));
        flags.set(DssFlags::MAPPING, self.mapping.is_some());
        flags.set(
            DssFlags::MAPPING_LONG,
            long(self.mapping.map(|mapping| mapping.data_sequence)),
        );
        flags.set(DssFlags::DATA_FIN, self.data_fin);
        flags
    }

    /// The length of the option in bytes: 4 to 28.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        length(
            self.data_ack.map(WireDataSequenceNumber::length),
            self.mapping.map(|mapping| mapping.data_sequence.length()),
            self.mapping.is_some_and(|mapping| mapping.checksum.is_some()),
        )
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = begin(buffer, length, Subtype::Dss, 0)?;
        let put = |writer: &mut crate::bytes::Writer<'_>, number| match number {
            WireDataSequenceNumber::Short(value) => writer.put_u32(value),
            WireDataSequenceNumber::Long(value) => writer.put_u64(value),
        };
        writer.put_u8(self.flags().0);
        if let Some(data_ack) = self.data_ack {
            put(&mut writer, data_ack);
        }
        if let Some(mapping) = self.mapping {
            put(&mut writer, mapping.data_sequence);
            writer.put_u32(mapping.subflow_sequence.0);
            writer.put_u16(mapping.length);
            if let Some(checksum) = mapping.checksum {
                writer.put_u16(checksum);
            }
        }
        Ok(length)
    }
}

/// The width of a number in bytes, when it is there.
fn width(flags: DssFlags, present: DssFlags, long: DssFlags) -> Option<usize> {
    flags
        .contains(present)
        .then(|| if flags.contains(long) { 8 } else { 4 })
}

fn length(data_ack: Option<usize>, mapping: Option<usize>, checksum: bool) -> usize {
    let mapping = mapping.map_or(0, |width| width.saturating_add(field::CHECKSUM));
    let checksum = if checksum { field::CHECKSUM_LENGTH } else { 0 };
    field::DATA_ACK
        .saturating_add(data_ack.unwrap_or(0))
        .saturating_add(mapping)
        .saturating_add(checksum)
}

fn number(bytes: &[u8], width: usize) -> WireDataSequenceNumber {
    match width {
        8 => WireDataSequenceNumber::Long(u64_at(bytes, 0)),
        _ => WireDataSequenceNumber::Short(u32_at(bytes, 0)),
    }
}

/// The allowed lengths of a DSS option with these flags.
fn expected_text(length: usize, mapping: bool) -> &'static str {
    match (length, mapping) {
        (8, false) => "8 by its flags",
        (12, false) => "12 by its flags",
        (14, true) => "14 or 16 by its flags",
        (18, true) => "18 or 20 by its flags",
        (22, true) => "22 or 24 by its flags",
        (26, true) => "26 or 28 by its flags",
        _ => "4 by its flags",
    }
}
