//! Files that are no regular files, too large files, random bytes, and full disks: reported without waiting, and
//! nothing is left behind.

use crate::common::{EMPTCP, Netns, PolicyFile, Said, emptcp, emptcp_with, require_root, run};
use nix::{sys::stat::Mode, unistd::mkfifo};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const COUNT: &str = "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = 'count'";

/// Runs `emptcp` in `folder`, with the elements that are installed in it. `timeout` ends a command that waits forever.
fn in_folder(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new("timeout");
    command
        .args(["60", "env", "EMPTCP_ELEMENTS=installed", EMPTCP])
        .args(arguments)
        .current_dir(folder);
    run(&mut command, "")
}

/// A folder with the SDK in `mine`, and its element built and installed.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    in_folder(folder.path(), &["sdk", "mine"]).exits(0);
    in_folder(folder.path(), &["element", "install", "mine/large_packet"]).exits(0);
    let policy = COUNT.replace("do =", "when = 'large_packet(bytes=500)'\ndo =");
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    in_folder(folder.path(), &["check", "policy.toml"]).exits(0);
    folder
}

/// Replaces the bytes of a file by as many others.
fn replace(file: &Path, old: &[u8], new: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<usize> = (0..=bytes.len() - old.len())
        .filter(|at| bytes[*at..].starts_with(old))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn an_object_with_names_that_are_no_text_is_refused_like_any_other() {
    let folder = installed();
    let object = folder.path().join("installed/large_packet/tc.o");
    replace(&object, b"large_packet\0", b"large\xff\xfe\x1b[31m\0");
    for verbose in [&["-vv"][..], &[]] {
        let said = in_folder(folder.path(), &[verbose, &["check", "policy.toml"]].concat()).exits(1);
        assert!(said.err.contains("error:") && !said.err.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn an_object_that_libbpf_cannot_read_is_explained_in_words() {
    let folder = installed();
    for bytes in [&b""[..], b"hello", b"\x7fELF\x02\x01\x01"] {
        fs::write(folder.path().join("installed/large_packet/tc.o"), bytes).unwrap();
        let said = in_folder(folder.path(), &["check", "policy.toml"]).exits(1);
        assert!(!said.err.contains("Unknown error"), "{said:?}");
        assert!(said.err.contains("emptcp element install"), "{said:?}");
    }
}

#[test]
fn what_is_no_file_in_the_folder_of_an_element_is_refused_and_not_waited_for() {
    let folder = installed();
    let run = |arguments: &[&str]| in_folder(folder.path(), arguments);
    let at = |name: &str| folder.path().join("installed/large_packet").join(name);
    for name in ["tc.o", "xdp.o", "element.toml"] {
        let kept = fs::read(at(name)).unwrap();
        for (kind, words) in [("fifo", "a FIFO"), ("zero", "a device"), ("folder", "a folder")] {
            fs::remove_file(at(name)).unwrap();
            match kind {
                "fifo" => mkfifo(&at(name), Mode::S_IRWXU).unwrap(),
                "zero" => std::os::unix::fs::symlink("/dev/zero", at(name)).unwrap(),
                _ => fs::create_dir(at(name)).unwrap(),
            }
            let said = run(&["elements"]).exits(0);
            assert!(said.err.contains(&format!("{name}: it is {words}")), "{said:?}");
            run(&["check", "policy.toml"]).exits(2);
            if kind == "folder" {
                fs::remove_dir(at(name)).unwrap();
            } else {
                fs::remove_file(at(name)).unwrap();
            }
            fs::write(at(name), &kept).unwrap();
        }
    }
    run(&["check", "policy.toml"]).exits(0);
    for name in ["element.toml", "element.bpf.c", "tc.o", "own.h"] {
        let path = folder.path().join("mine/large_packet").join(name);
        let kept = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let said = run(&["element", "install", "mine/large_packet"]).exits(1);
        assert!(said.err.contains("FIFO") && said.err.contains(name), "{said:?}");
        fs::remove_file(&path).unwrap();
        if let Some(kept) = kept {
            fs::write(&path, kept).unwrap();
        }
    }
    run(&["element", "install", "mine/large_packet"]).exits(0);
}

#[test]
fn an_element_whose_name_was_changed_after_it_was_installed_is_removed_by_its_folder() {
    let folder = installed();
    let run = |arguments: &[&str]| in_folder(folder.path(), arguments);
    let manifest = folder.path().join("installed/large_packet/element.toml");
    for other in ["small_packet", "count"] {
        let text = fs::read_to_string(&manifest).unwrap();
        let line = text.lines().find(|line| line.starts_with("name")).unwrap();
        fs::write(&manifest, text.replacen(line, &format!("name = \"{other}\""), 1)).unwrap();
        let said = run(&["element", "list"]).exits(0);
        assert!(said.err.contains("`emptcp element remove large_packet`"), "{said:?}");
    }
    let said = run(&["element", "remove", "small_packet"]).exits(1);
    assert!(said.err.contains("there are `large_packet`"), "{said:?}");
    run(&["element", "remove", "large_packet"]).exits(0);
    assert_eq!(fs::read_dir(folder.path().join("installed")).unwrap().count(), 0);
}

#[test]
fn a_policy_file_comes_from_a_pipe_too_but_an_endless_one_is_refused() {
    let script = format!("{EMPTCP} check <(printf \"$0\") && printf \"$0\" | {EMPTCP} check /dev/stdin");
    run(Command::new("bash").args(["-c", &script, COUNT]), "").exits(0);
    let before = Instant::now();
    for file in ["/dev/zero", "/dev/full"] {
        let said = emptcp(&["--json", "check", file]).exits(2);
        assert!(said.err.contains("more than 4194304 bytes"), "{said:?}");
        assert_eq!(said.json()["error"]["kind"], "unreadable");
    }
    assert!(before.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_no_policy_file_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    let utf16 = |order: fn(u16) -> [u8; 2]| {
        "\u{feff}[[policy]]\n"
            .encode_utf16()
            .flat_map(order)
            .collect::<Vec<u8>>()
    };
    for (bytes, words) in [
        (utf16(u16::to_le_bytes), "UTF-16"),
        (utf16(u16::to_be_bytes), "UTF-16"),
        (b"\x7fELF\x02\0".to_vec(), "byte 0x00 in line 1, column 6"),
        (b"[[policy]]\n# f\xfcr\n".to_vec(), "line 2, column 4"),
        (b"\x1f\x8b\x08\0\0".to_vec(), "line 1"),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = emptcp(&["check", &path.display().to_string()]).exits(2);
        assert!(
            said.err.contains(words) && said.err.contains("UTF-8"),
            "{words}: {said:?}"
        );
    }
    let said = emptcp(&["check", &folder.path().display().to_string()]).exits(2);
    assert!(
        said.err.contains("it is a folder; name a policy file in it"),
        "{said:?}"
    );
}

#[test]
fn a_file_with_a_byte_order_mark_is_read_like_one_without() {
    emptcp(&["check", &PolicyFile::new(&format!("\u{feff}{COUNT}")).path()]).exits(0);
}

#[test]
fn more_policies_than_there_may_be_are_refused_right_after_they_are_counted() {
    let many = |count: usize| {
        let policies =
            (0..count).map(|number| format!("[[policy]]\nname='{number}'\ndevice='d'\nhook='egress'\ndo='count'\n"));
        policies.collect::<String>()
    };
    let time = |text: &str| {
        let before = Instant::now();
        let said = emptcp_with(&["check", "-"], text).exits(2);
        assert!(said.err.contains("at most"), "{said:?}");
        before.elapsed()
    };
    let (few, all) = (time(&many(600)), time(&many(60_000)));
    assert!(all < few * 100 + Duration::from_secs(5), "{few:?} {all:?}");
}

#[test]
fn a_long_line_is_cut_around_what_is_wrong_and_control_characters_are_shown() {
    let long = "x".repeat(100_000);
    let said = emptcp_with(&["check", "-"], &format!("{COUNT} # {long}\nwehn = '{long}\u{202e}'\n")).exits(2);
    assert!(
        said.err.lines().all(|line| line.chars().count() < 300),
        "{}",
        said.err.len()
    );
    assert!(said.err.contains("wehn = "), "{said:?}");
    let said = emptcp_with(
        &["check", "-"],
        &format!("{COUNT}\nwehn\u{202e} = 1\n\"a\u{1b}b\" = '\u{1b}[31m'"),
    )
    .exits(2);
    for (hidden, shown) in [('\u{202e}', "\\u{202e}"), ('\u{1b}', "\\u{1b}")] {
        assert!(
            !said.err.contains(hidden) && said.err.contains(shown),
            "{shown}: {}",
            said.err
        );
    }
}

#[test]
fn control_characters_of_an_installed_element_are_shown_escaped() {
    let folder = installed();
    let manifest = folder.path().join("installed/large_packet/element.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let line = text.lines().find(|line| line.starts_with("summary")).unwrap();
    let bad = "summary = \"a\\u202eb\\u001b[31mc\\rd\"";
    fs::write(&manifest, text.replacen(line, bad, 1)).unwrap();
    for arguments in [&["elements"][..], &["element", "list"], &["elements", "large_packet"]] {
        let said = in_folder(folder.path(), arguments).exits(0);
        assert!(!said.out.contains(['\u{202e}', '\u{1b}', '\r']), "{said:?}");
        assert!(said.out.contains("a\\u{202e}b\\u{1b}[31mc\\rd"), "{said:?}");
    }
}

/// Runs a script with a private file system of this many KiB at `/mnt`.
fn with_small_disk(kibibytes: usize, script: &str, arguments: &[&str]) -> Said {
    let script = format!("mount -t tmpfs -o size={kibibytes}k none /mnt && cd /mnt && {script}");
    let mut command = Command::new("unshare");
    run(command.args(["--mount", "bash", "-c", &script]).args(arguments), "")
}

#[test]
fn a_full_disk_leaves_nothing_half_done_and_names_what_could_not_be_written() {
    require_root!();
    let folder = installed();
    let source = folder.path().join("mine/large_packet").display().to_string();
    let install = "EMPTCP_ELEMENTS=/mnt/e $0 element install $1; echo $?; ls -A e";
    let said = with_small_disk(16, install, &[EMPTCP, &source]).exits(0);
    assert_eq!(said.out, "1\n", "{said:?}");
    assert!(
        said.err.contains("/mnt/e/") && said.err.contains("No space left"),
        "{said:?}"
    );
    let said = with_small_disk(64, "$0 sdk mine; echo $?; ls -A", &[EMPTCP]).exits(0);
    assert_eq!(said.out, "1\n", "{said:?}");
    assert!(
        said.err.contains("mine") && said.err.contains("No space left"),
        "{said:?}"
    );
}

#[test]
fn what_a_killed_installation_left_is_not_listed_and_goes_with_the_next_one() {
    let folder = installed();
    let left = folder.path().join("installed/.emptcp-install-killed");
    fs::create_dir(&left).unwrap();
    fs::copy(
        folder.path().join("mine/large_packet/element.toml"),
        left.join("element.toml"),
    )
    .unwrap();
    assert!(in_folder(folder.path(), &["element", "list"]).exits(0).err.is_empty());
    in_folder(folder.path(), &["element", "install", "mine/large_packet"]).exits(0);
    assert!(!left.exists());
}

#[test]
fn where_bpffs_is_read_only_a_change_is_refused_before_anything_is_done() {
    require_root!();
    let netns = Netns::new();
    netns.apply(&COUNT.replace("egress", "ingress"), &[]).exits(0);
    let file = PolicyFile::new(COUNT);
    let script = "mount -o remount,bind,ro /sys/fs/bpf && $0 \"$@\"";
    let read_only = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "bash", "-c", script, EMPTCP, "--netns", &netns.name]);
        run(command.args(arguments), "")
    };
    for arguments in [&["remove"][..], &["apply", &file.path()]] {
        let said = read_only(arguments).exits(1);
        assert!(
            said.err.contains("read-only") && said.err.contains("nothing was"),
            "{said:?}"
        );
        netns.emptcp(&["check", "--in-force"]).exits(0);
        assert!(netns.emptcp(&["show"]).exits(0).out.contains("ingress"));
    }
    netns.emptcp(&["remove"]).exits(0);
}
