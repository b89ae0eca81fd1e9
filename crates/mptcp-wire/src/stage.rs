//! The stage of the handshake: TCP flags show it, and the form of an MPTCP option depends on it.

/// A stage of the TCP handshake: MP_CAPABLE and MP_JOIN have another form in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    /// ACK without SYN: the third ACK, with or without data.
    Ack,
}
