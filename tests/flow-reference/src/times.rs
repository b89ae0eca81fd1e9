//! When a packet came.

/// The time of a packet on the two clocks of the programs, ns.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// To the tick.
    pub coarse: u64,
    /// Exact: what round trips are measured with.
    pub exact: u64,
}
