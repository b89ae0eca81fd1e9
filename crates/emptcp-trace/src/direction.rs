//! The two directions of a connection, and values that exist once for each.

use serde::Serialize;
use std::ops::{Index, IndexMut};

/// The direction of a packet in its connection. The client is the host that sent the first SYN with MP_CAPABLE. (The
/// direction through a network device, ingress or egress, is another thing and does not occur in captures.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Direction {
    /// Client to server.
    #[serde(rename = "c2s")]
    ClientToServer,
    /// Server to client.
    #[serde(rename = "s2c")]
    ServerToClient,
}

impl Direction {
    /// Both, client to server first: the order of every pair in the output.
    pub const BOTH: [Self; 2] = [Self::ClientToServer, Self::ServerToClient];

    /// The other direction.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::ClientToServer => Self::ServerToClient,
            Self::ServerToClient => Self::ClientToServer,
        }
    }

    /// `c2s` or `s2c`, as in the output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientToServer => "c2s",
            Self::ServerToClient => "s2c",
        }
    }

    /// The sender in this direction: `client` or `server`.
    #[must_use]
    pub fn sender(self) -> &'static str {
        match self {
            Self::ClientToServer => "client",
            Self::ServerToClient => "server",
        }
    }
}

/// A value for each direction; written as `[c2s, s2c]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PerDirection<T>(pub [T; 2]);

impl<T> PerDirection<T> {
    /// Calls `of` for each direction.
    pub fn from_fn(mut of: impl FnMut(Direction) -> T) -> Self {
        Self(Direction::BOTH.map(&mut of))
    }

    /// Applies `with` to each value.
    pub fn map<U>(&self, with: impl Fn(&T) -> U) -> PerDirection<U> {
        let [c2s, s2c] = &self.0;
        PerDirection([with(c2s), with(s2c)])
    }
}

impl PerDirection<u64> {
    /// Both together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl<T> Index<Direction> for PerDirection<T> {
    type Output = T;

    fn index(&self, direction: Direction) -> &T {
        &self.0[usize::from(direction == Direction::ServerToClient)]
    }
}

impl<T> IndexMut<Direction> for PerDirection<T> {
    fn index_mut(&mut self, direction: Direction) -> &mut T {
        &mut self.0[usize::from(direction == Direction::ServerToClient)]
    }
}
