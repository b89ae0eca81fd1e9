//! The timetable of the demo.

/// Mbit/s that the policy allows on path 2.
pub(crate) const CAP: f64 = 4.0;

/// Rate of each emulated path, Mbit/s.
pub(crate) const PATH_RATE: u64 = 20;

/// Round-trip time of each emulated path, milliseconds.
pub(crate) const ROUND_TRIPS: [u64; 2] = [20, 40];

/// A part of the transfer during which the same policies are in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Free,
    Capped,
    Backup,
    FreeAgain,
}

impl Phase {
    /// In the order in which they come.
    pub(crate) const ALL: [Self; 4] = [Self::Free, Self::Capped, Self::Backup, Self::FreeAgain];

    /// When it begins, in seconds since the transfer began.
    pub(crate) const fn start(self) -> f64 {
        match self {
            Self::Free => 0.0,
            Self::Capped => 8.0,
            Self::Backup => 18.0,
            Self::FreeAgain => 26.0,
        }
    }

    /// When it ends.
    pub(crate) const fn end(self) -> f64 {
        match self {
            Self::Free => Self::Capped.start(),
            Self::Capped => Self::Backup.start(),
            Self::Backup => Self::FreeAgain.start(),
            Self::FreeAgain => 36.0,
        }
    }

    /// The part of it in which rates have settled: this part is judged.
    pub(crate) const fn settled(self) -> (f64, f64) {
        let settling = match self {
            Self::Free => 3.0,
            Self::Capped => 4.0,
            Self::Backup => 2.5,
            Self::FreeAgain => 5.5,
        };
        (self.start() + settling, self.end())
    }

    /// Its name in the table and in the picture.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Free => "no policy",
            Self::Capped => "path 2 capped",
            Self::Backup => "path 1 backup too",
            Self::FreeAgain => "policies removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_settles_before_it_ends() {
        for phase in Phase::ALL {
            let (from, to) = phase.settled();
            assert!(phase.start() < from && from + 3.0 <= to, "{phase:?}");
        }
    }

    #[test]
    fn each_phase_begins_where_the_one_before_ends() {
        for pair in Phase::ALL.windows(2) {
            assert_eq!(pair[0].end(), pair[1].start());
        }
    }
}
