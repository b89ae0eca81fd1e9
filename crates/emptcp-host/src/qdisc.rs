//! Queueing disciplines of the devices of this namespace, and filters of clsact.

use crate::netlink;
use netlink_packet_core::{Nla, NlasIterator};
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

/// One class of an HTB qdisc.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HtbClass {
    /// Major number: that of its qdisc's handle.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
    /// The class above it, or [`ROOT`].
    pub parent: u32,
    /// Its rate in bytes per second.
    pub rate: u64,
    /// With what it borrows, the most bytes per second.
    pub ceil: u64,
}

/// What the kernel gives as the parent of what hangs at a root.
pub const ROOT: u32 = 0xffff_ffff;

/// The classes of the HTB qdiscs of a device.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn htb_classes(ifindex: u32) -> io::Result<Vec<HtbClass>> {
    let mut request = TcMessage::default();
    request.header.index = ifindex as i32;
    let answers = netlink::dump(NETLINK_ROUTE, RouteNetlinkMessage::GetTrafficClass(request))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewTrafficClass(message)
                if message.header.index == ifindex as i32 && kind_of(&message) == "htb" =>
            {
                htb_class(&message)
            }
            _ => None,
        })
        .collect())
}

/// `TCA_HTB_PARMS`: a `struct tc_htb_opt`, which begins with the rate and the ceiling.
const HTB_PARMS: u16 = 1;
/// `TCA_HTB_RATE64`: the rate, where 32 bits do not hold it.
const HTB_RATE64: u16 = 6;
/// `TCA_HTB_CEIL64`: the same of the ceiling.
const HTB_CEIL64: u16 = 7;
/// Where `struct tc_ratespec` holds its rate, and how long it is.
const RATESPEC: (usize, usize) = (8, 12);

fn htb_class(message: &TcMessage) -> Option<HtbClass> {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => options.first(),
        _ => None,
    })?;
    let mut bytes = vec![0; options.value_len()];
    options.emit_value(&mut bytes);
    let attributes: Vec<(u16, Vec<u8>)> = NlasIterator::new(bytes.as_slice())
        .flatten()
        .map(|attribute| (attribute.kind(), attribute.value().to_vec()))
        .collect();
    let value = |kind: u16| {
        let mut found = attributes.iter().filter(|(found, _)| *found == kind);
        found.next().map(|(_, value)| value.as_slice())
    };
    let wide = |kind: u16| Some(u64::from_ne_bytes(*value(kind)?.first_chunk()?));
    let parms = value(HTB_PARMS)?;
    let (at, length) = RATESPEC;
    let narrow = |offset: usize| Some(u64::from(u32::from_ne_bytes(*parms.get(offset..)?.first_chunk()?)));
    Some(HtbClass {
        major: message.header.handle.major,
        minor: message.header.handle.minor,
        parent: u32::from(message.header.parent),
        rate: wide(HTB_RATE64).or_else(|| narrow(at))?,
        ceil: wide(HTB_CEIL64).or_else(|| narrow(length + at))?,
    })
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
