//! Bytes that depend only on a seed and their offset: with the seed, any part of a stream can be checked.

/// A deterministic stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    seed: u64,
}

impl Payload {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Writes the bytes of the stream from `offset` on into `buffer`.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let mut word_index = offset / 8;
        let skipped = (offset % 8) as usize;
        let (head, rest) = buffer.split_at_mut(if skipped == 0 {
            0
        } else {
            (8 - skipped).min(buffer.len())
        });
        if !head.is_empty() {
            head.copy_from_slice(&self.word(word_index)[skipped..skipped + head.len()]);
            word_index += 1;
        }
        for part in rest.chunks_mut(8) {
            part.copy_from_slice(&self.word(word_index)[..part.len()]);
            word_index += 1;
        }
    }

    /// Compares `received` with the stream from `offset` on. Returns the index of the first wrong byte, the right byte,
    /// and the number of wrong bytes.
    pub fn first_difference(&self, offset: u64, received: &[u8], scratch: &mut Vec<u8>) -> Option<(usize, u8, usize)> {
        scratch.resize(received.len(), 0);
        self.fill(offset, scratch);
        if scratch == received {
            return None;
        }
        let mut wrong = scratch
            .iter()
            .zip(received)
            .enumerate()
            .filter(|(_, (expected, found))| expected != found);
        let (first, (expected, _)) = wrong.next()?;
        Some((first, *expected, 1 + wrong.count()))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): computes any word directly, and shifted data never matches.
    fn word(&self, index: u64) -> [u8; 8] {
        let mut mixed = self
            .seed
            .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_the_stream_is_the_same_as_in_the_whole() {
        let payload = Payload::new(42);
        let mut whole = vec![0; 100];
        payload.fill(0, &mut whole);
        for start in 0..40 {
            for length in 0..40 {
                let mut part = vec![0; length];
                payload.fill(start as u64, &mut part);
                assert_eq!(part, whole[start..start + length], "{start}, {length}");
            }
        }
        let mut other = vec![0; 100];
        Payload::new(43).fill(0, &mut other);
        assert_ne!(other, whole);
    }

    #[test]
    fn a_flipped_bit_and_a_shift_are_found_with_their_offset() {
        let payload = Payload::new(1);
        let mut bytes = vec![0; 1000];
        payload.fill(5000, &mut bytes);
        let mut scratch = Vec::new();
        assert_eq!(payload.first_difference(5000, &bytes, &mut scratch), None);
        assert!(payload.first_difference(5001, &bytes, &mut scratch).is_some());
        let right = bytes[777];
        bytes[777] ^= 4;
        assert_eq!(
            payload.first_difference(5000, &bytes, &mut scratch),
            Some((777, right, 1))
        );
    }
}
