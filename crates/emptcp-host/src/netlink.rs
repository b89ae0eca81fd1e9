//! One question to the kernel by netlink, and all answers.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use std::io;

/// Sends a request for a list and collects the answers. One that cannot be read, such as a device with a name that is
/// no UTF-8, is left out; none at all is an error.
///
/// # Errors
/// What the kernel answers, and when none of its answers can be read.
pub fn dump<M>(protocol: isize, request: M) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
    NetlinkPayload<M>: From<M>,
{
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (mut answers, mut unreadable) = (Vec::new(), None);
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let read = NetlinkMessage::<M>::deserialize(rest).map_err(|error| io::Error::other(error.to_string()));
            let length = rest
                .first_chunk()
                .map_or(rest.len(), |length| u32::from_ne_bytes(*length) as usize);
            rest = &rest[length.next_multiple_of(4).clamp(1, rest.len())..];
            let message = match read {
                Ok(message) => message,
                Err(error) => {
                    tracing::debug!("an answer of the kernel is left out: {error}");
                    unreadable = Some(error);
                    continue;
                }
            };
            match message.payload {
                NetlinkPayload::Done(_) => {
                    return match unreadable {
                        Some(error) if answers.is_empty() => Err(error),
                        _ => Ok(answers),
                    };
                }
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
        }
    }
}
