//! The option area of a TCP header: parsing and building it.

use crate::bytes::{head, tail, u8_at};
use crate::error::{Error, Result};
use crate::list::List;
use crate::mptcp;
use crate::tcp::option::{TcpOption, kind};

/// The maximum length of the options of a TCP header.
pub const CAPACITY: usize = 40;

/// One option in its area. Kind, length and content are inside the area; the content is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Located<'a> {
    /// The option's kind.
    #[must_use]
    pub fn kind(&self) -> u8 {
        u8_at(self.bytes, 0)
    }

    /// Offset of the option in the option area.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The whole option, kind and length included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads the option.
    pub fn parse(&self) -> Result<TcpOption> {
        TcpOption::parse(self.bytes)
    }

    /// The option as an MPTCP option, if it is one.
    #[must_use]
    pub fn mptcp(&self) -> Option<Result<mptcp::View<'a>>> {
        (self.kind() == kind::MPTCP).then(|| mptcp::View::new_checked(self.bytes))
    }
}

/// An iterator over an option area, NOPs included. It ends at end-of-list, at the end of the area, or after the first
/// error: if the length of an option is wrong, the position of the next one is unknown.
///
/// An option with malformed content does not end the iteration: only [`Located::parse`] fails.
///
/// ```
/// use mptcp_wire::mptcp::{MpPrio, MptcpOption};
/// use mptcp_wire::tcp::Options;
///
/// // Two NOPs, MP_PRIO with the backup bit and without an address id, a NOP.
/// let area = [1, 1, 30, 3, 0x51, 1];
/// let found: Vec<_> = Options::new(&area).mptcp().collect();
/// assert_eq!(found, [Ok(MptcpOption::MpPrio(MpPrio { backup: true, address_id: None }))]);
///
/// // The offset of each option, NOPs included.
/// let offsets: Vec<_> = Options::new(&area).map(|option| option.unwrap().offset()).collect();
/// assert_eq!(offsets, [0, 1, 2, 5]);
/// ```
#[derive(Clone, Debug)]
pub struct Options<'a> {
    area: &'a [u8],
    offset: usize,
}

impl<'a> Options<'a> {
    /// The options in `area`.
    #[must_use]
    pub fn new(area: &'a [u8]) -> Self {
        Self { area, offset: 0 }
    }

    /// The parsed options, without NOPs.
    pub fn parsed(self) -> impl Iterator<Item = Result<TcpOption>> + 'a {
        self.filter(|option| !matches!(option, Ok(located) if located.kind() == kind::NO_OPERATION))
            .map(|option| option.and_then(|located| located.parse()))
    }

    /// The parsed MPTCP options. If the area ends with an error, that error comes last.
    pub fn mptcp(self) -> impl Iterator<Item = Result<mptcp::MptcpOption>> + 'a {
        let mut options = self;
        core::iter::from_fn(move || {
            loop {
                options.skip_others();
                match options.next()? {
                    Ok(located) => {
                        if let Some(view) = located.mptcp() {
                            return Some(view.and_then(|view| mptcp::MptcpOption::parse(&view)));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Skips to the next MPTCP option, the end, or an error: most segments begin with options of other kinds.
    fn skip_others(&mut self) {
        while let [option_kind, rest @ ..] = tail(self.area, self.offset) {
            let length = match (*option_kind, rest.first()) {
                (kind::NO_OPERATION, _) => 1,
                (kind::MPTCP | kind::END_OF_LIST, _) | (_, None) => return,
                (_, Some(length)) => usize::from(*length),
            };
            if *option_kind != kind::NO_OPERATION && (length < 2 || length > rest.len().saturating_add(1)) {
                return;
            }
            self.offset = self.offset.saturating_add(length);
        }
    }

    fn end(&mut self) {
        self.offset = self.area.len();
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Located<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = tail(self.area, self.offset);
        let offset = self.offset;
        let option_kind = *rest.first()?;
        let length = match (option_kind, rest.get(1)) {
            (kind::END_OF_LIST, _) => {
                self.end();
                return None;
            }
            (kind::NO_OPERATION, _) => 1,
            (_, None) => {
                self.end();
                return Some(Err(Error::OptionCut { kind: option_kind }));
            }
            (_, Some(&length)) if length < 2 || usize::from(length) > rest.len() => {
                self.end();
                return Some(Err(Error::OptionOverrun {
                    kind: option_kind,
                    length,
                    room: rest.len(),
                }));
            }
            (_, Some(&length)) => length.into(),
        };
        self.offset = offset.saturating_add(length);
        Some(Ok(Located {
            bytes: head(rest, length),
            offset,
        }))
    }
}

impl core::iter::FusedIterator for Options<'_> {}

/// An owned option area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Area(List<u8, CAPACITY>);

impl Area {
    /// An empty area.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An area with any bytes, well-formed or not; [`Error::OptionsFull`] above 40.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let full = Error::OptionsFull {
            needed: bytes.len(),
            room: CAPACITY,
        };
        List::from_slice(bytes).map(Self).map_err(|_| full)
    }

    /// Adds an option; [`Error::OptionsFull`] when it has no room.
    pub fn push(&mut self, option: &TcpOption) -> Result<()> {
        let mut buffer = [0; CAPACITY];
        let room = self.room();
        let length = option.buffer_length();
        if length > room {
            return Err(Error::OptionsFull { needed: length, room });
        }
        let length = option.emit(&mut buffer)?;
        self.push_bytes(head(&buffer, length))
    }

    /// Adds any bytes, well-formed or not; [`Error::OptionsFull`] when they have no room.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let room = self.room();
        if bytes.len() > room {
            return Err(Error::OptionsFull {
                needed: bytes.len(),
                room,
            });
        }
        bytes.iter().try_for_each(|byte| self.0.push(*byte))
    }

    /// The number of bytes that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.room()
    }

    /// The bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The options so far.
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        Options::new(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn forty_bytes_of_options_that_end_in_a_nop_end_there() {
        let mut segment = [1_u8; 48];
        segment[38] = kind::NO_OPERATION;
        segment[39] = kind::NO_OPERATION;
        segment[40..44].copy_from_slice(&[30, 4, 0x80, 0]);
        let options: Vec<_> = Options::new(&segment[..40]).collect();
        assert_eq!(options.len(), 40);
    }

    #[test]
    fn a_length_of_zero_or_one_ends_the_walk_with_an_error() {
        for length in [0, 1] {
            let area = [30, length, 0, 0];
            let mut options = Options::new(&area);
            assert_eq!(
                options.next(),
                Some(Err(Error::OptionOverrun {
                    kind: 30,
                    length,
                    room: 4
                }))
            );
            assert_eq!(options.next(), None);
        }
    }

    #[test]
    fn a_length_past_the_area_or_no_length_at_all_ends_the_walk_with_an_error() {
        let mut options = Options::new(&[1, 30, 4, 0]);
        assert_eq!(options.next().unwrap().unwrap().kind(), 1);
        assert_eq!(
            options.next(),
            Some(Err(Error::OptionOverrun {
                kind: 30,
                length: 4,
                room: 3
            }))
        );
        assert_eq!(Options::new(&[30]).next(), Some(Err(Error::OptionCut { kind: 30 })));
    }

    #[test]
    fn malformed_content_does_not_end_the_walk() {
        let area = [30, 3, 0x10, 2, 4, 0x05, 0xb4, 0];
        let parsed: Vec<_> = Options::new(&area).parsed().collect();
        assert!(matches!(
            parsed[0],
            Err(Error::OptionLength {
                option: "MP_JOIN",
                length: 3,
                ..
            })
        ));
        assert_eq!(parsed[1], Ok(TcpOption::MaximumSegmentSize(1460)));
    }

    #[test]
    fn the_area_refuses_the_forty_first_byte() {
        let mut area = Area::new();
        area.push_bytes(&[1; 39]).unwrap();
        let error = area.push(&TcpOption::SackPermitted).unwrap_err();
        assert_eq!(error, Error::OptionsFull { needed: 2, room: 1 });
        area.push(&TcpOption::NoOperation).unwrap();
        assert_eq!(area.room(), 0);
        assert!(Area::from_bytes(&[0; 41]).is_err());
    }

    proptest! {
        #[test]
        fn the_walk_never_leaves_the_area_and_its_options_lie_one_after_the_other(area in prop::collection::vec(any::<u8>(), 0..=40)) {
            let mut end = 0;
            for option in Options::new(&area) {
                let Ok(option) = option else { break };
                prop_assert_eq!(option.offset(), end);
                end += option.bytes().len();
                prop_assert!(end <= area.len());
                prop_assert_eq!(option.bytes(), &area[option.offset()..end]);
                let _ = option.parse();
            }
        }
    }
}
