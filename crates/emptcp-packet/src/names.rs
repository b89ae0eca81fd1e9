//! Names of policies in policy sets: the data path has numbers only.

use std::collections::BTreeMap;

/// Names of policies.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of the set in force, by stable id.
    pub(crate) by_id: BTreeMap<u32, String>,
    /// By generation, and in a set by slot.
    pub(crate) sets: BTreeMap<u32, Vec<String>>,
}

impl Names {
    /// A newer set is in force. Keeps `kept` sets in all: those with the highest generations.
    pub(crate) fn replace(&mut self, newer: Self, kept: usize) {
        self.by_id = newer.by_id;
        self.sets.extend(newer.sets);
        while self.sets.len() > kept {
            self.sets.pop_first();
        }
    }

    /// The policies of a set whose bits are set; none if the set is unknown.
    pub(crate) fn of(&self, generation: u32, policies: u64) -> impl Iterator<Item = &str> {
        let names = self.sets.get(&generation).into_iter().flatten().enumerate();
        names
            .filter(move |(slot, _)| policies >> slot & 1 == 1)
            .map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(generation: u32, names: [&str; 2]) -> Names {
        Names {
            by_id: BTreeMap::from([(generation, names[0].to_owned())]),
            sets: BTreeMap::from([(generation, names.map(str::to_owned).to_vec())]),
        }
    }

    #[test]
    fn policies_of_a_replaced_set_keep_their_names_until_it_is_too_old() {
        let mut names = set(4, ["a", "b"]);
        names.replace(set(5, ["c", "d"]), 2);
        assert_eq!(names.of(4, 0b10).collect::<Vec<_>>(), ["b"]);
        assert_eq!(names.of(5, 0b11).collect::<Vec<_>>(), ["c", "d"]);
        names.replace(set(6, ["e", "f"]), 2);
        assert_eq!(names.of(4, 0b11).count(), 0);
        assert_eq!(names.of(5, 0b01).collect::<Vec<_>>(), ["c"]);
        assert_eq!(names.by_id.len(), 1);
    }
}
