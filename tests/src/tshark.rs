//! tshark as a judge.
