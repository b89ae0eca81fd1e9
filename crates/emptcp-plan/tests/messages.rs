//! Messages about mistakes.
//!
//! `messages/*.txt` hold mistakes, each followed by its message, indented: `line:column+width message`, then what would
//! be accepted, then the corrected line, if known. `EMPTCP_BLESS=1 cargo test` rewrites the messages; read the
//! difference before you keep it.

mod common;

use common::{compiled, file_with, policy};
use std::fmt::Write;

/// Messages about `text`, in the format of the files.
fn messages_about(text: &str) -> String {
    let Err(found) = compiled(text) else {
        return "    (no mistake)\n".to_owned();
    };
    found.iter().fold(String::new(), |mut out, one| {
        assert_eq!(
            one.text,
            text.lines().nth(one.line - 1).unwrap_or_default(),
            "the line that is shown is that line"
        );
        writeln!(
            out,
            "    {}:{}+{} {}\n        {}",
            one.line, one.column, one.width, one.message, one.help
        )
        .unwrap();
        if let Some(corrected) = &one.corrected {
            writeln!(out, "        + {corrected}").unwrap();
            let lines = text.lines().enumerate();
            let lines = lines.map(|(at, line)| if at + 1 == one.line { corrected.as_str() } else { line });
            let right: Vec<&str> = lines.collect();
            let again = compiled(&right.join("\n")).err();
            let again = again
                .iter()
                .flat_map(|found| found.iter().filter(|other| other.line == one.line));
            assert_eq!(again.count(), 0, "the corrected line is right: {corrected}");
        }
        out
    })
}

fn compare(name: &str, file_of: impl Fn(&str) -> String) {
    let path = format!("{}/tests/messages/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(&path).unwrap();
    let mistakes = wanted.lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
    let actual: String = mistakes
        .map(|mistake| {
            let answers = messages_about(&file_of(if mistake == "(empty)" { "" } else { mistake }));
            assert!(!answers.contains("(no mistake)"), "{mistake}");
            format!("{mistake}\n{answers}")
        })
        .collect();
    if std::env::var_os("EMPTCP_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    } else {
        assert!(actual == wanted, "{path} is not what is said now:\n{actual}");
    }
}

#[test]
fn mistakes_in_conditions_are_explained() {
    compare("conditions", |condition| file_with(condition, "count"));
}

#[test]
fn mistakes_in_actions_are_explained() {
    compare("actions", |action| file_with("packet is syn", action));
}

/// Here a mistake is a replacement in a good file: `from => to`.
#[test]
fn mistakes_in_files_are_explained() {
    compare("files", |mistake| {
        let good = policy("p", "packet is syn", "count");
        let (from, to) = mistake.split_once(" => ").unwrap();
        assert!(good.contains(from), "{mistake}");
        good.replace(from, &to.replace("\\n", "\n"))
    });
}

#[test]
fn a_mistake_is_printed_like_a_compiler_prints_it() {
    let found =
        compiled("[[policy]]\nname = 'a'\ndevice = 'eth0'\nhook = 'ingress'\nwhen = 'packet iz syn'\ndo = 'drop'\n");
    let wanted = "policy.toml:5:16: unexpected `iz` after `packet`\n  |\n5 | when = 'packet iz syn'\n  |                ^^\n  = expected `is` or `has` after `packet`\n5 + when = 'packet is syn'";
    assert_eq!(found.unwrap_err().to_string(), wanted);
}

#[test]
fn a_corrected_line_stands_only_where_it_can_be_written_as_it_is() {
    let policy = |when: &str| {
        let text = format!("[[policy]]\nname = 'a'\ndevice = 'eth0'\nhook = 'ingress'\nwhen = {when}\ndo = 'drop'\n");
        let found = compiled(&text).unwrap_err();
        let lines: Vec<_> = found.iter().map(|one| (one.line, one.corrected.clone())).collect();
        lines
    };
    let at = |line, corrected: &str| vec![(line, Some(corrected.to_owned()))];
    assert_eq!(
        policy("\"src == ::1\"   # mine"),
        at(5, "when = \"ip.src == ::1\"   # mine")
    );
    assert_eq!(
        policy("\'\'\'\npacket is data\n  and src == ::1\n\'\'\'"),
        at(7, "  and ip.src == ::1")
    );
    assert_eq!(
        policy("\'\'\'packet is data\n  and src == ::1\'\'\'"),
        at(6, "  and ip.src == ::1\'\'\'")
    );
    // Written with an escape; and two mistakes, one without a known correction.
    assert_eq!(policy("\"src =\\u003d ::1\""), [(5, None)]);
    assert_eq!(policy("'src == ::1 and banana'"), [(5, None), (5, None)]);
}

#[test]
fn all_mistakes_of_a_line_are_corrected_in_it_or_none() {
    let corrected = |actions: &str| -> Vec<Option<String>> {
        let text = policy("p", "packet is syn", "count").replace("['count']", actions);
        compiled(&text)
            .unwrap_err()
            .iter()
            .map(|one| one.corrected.clone())
            .collect()
    };
    assert_eq!(
        corrected("['rate_limit rate=4mb','frob','mark dscp=65']"),
        [None, None, None]
    );
    let both = Some("do = ['rate_limit rate=4mbit', \"set_backup state=off\"]".to_owned());
    assert_eq!(
        corrected("['rate_limit rate=4mb', \"set_backup off\"]"),
        [both.clone(), both]
    );
    // On separate lines they do not affect each other.
    assert_eq!(
        corrected("[\n  'rate_limit rate=4mb',\n  'frob',\n]"),
        [Some("  'rate_limit rate=4mbit',".to_owned()), None]
    );
    // Another key of the same line is wrong, without a known correction.
    let table = "policy = [{ name = 'p', device = 'eth0', hook = 'inwards', do = 'rate_limit 4mbit' }]";
    assert!(compiled(table).unwrap_err().iter().all(|one| one.corrected.is_none()));
}

#[test]
fn a_corrected_action_keeps_every_value() {
    for action in [
        "set_backup off",
        "rate_limit rate=4mbit no",
        "mark fwmark=7 8",
        "mark 7",
        "mark7",
        "count 5",
    ] {
        let found = compiled(&file_with("packet is syn", action)).unwrap_err();
        for corrected in found.iter().filter_map(|one| one.corrected.as_ref()) {
            let kept = |word: &str| word.split('=').all(|part| corrected.contains(part));
            assert!(action.split(' ').all(kept), "{action}: {corrected}");
        }
    }
}

#[test]
fn mistakes_are_also_data() {
    let json = serde_json::to_value(compiled("x = 1").unwrap_err()).unwrap();
    assert_eq!(json[0]["line"], 1);
    assert_eq!(json[0]["source"], "policy.toml");
    assert_eq!(json[0]["text"], "x = 1");
    assert!(json[0]["corrected"].is_null());
    let json = serde_json::to_value(compiled(&file_with("packet is not syn", "count")).unwrap_err()).unwrap();
    assert_eq!(json[0]["corrected"], "when = 'not packet is syn'");
}

#[test]
fn independent_mistakes_are_all_reported() {
    let text = policy("a", "packet is sny and ip.src in ten", "rate_limit rate=4")
        + &policy("b", "sampel(n=1)", "cuont")
        + "[tables]\nflow = 1\n";
    assert_eq!(compiled(&text).unwrap_err().count(), 6);
}

#[test]
fn a_file_of_tenfold_size_is_refused_in_tenfold_time_and_not_in_a_hundredfold() {
    type Text = fn(usize) -> String;
    let kinds: [(&str, Text); 2] = [
        ("devices", |count| {
            let devices: Vec<String> = (0..count).map(|number| format!("'d{number}'")).collect();
            format!(
                "[[policy]]\nname='a'\nhook='egress'\ndevice=[{}]\ndo='count'",
                devices.join(",")
            )
        }),
        ("corrections", |count| {
            format!(
                "[[policy]]\nname='a'\nhook='egress'\ndevice='d'\ndo=[{}]",
                vec!["'cuont'"; count].join(",")
            )
        }),
    ];
    for (what, text) in kinds {
        let time = |count: usize| {
            let text = text(count);
            let before = std::time::Instant::now();
            assert!(compiled(&text).is_err());
            before.elapsed()
        };
        let (few, many) = (time(1_000), time(10_000));
        assert!(
            many < few * 50 + std::time::Duration::from_millis(500),
            "{what}: {few:?} {many:?}"
        );
    }
}
