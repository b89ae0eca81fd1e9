//! Identifies the boot of the machine.

/// One boot of this machine: the 128 bits of /proc/sys/kernel/random/boot_id, the most significant word first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BootId(pub [u32; 4]);

impl BootId {
    /// The current boot; `None` if /proc does not have it.
    pub fn current() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Self::parse(&text)
    }

    /// Reads a UUID.
    fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()?;
        Some(Self([96, 64, 32, 0].map(|shift| (number >> shift) as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_read_from_its_uuid_with_the_most_significant_word_first() {
        let text = "00000001-0002-0003-0004-00000000000a\n";
        assert_eq!(BootId::parse(text), Some(BootId([1, 0x0002_0003, 0x0004_0000, 10])));
        assert_eq!(BootId::parse("none"), None);
        assert_eq!(BootId::current(), BootId::current());
    }
}
