//! What users are told about their mistakes.
//!
//! `messages/*.txt` hold mistakes, each followed by what is said about it, indented: `line:column+width message`, then
//! what would be accepted. `EMPTCP_BLESS=1 cargo test` writes the answers anew; read the difference before you keep it.

mod common;

use common::{compiled, file_with, policy};
use std::fmt::Write;

/// Answers to `text`, as they stand in the files.
fn told(text: &str) -> String {
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
        out
    })
}

fn compare(name: &str, file_of: impl Fn(&str) -> String) {
    let path = format!("{}/tests/messages/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(&path).unwrap();
    let mistakes = wanted.lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
    let actual: String = mistakes
        .map(|mistake| {
            let answers = told(&file_of(if mistake == "(empty)" { "" } else { mistake }));
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
    let wanted = "policy.toml:5:16: unexpected `iz` after `packet`\n  |\n5 | when = 'packet iz syn'\n  |                ^^\n  = expected `is` or `has` after `packet`";
    assert_eq!(found.unwrap_err().to_string(), wanted);
}

#[test]
fn mistakes_are_also_data() {
    let json = serde_json::to_value(compiled("x = 1").unwrap_err()).unwrap();
    assert_eq!(json[0]["line"], 1);
    assert_eq!(json[0]["source"], "policy.toml");
    assert_eq!(json[0]["text"], "x = 1");
}

#[test]
fn independent_mistakes_are_all_reported() {
    let text = policy("a", "packet is sny and ip.src in ten", "rate_limit rate=4")
        + &policy("b", "sampel(n=1)", "cuont")
        + "[tables]\nflow = 1\n";
    assert_eq!(compiled(&text).unwrap_err().count(), 6);
}
