//! Tests on captured traffic.
//!
//! * `licensed_vectors`: the decoder vectors of tcpdump and ptcpdump, in `tests/fixtures`.
//! * `keys_in_captures`: tokens, HMACs and checksums of real hosts, computed again.
//! * `tshark_agreement`: every field of every packet against tshark.
//! * `common`: reading captures; what happens when test data is absent.

mod common;
mod keys_in_captures;
mod licensed_vectors;
mod tshark_agreement;
