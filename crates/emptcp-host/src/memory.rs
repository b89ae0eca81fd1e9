//! How much memory the machine has to give.

use std::{fs, path::Path};

/// Bytes that can be taken: what the kernel can free, within what the control groups (version 2) of this process allow.
/// `None` when the kernel does not tell.
pub fn available() -> Option<u64> {
    let machine = available_of(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(within_groups(machine, &groups, Path::new("/sys/fs/cgroup")))
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What the control group named in `groups` (/proc/self/cgroup) and those above it leave of `machine` bytes.
fn within_groups(machine: u64, groups: &str, root: &Path) -> u64 {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let group = group.map(|group| root.join(group));
    let groups = group.iter().flat_map(|group| group.ancestors());
    let left = groups.take_while(|group| group.starts_with(root)).filter_map(|group| {
        let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    });
    left.chain([machine]).min().unwrap_or(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes left for a process in `group` on a machine with 1000, where control groups have a limit and use something.
    fn left(group: &str, limits: &[(&str, &str, &str)]) -> u64 {
        let root = tempfile::tempdir().unwrap();
        for (group, max, current) in limits {
            let folder = root.path().join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), format!("{max}\n")).unwrap();
            fs::write(folder.join("memory.current"), format!("{current}\n")).unwrap();
        }
        within_groups(1000, &format!("4:memory:/other\n0::/{group}\n"), root.path())
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        assert_eq!(left("a/b", &[("a", "800", "300"), ("a/b", "900", "10")]), 500);
        assert_eq!(left("a/b", &[("a", "max", "300"), ("a/b", "900", "200")]), 700);
        // In a container the group of the process is the root of what it sees.
        assert_eq!(left("", &[("", "400", "100")]), 300);
    }

    #[test]
    fn groups_without_a_limit_leave_what_the_machine_has() {
        assert_eq!(left("a/b", &[]), 1000);
        assert_eq!(left("a/b", &[("a", "max", "300"), ("a/b", "max", "200")]), 1000);
        assert_eq!(left("a", &[("a", "5000", "300"), ("other", "10", "5")]), 1000);
    }

    #[test]
    fn a_group_that_uses_more_than_its_limit_leaves_nothing() {
        assert_eq!(left("a", &[("a", "100", "300")]), 0);
    }

    #[test]
    fn what_the_machine_has_is_read_from_meminfo() {
        let text = "MemTotal:       24684092 kB\nMemFree:  7 kB\nMemAvailable:   23201052 kB\n";
        assert_eq!(available_of(text), Some(23_201_052 * 1024));
        assert_eq!(available_of("MemTotal:       24684092 kB\n"), None);
    }
}
