//! `docs/policy-language.md` is right and complete: its examples compile, and every word is in it.

mod common;

use common::{catalog, file_with, root, shipped};
use emptcp_plan::expression::other_words;
use emptcp_plan::manifest::{Form, Kind};
use emptcp_plan::{Catalog, attach_words, compile, keys};

fn document() -> String {
    std::fs::read_to_string(root().join("docs/policy-language.md")).unwrap()
}

/// The shipped elements, and the language's own words.
fn elements() -> Catalog {
    let mut catalog = catalog().clone();
    for manifest in shipped() {
        catalog.insert(manifest);
    }
    catalog
}

/// Blocks between "```toml" and "```".
fn blocks(document: &str) -> Vec<String> {
    let blocks = document.split("```toml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Cells of the columns with this header.
fn cells(document: &str, header: &str) -> Vec<String> {
    let row = |line: &str| -> Vec<String> {
        let bars = line.replace("\\|", "\u{0}");
        bars.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect()
    };
    let mut found = Vec::new();
    let mut column = None;
    for line in document.lines() {
        match line.starts_with('|') {
            false => column = None,
            true if column.is_none() => column = Some(row(line).iter().position(|cell| cell == header)),
            true if line.starts_with("|---") => {}
            true => found.extend(
                column
                    .flatten()
                    .map(|column| row(line)[column].trim_matches('`').to_owned()),
            ),
        }
    }
    found
}

/// Every example as a file.
fn examples() -> Vec<String> {
    let document = document();
    let conditions = cells(&document, "Example condition");
    let actions = cells(&document, "Example action");
    assert!(conditions.len() > 50 && actions.len() > 10, "the tables are found");
    let conditions = conditions.iter().map(|condition| file_with(condition, "count"));
    // Actors differ in their hooks; egress at tc has them all.
    let actions = actions
        .iter()
        .map(|action| file_with("packet is data", action).replace("ingress", "egress"));
    blocks(&document).into_iter().chain(conditions).chain(actions).collect()
}

#[test]
fn every_example_compiles() {
    let catalog = elements();
    for example in examples() {
        compile("policy-language.md", &example, &catalog).unwrap_or_else(|found| panic!("{example}\n{found}"));
    }
}

#[test]
fn words_of_other_tools_are_corrected_as_the_table_says() {
    let (document, catalog) = (document(), elements());
    let written = cells(&document, "Written");
    let corrected = cells(&document, "Corrected");
    assert!(
        written.len() > 10 && written.len() == corrected.len(),
        "the table is found"
    );
    for (written, corrected) in written.iter().zip(&corrected) {
        let found = compile("p", &file_with(written, "count"), &catalog).unwrap_err();
        let line = found.iter().next().unwrap().corrected.clone();
        assert_eq!(line, Some(format!("when = '{corrected}'")), "{written}");
    }
}

/// With the shipped elements, not with those of the tests.
#[test]
fn actions_and_selectors_without_effect_are_refused() {
    let catalog = elements();
    for (when, action, wanted) in [
        ("sample(n=0)", "count", "`0` is out of range"),
        ("sample 1 in 0", "count", "`0` is out of range"),
        ("packet is syn", "mark", "`mark` does nothing with these arguments"),
        (
            "packet is syn",
            "mark dscp=64",
            "`mark` does nothing with these arguments",
        ),
    ] {
        let found = compile("p", &file_with(when, action), &catalog).unwrap_err();
        assert_eq!(found.count(), 1, "{found}");
        assert!(found.to_string().contains(wanted), "{found}");
    }
    for (when, action) in [("sample 1 in 1", "mark dscp=0"), ("sample(n=1)", "record every=0s")] {
        assert!(
            compile("p", &file_with(when, action), &catalog).is_ok(),
            "{when}: {action}"
        );
    }
}

#[test]
fn every_example_of_the_tables_is_in_code() {
    for header in ["Example condition", "Example action"] {
        assert!(
            cells(&document(), header)
                .iter()
                .all(|example| !example.contains('`') && !example.is_empty())
        );
    }
}

/// Whether `word` occurs as a whole word.
fn occurs(word: &str, text: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || "_.<>=!".contains(c));
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !is_part(before) && !is_part(after)
    })
}

#[test]
fn every_word_of_the_language_occurs_in_an_example() {
    let examples = examples().join("\n");
    let catalog = elements();
    let fields = catalog.fields();
    let choices = fields.iter().filter(|field| field.form() == Form::Is);
    let choices = choices.flat_map(|field| field.words().iter().map(String::as_str));
    let words = fields
        .names()
        .into_iter()
        .chain(choices)
        .chain(other_words())
        .chain(keys());
    let missing: Vec<&str> = words.filter(|word| !occurs(word, &examples)).collect();
    assert!(missing.is_empty(), "no example shows {missing:?}");
}

#[test]
fn every_attach_mode_and_unit_is_described() {
    let document = document();
    let units = [
        "bit", "kbit", "mbit", "gbit", "B", "kB", "MB", "GB", "KiB", "MiB", "GiB", "ns", "us", "ms", "s", "min",
    ];
    let missing: Vec<&str> = attach_words()
        .into_iter()
        .chain(units)
        .filter(|word| !document.contains(&format!("`{word}`")))
        .collect();
    assert!(missing.is_empty(), "nothing is said about {missing:?}");
}

#[test]
fn every_element_that_ships_is_described_with_its_arguments() {
    let (document, examples) = (document(), examples().join("\n"));
    let shipped = shipped();
    assert!(
        shipped.iter().any(|manifest| manifest.kind == Kind::Actor),
        "some actor ships"
    );
    for manifest in shipped {
        let name = &manifest.name;
        if manifest.kind == Kind::Selector {
            assert!(
                document.contains(&format!("`{name}`")),
                "nothing is said about `{name}`"
            );
        } else {
            assert!(occurs(name, &examples), "no example shows `{name}`");
            for argument in &manifest.arguments {
                assert!(
                    occurs(&argument.name, &document),
                    "nothing is said about `{}` of `{name}`",
                    argument.name
                );
            }
        }
    }
}
