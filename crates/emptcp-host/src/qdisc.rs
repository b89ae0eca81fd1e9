//! Queueing disciplines of the devices of this namespace, and filters of clsact.

use crate::netlink;
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::io;

/// One queueing discipline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Qdisc {
    /// Its kind: `clsact`, `htb`...
    pub kind: String,
    /// Major number of its handle, 0 for one that the kernel chose.
    pub major: u16,
    /// Where it hangs.
    pub parent: u32,
}

/// The queueing disciplines of a device.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn qdiscs(ifindex: u32) -> io::Result<Vec<Qdisc>> {
    let mut request = TcMessage::default();
    request.header.index = ifindex as i32;
    let answers = netlink::dump(NETLINK_ROUTE, RouteNetlinkMessage::GetQueueDiscipline(request))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(message) if message.header.index == ifindex as i32 => Some(Qdisc {
                kind: kind_of(&message),
                major: message.header.handle.major,
                parent: u32::from(message.header.parent),
            }),
            _ => None,
        })
        .collect())
}

fn kind_of(message: &TcMessage) -> String {
    let kind = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    });
    kind.unwrap_or_default()
}

/// One filter of clsact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    /// Its kind: `bpf`, `u32`...
    pub kind: String,
    /// Its place.
    pub priority: u32,
    /// Its handle.
    pub handle: u32,
    /// The program's id, for `bpf`.
    pub program: Option<u32>,
    /// The program's name, for `bpf`.
    pub name: Option<String>,
}

/// `ffff:fff2` and `ffff:fff3`: where filters of clsact hang.
pub const CLSACT_INGRESS: u32 = 0xffff_fff2;
/// See [`CLSACT_INGRESS`].
pub const CLSACT_EGRESS: u32 = 0xffff_fff3;

/// The filters of a device under one parent; none without clsact.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn filters(ifindex: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let mut request = TcMessage::default();
    request.header.index = ifindex as i32;
    request.header.parent = TcHandle::from(parent);
    let answers = match netlink::dump(NETLINK_ROUTE, RouteNetlinkMessage::GetTrafficFilter(request)) {
        // Without clsact there is nothing to list.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP)
            ) =>
        {
            return Ok(Vec::new());
        }
        answers => answers?,
    };
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewTrafficFilter(message) if message.header.index == ifindex as i32 => {
                let handle = u32::from(message.header.handle);
                // The kernel also lists each priority by itself, without a handle.
                (handle != 0).then(|| filter(&message, handle))
            }
            _ => None,
        })
        .collect())
}

fn filter(message: &TcMessage, handle: u32) -> Filter {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options.as_slice()),
        _ => None,
    });
    let mut filter = Filter {
        kind: kind_of(message),
        priority: message.header.info >> 16,
        handle,
        program: None,
        name: None,
    };
    for option in options.unwrap_or_default() {
        match option {
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => filter.program = Some(*id),
            TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => filter.name = Some(name.clone()),
            _ => {}
        }
    }
    filter
}
