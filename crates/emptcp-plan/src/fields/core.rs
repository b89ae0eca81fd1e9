//! Words that begin a test and are the compiler's own: their meaning does not depend on an element. The classifier
//! tests them once per subflow, or the core determines them for every packet.

pub(crate) const IP_SRC: &str = "ip.src";
pub(crate) const IP_DST: &str = "ip.dst";
pub(crate) const IP_PAIR: &str = "ip.pair";
pub(crate) const IP_VERSION: &str = "ip.version";
pub(crate) const TCP_SRCPORT: &str = "tcp.srcport";
pub(crate) const TCP_DSTPORT: &str = "tcp.dstport";
pub(crate) const TCP_PORT: &str = "tcp.port";
pub(crate) const SUBFLOW: &str = "subflow";
pub(crate) const DEVICE: &str = "device";
pub(crate) const DIRECTION: &str = "direction";
pub(crate) const PACKET: &str = "packet";

/// The compiler's own words, and how many arguments their elements take.
pub(crate) const CORE: &[(&str, usize)] = &[
    (DEVICE, 1),
    (DIRECTION, 1),
    (IP_DST, 1),
    (IP_PAIR, 2),
    (IP_SRC, 1),
    (IP_VERSION, 1),
    (PACKET, 1),
    (SUBFLOW, 4),
    (TCP_DSTPORT, 1),
    (TCP_PORT, 1),
    (TCP_SRCPORT, 1),
];

/// Those of them that are written with `is`; a field of the same name cannot be.
pub(crate) const CORE_IS: &[&str] = &[DIRECTION, PACKET];
