//! Queueing disciplines of the devices of this namespace, and filters of clsact.

use crate::netlink::{self, Attributes, Message};
use std::io;

/// One queueing discipline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Qdisc {
    /// Its kind: `clsact`, `htb`...
    pub kind: String,
    /// Major number of its handle, 0 for one that the kernel chose.
    pub major: u16,
    /// Its parent.
    pub parent: u32,
}

/// `struct tcmsg`: its length, and the offsets of index, handle, parent and `tcm_info`.
const TCMSG: usize = 20;
const INDEX: usize = 4;
const HANDLE: usize = 8;
const PARENT: usize = 12;
const INFO: usize = 16;

/// The kernel's answers about one device. The kernel may also answer about others.
fn ask(request: u16, answer: u16, ifindex: u32, parent: u32) -> io::Result<Vec<Message>> {
    let mut fixed = [0; TCMSG];
    fixed[INDEX..HANDLE].copy_from_slice(&ifindex.to_ne_bytes());
    fixed[PARENT..INFO].copy_from_slice(&parent.to_ne_bytes());
    let mut answers = netlink::dump(Message::new(request, &fixed))?;
    answers.retain(|message| message.kind == answer && message.word(INDEX) == ifindex);
    Ok(answers)
}

/// Major and minor number of a handle.
fn numbers(handle: u32) -> (u16, u16) {
    ((handle >> 16) as u16, handle as u16)
}

/// The queueing disciplines of a device.
///
/// # Errors
/// When the kernel cannot be queried.
pub fn qdiscs(ifindex: u32) -> io::Result<Vec<Qdisc>> {
    let answers = ask(libc::RTM_GETQDISC, libc::RTM_NEWQDISC, ifindex, 0)?;
    let qdisc = |message: &Message| Qdisc {
        kind: kind_of(message),
        major: numbers(message.word(HANDLE)).0,
        parent: message.word(PARENT),
    };
    Ok(answers.iter().map(qdisc).collect())
}

fn kind_of(message: &Message) -> String {
    let kind = message.attributes(TCMSG).get(libc::TCA_KIND);
    kind.and_then(netlink::text).unwrap_or_default()
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
    /// Most bytes per second, with borrowed rate.
    pub ceil: u64,
}

/// The parent of a root qdisc, in the kernel's answers.
pub const ROOT: u32 = 0xffff_ffff;

/// The classes of the HTB qdiscs of a device.
///
/// # Errors
/// When the kernel cannot be queried.
pub fn htb_classes(ifindex: u32) -> io::Result<Vec<HtbClass>> {
    let answers = ask(libc::RTM_GETTCLASS, libc::RTM_NEWTCLASS, ifindex, 0)?;
    let of_htb = answers.iter().filter(|message| kind_of(message) == "htb");
    Ok(of_htb.filter_map(htb_class).collect())
}

/// `TCA_HTB_PARMS`: a `struct tc_htb_opt`, which begins with the rate and the ceiling.
const HTB_PARMS: u16 = 1;
/// `TCA_HTB_RATE64`: the rate, if it does not fit in 32 bits.
const HTB_RATE64: u16 = 6;
/// `TCA_HTB_CEIL64`: the same for the ceiling.
const HTB_CEIL64: u16 = 7;
/// `struct tc_ratespec`: the offset of its rate, and its length.
const RATESPEC: (usize, usize) = (8, 12);

fn htb_class(message: &Message) -> Option<HtbClass> {
    let options = Attributes::within(message.attributes(TCMSG).get(libc::TCA_OPTIONS)?);
    let wide = |kind: u16| netlink::double_word(options.get(kind)?);
    let parms = options.get(HTB_PARMS)?;
    let (at, length) = RATESPEC;
    let narrow = |offset: usize| netlink::word(parms, offset).map(u64::from);
    let (major, minor) = numbers(message.word(HANDLE));
    Some(HtbClass {
        major,
        minor,
        parent: message.word(PARENT),
        rate: wide(HTB_RATE64).or_else(|| narrow(at))?,
        ceil: wide(HTB_CEIL64).or_else(|| narrow(length + at))?,
    })
}

/// One filter of clsact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    /// Its kind: `bpf`, `u32`...
    pub kind: String,
    /// Its priority.
    pub priority: u32,
    /// Its handle.
    pub handle: u32,
    /// The program's id, for `bpf`.
    pub program: Option<u32>,
    /// The program's name, for `bpf`.
    pub name: Option<String>,
}

/// `ffff:fff2` and `ffff:fff3`: the parents of clsact's filters.
pub const CLSACT_INGRESS: u32 = 0xffff_fff2;
/// See [`CLSACT_INGRESS`].
pub const CLSACT_EGRESS: u32 = 0xffff_fff3;

/// The filters of a device under one parent; none without clsact.
///
/// # Errors
/// When the kernel cannot be queried.
pub fn filters(ifindex: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let answers = match ask(libc::RTM_GETTFILTER, libc::RTM_NEWTFILTER, ifindex, parent) {
        // Without clsact there are no filters.
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
    // The kernel also lists each priority by itself, without a handle.
    let with_handle = answers.iter().filter(|message| message.word(HANDLE) != 0);
    Ok(with_handle.map(filter).collect())
}

/// `TCA_BPF_NAME`: the name of the program of a filter of the kind `bpf`.
const BPF_NAME: u16 = 7;
/// `TCA_BPF_ID`: its id.
const BPF_ID: u16 = 11;

fn filter(message: &Message) -> Filter {
    let kind = kind_of(message);
    let options = message.attributes(TCMSG).get(libc::TCA_OPTIONS);
    let options = options.filter(|_| kind == "bpf").map(Attributes::within);
    let option = |kind: u16| options.and_then(|options| options.get(kind));
    Filter {
        priority: message.word(INFO) >> 16,
        handle: message.word(HANDLE),
        program: option(BPF_ID).and_then(|value| netlink::word(value, 0)),
        name: option(BPF_NAME).and_then(netlink::text),
        kind,
    }
}
