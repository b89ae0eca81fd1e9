//! Sends a request to rtnetlink and reads all answers.
//!
//! A message is a fixed part (`struct ifinfomsg`, `struct tcmsg`) and attributes. Only the requested parts are read.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::{convert::Infallible, io};

/// A message of rtnetlink.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// `RTM_...`.
    pub(crate) kind: u16,
    bytes: Vec<u8>,
}

impl Message {
    /// A request with its fixed part.
    pub(crate) fn new(kind: u16, fixed: &[u8]) -> Self {
        let bytes = fixed.to_vec();
        Self { kind, bytes }
    }

    /// A number of 32 bits in the fixed part; 0 if the message is too short.
    pub(crate) fn word(&self, offset: usize) -> u32 {
        word(&self.bytes, offset).unwrap_or_default()
    }

    /// A number of 16 bits in the fixed part; 0 if the message is too short.
    pub(crate) fn half_word(&self, offset: usize) -> u16 {
        let bytes = self.bytes.get(offset..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
    }

    /// The attributes after the fixed part, which has `fixed` bytes.
    pub(crate) fn attributes(&self, fixed: usize) -> Attributes<'_> {
        Attributes(self.bytes.get(fixed..).unwrap_or_default())
    }
}

/// A number of 32 bits.
pub(crate) fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A number of 64 bits.
pub(crate) fn double_word(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.first_chunk()?))
}

/// A string that ends at its first zero byte. Names of devices may be no UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

/// Attributes, as they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Attributes within the value of one.
    pub(crate) fn within(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// Each attribute's type, without its flags, and its value. Ends at one that is malformed.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        NlasIterator::new(self.0).map_while(Result::ok).map(|attribute| {
            let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
            (kind, &attribute.into_inner()[HEADER..end])
        })
    }

    /// The value of the first attribute of a type.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }
}

/// Type and length of an attribute.
const HEADER: usize = 4;

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..self.bytes.len()].copy_from_slice(&self.bytes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self::new(header.message_type, payload))
    }
}

impl From<Message> for NetlinkPayload<Message> {
    fn from(message: Message) -> Self {
        Self::InnerMessage(message)
    }
}

/// Sends a request for a list and collects the answers.
///
/// # Errors
/// The kernel's error, or an answer that is no netlink message.
pub(crate) fn dump(request: Message) -> io::Result<Vec<Message>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<Message>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = message.header.length as usize;
            rest = &rest[length.next_multiple_of(4).clamp(1, rest.len())..];
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_up_to_one_that_is_malformed() {
        let good = [8, 0, 3, 0x80, b'l', b'o', 0, 0];
        let cut = [40, 0, 1, 0, 1];
        let message = Message::new(16, &[&[7; 16][..], &good, &cut].concat());
        assert_eq!(message.word(4), 0x0707_0707);
        assert_eq!(message.word(100), 0);
        let attributes = message.attributes(16);
        assert_eq!(attributes.iter().collect::<Vec<_>>(), [(3, &b"lo\0\0"[..])]);
        assert_eq!(attributes.get(3).and_then(text).as_deref(), Some("lo"));
        assert_eq!(attributes.get(1), None);
        assert_eq!(message.attributes(99).iter().count(), 0);
        assert_eq!(text(b"\xff\0"), None);
    }
}
