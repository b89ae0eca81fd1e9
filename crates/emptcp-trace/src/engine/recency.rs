//! Connections in the order of their last packet: a doubly linked list through the slots, so that no packet needs a
//! search.

const NONE: u32 = u32::MAX;

/// The list. A slot is in it at most once.
#[derive(Debug)]
pub(super) struct Recency {
    links: Vec<Link>,
    newest: u32,
    oldest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
    listed: bool,
}

impl Default for Recency {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }
}

impl Recency {
    /// Moves a slot to the newest end.
    #[inline]
    pub(super) fn touch(&mut self, slot: u32) {
        if self.newest != slot {
            self.move_to_end(slot);
        }
    }

    fn move_to_end(&mut self, slot: u32) {
        self.remove(slot);
        let index = slot as usize;
        if self.links.len() <= index {
            let unlisted = Link {
                newer: NONE,
                older: NONE,
                listed: false,
            };
            self.links.resize(index + 1, unlisted);
        }
        self.links[index] = Link {
            newer: NONE,
            older: self.newest,
            listed: true,
        };
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.links[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    /// Removes a slot, if it is in the list.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize).filter(|link| link.listed) else {
            return;
        };
        link.listed = false;
        let Link { newer, older, .. } = *link;
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
    }

    /// The slot with the oldest last packet.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::Recency;

    fn drained(mut list: Recency) -> Vec<u32> {
        std::iter::from_fn(|| {
            let slot = list.oldest()?;
            list.remove(slot);
            Some(slot)
        })
        .collect()
    }

    #[test]
    fn slots_come_out_in_the_order_of_their_last_touch() {
        let mut list = Recency::default();
        for slot in [3, 1, 2, 3, 0, 1] {
            list.touch(slot);
        }
        assert_eq!(drained(list), [2, 3, 0, 1]);
    }

    #[test]
    fn removing_ends_and_middle_keeps_the_rest() {
        let mut list = Recency::default();
        (0..5).for_each(|slot| list.touch(slot));
        for slot in [2, 0, 4, 4, 9] {
            list.remove(slot);
        }
        list.touch(2);
        assert_eq!(drained(list), [1, 3, 2]);
    }
}
