//! Captures of Multipath TCP whose causes are known, and how many of them the diagnoses name.
//!
//! A seed gives a plan: two honest hosts, one to four paths, a capture point, and nothing, one or two things that are
//! unusual. A simulation without a kernel or a clock lets it happen, and writes the capture and the list of what
//! happened. The hosts follow RFC 6824, RFC 8684 and RFC 9293, and Linux where those leave it open; nothing here knows
//! how the analysis finds out.
//!
//! * `random.rs`: seeded numbers. `plan/`: what is going to happen.
//! * `host/`: the hosts. `network/`: the paths. `world.rs`: the simulation. `packet.rs`: what is sent.
//! * [`capture`]: the capture with its faults, as packets or as a file. [`truth`]: what happened.
//! * [`score`]: the story of a capture, compared with the truth.

pub mod capture;
mod host;
mod network;
mod packet;
mod plan;
mod random;
pub mod score;
pub mod truth;
mod world;

pub use capture::Capture;
pub use score::{Scored, Tally};
pub use truth::{Fact, Truth};
