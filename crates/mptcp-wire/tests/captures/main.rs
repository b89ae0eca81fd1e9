//! Tests on captured traffic.
//!
//! * `licensed_vectors`: the decoder vectors of tcpdump and ptcpdump, in `tests/fixtures`.
//! * `keys_in_captures`: tokens, HMACs and checksums of real hosts, computed again.
//! * `tshark_agreement`: every field of every packet against tshark.
//! * `encapsulations`: tags, labels and tunnels around a packet, made by `wrap`.
//! * `common`: reading captures; what happens when test data is absent.

mod common;
mod encapsulations;
mod keys_in_captures;
mod licensed_vectors;
mod tshark_agreement;
mod wrap;
