//! Available memory of the machine.

use std::{fs, path::Path};

/// Available bytes: what the kernel can free, limited by the control groups (of both versions) of this process. `None`
/// if the kernel does not report it.
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

/// Files of a control group: its limit, and what it uses.
const VERSION_2: [&str; 2] = ["memory.max", "memory.current"];
/// The same of version 1.
const VERSION_1: [&str; 2] = ["memory.limit_in_bytes", "memory.usage_in_bytes"];

/// What the control groups in `groups` (/proc/self/cgroup) and their parents leave of `machine` bytes.
fn within_groups(machine: u64, groups: &str, root: &Path) -> u64 {
    let left = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let group = group.trim_start_matches('/');
        // Version 1 has a folder for each set of controllers.
        match hierarchy {
            "0" => left_above(&root.join(group), root, VERSION_2),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                let root = root.join("memory");
                left_above(&root.join(group), &root, VERSION_1)
            }
            _ => None,
        }
    });
    left.chain([machine]).min().unwrap_or(machine)
}

/// The least that a control group and its parents, up to `root`, leave; `None` if none has a limit.
fn left_above(group: &Path, root: &Path, [limit, used]: [&str; 2]) -> Option<u64> {
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    let left = groups.filter_map(|group| {
        let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
        Some(number(limit)?.saturating_sub(number(used)?))
    });
    left.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes left for a process in `group` on a machine with 1000 bytes, with limits and usage of control groups.
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
        // In a container the group of the process is the root that it sees.
        assert_eq!(left("", &[("", "400", "100")]), 300);
    }

    #[test]
    fn groups_without_a_limit_leave_what_the_machine_has() {
        assert_eq!(left("a/b", &[]), 1000);
        assert_eq!(left("a/b", &[("a", "max", "300"), ("a/b", "max", "200")]), 1000);
        assert_eq!(left("a", &[("a", "5000", "300"), ("other", "10", "5")]), 1000);
    }

    #[test]
    fn groups_of_version_1_have_limits_too() {
        let root = tempfile::tempdir().unwrap();
        let write = |group: &str, limit: &str, used: &str| {
            let folder = root.path().join("memory").join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.limit_in_bytes"), limit).unwrap();
            fs::write(folder.join("memory.usage_in_bytes"), used).unwrap();
        };
        // "No limit" is the largest number that a counter of pages allows.
        write("", "9223372036854771712\n", "900\n");
        write("a", "700\n", "100\n");
        write("a/b", "9223372036854771712\n", "90\n");
        let left = |groups: &str| within_groups(1000, groups, root.path());
        assert_eq!(left("4:memory:/a/b\n1:name=systemd:/a\n"), 600);
        assert_eq!(left("4:cpu,memory:/a/b\n0::/\n"), 600);
        assert_eq!(left("4:cpuset:/a/b\n0::/\n"), 1000);
        // In a container the path may exist only on the host.
        assert_eq!(left("4:memory:/docker/c\n"), 1000);
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
