//! Messages of netlink (`struct nlmsghdr`): a datagram holds one after the other.

use crate::error::Error;
use std::io;

/// Length of the header.
pub(crate) const HEADER: usize = 16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const NO_OPERATION: u16 = libc::NLMSG_NOOP as u16;

/// The content of a message.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// An answer: what follows the header.
    Answer(&'a [u8]),
    /// The list is complete.
    Done,
}

/// Calls `with` for the messages of a datagram that answer the request `sequence`, until it breaks.
///
/// # Errors
/// The kernel's refusal, or a datagram that is not a sequence of messages.
pub(crate) fn each(
    mut datagram: &[u8],
    sequence: u32,
    mut with: impl FnMut(Message<'_>) -> bool,
) -> Result<bool, Error> {
    while !datagram.is_empty() {
        let header = datagram
            .first_chunk::<HEADER>()
            .ok_or(Error::Malformed("a header is cut off"))?;
        let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let length = word(0) as usize;
        let content = datagram
            .get(HEADER..length)
            .ok_or(Error::Malformed("a message is longer than its datagram"))?;
        if word(8) == sequence {
            let enough = match kind {
                ERROR => return Err(refusal(content)?),
                DONE => match status(content) {
                    Some(error) => return Err(Error::Refused(error)),
                    None => with(Message::Done),
                },
                NO_OPERATION => false,
                _ => with(Message::Answer(content)),
            };
            if enough {
                return Ok(true);
            }
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct nlmsgerr`; only the errno is used.
fn refusal(content: &[u8]) -> Result<Error, Error> {
    status(content)
        .map(Error::Refused)
        .ok_or(Error::Malformed("an error without a number"))
}

/// A negative errno at the beginning, if there is one.
fn status(content: &[u8]) -> Option<io::Error> {
    let number = i32::from_ne_bytes(*content.first_chunk()?);
    (number < 0).then(|| io::Error::from_raw_os_error(number.saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, sequence: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((HEADER as u32 + content.len() as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn answers_to_other_requests_are_skipped_and_the_end_is_reported() {
        let datagram = [
            message(20, 7, b"old"),
            message(20, 8, b"new"),
            message(DONE, 8, &[0; 4]),
        ]
        .concat();
        let mut found = Vec::new();
        let ended = each(&datagram, 8, |message| match message {
            Message::Answer(content) => {
                found.push(content.to_vec());
                false
            }
            Message::Done => true,
        });
        assert!(ended.unwrap());
        assert_eq!(found, [b"new"]);
    }

    #[test]
    fn a_refusal_keeps_the_number_of_the_kernel() {
        let error = message(ERROR, 8, &(-libc::ENOENT).to_ne_bytes());
        let error = each(&error, 8, |_| false).unwrap_err();
        assert_eq!(io::Error::from(error).raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn a_datagram_that_is_cut_off_is_an_error_and_ends() {
        let whole = message(20, 8, b"content");
        for length in 1..whole.len() - 1 {
            assert!(each(&whole[..length], 8, |_| false).is_err(), "{length}");
        }
        assert!(
            each(&[0; HEADER], 8, |_| false).is_err(),
            "a length of zero must not loop"
        );
    }
}
