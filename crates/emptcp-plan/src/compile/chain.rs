//! The chain of a policy: selectors with their jumps, then actors.

use super::calls::{self, Call};
use super::formula::{Formula, Goal, jumps};
use super::{correct, elements};
use crate::catalog::Catalog;
use crate::diagnostics::{Problem, Reporter};
use crate::expression::lexer::{self, Kind as TokenKind};
use crate::expression::parser::Cursor;
use crate::expression::{self, CallArgument};
use crate::file::Text;
use crate::manifest::{Kind, Manifest};
use crate::plan::{Node, Target};
use crate::suggest;
use std::ops::Range;

/// A node, and what messages about it need.
pub(crate) struct Link<'c> {
    pub(crate) node: Node,
    pub(crate) manifest: &'c Manifest,
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
}

/// Lays out selectors and actors; mistakes go to `reporter` and leave a gap.
pub(crate) fn build<'c>(
    when: Option<(&Text, Formula<Call>)>,
    actions: &[Text],
    catalog: &'c Catalog,
    reporter: &mut Reporter<'_>,
) -> Vec<Link<'c>> {
    let mut links = Vec::new();
    if let Some((text, formula)) = when {
        let jumps = jumps(formula);
        // The first actor follows the last selector.
        let actor = jumps.len();
        let target = |goal| match goal {
            Goal::Atom(position) => Target::Node(position),
            Goal::Holds => Target::Node(actor),
            Goal::Fails => Target::End,
        };
        for jump in jumps {
            match selector(text.as_str(), &jump.atom, catalog) {
                Ok((manifest, arguments)) => links.push(Link {
                    node: Node {
                        element: manifest.name.clone(),
                        kind: Kind::Selector,
                        arguments,
                        on_match: target(jump.on_match),
                        on_miss: target(jump.on_miss),
                        first_actor: false,
                        source: text.as_str()[jump.atom.span.clone()].to_owned(),
                    },
                    manifest,
                    span: text.place(jump.atom.span),
                }),
                Err(problems) => report(text, problems, &|text| condition_problems(text, catalog), reporter),
            }
        }
    }
    for (position, text) in actions.iter().enumerate() {
        match actor(text.as_str(), catalog) {
            Ok((manifest, arguments)) => {
                let next = match position + 1 == actions.len() {
                    true => Target::End,
                    false => Target::Node(links.len() + 1),
                };
                links.push(Link {
                    node: Node {
                        element: manifest.name.clone(),
                        kind: Kind::Actor,
                        arguments,
                        on_match: next,
                        on_miss: next,
                        first_actor: position == 0,
                        source: text.as_str().trim().to_owned(),
                    },
                    manifest,
                    span: text.place(0..text.as_str().len()),
                });
            }
            Err(problems) => report(
                text,
                problems,
                &|text| actor(text, catalog).err().unwrap_or_default(),
                reporter,
            ),
        }
    }
    links
}

/// Nodes on the longest path; every target comes after its node.
pub(crate) fn longest_path(nodes: &[Node]) -> usize {
    let mut longest = vec![0usize; nodes.len()];
    for (position, node) in nodes.iter().enumerate().rev() {
        let after = |target| match target {
            Target::Node(next) => longest.get(next).copied().unwrap_or(0),
            Target::End => 0,
        };
        longest[position] = 1 + after(node.on_match).max(after(node.on_miss));
    }
    longest.first().copied().unwrap_or(0)
}

/// Reports the problems of one text. Adds a corrected text if `check` finds no mistake in it.
pub(crate) fn report(
    text: &Text,
    problems: Vec<Problem>,
    check: &dyn Fn(&str) -> Vec<Problem>,
    reporter: &mut Reporter<'_>,
) {
    if let Some(corrected) = correct::corrected(text.as_str(), &problems, check)
        && let Some(edit) = text.edit(corrected, reporter.text())
    {
        reporter.edit(edit);
    }
    for problem in problems {
        reporter.report(text.place(problem.span), problem.message, problem.help);
    }
}

/// What is wrong with a condition.
pub(crate) fn condition_problems(text: &str, catalog: &Catalog) -> Vec<Problem> {
    match expression::parse(text, catalog.fields()) {
        Err(problems) => problems,
        Ok(expression) => {
            let jumps = jumps(calls::formula(&expression, catalog.fields()));
            jumps
                .iter()
                .filter_map(|jump| selector(text, &jump.atom, catalog).err())
                .flatten()
                .collect()
        }
    }
}

type Resolved<'c> = Result<(&'c Manifest, Vec<(String, crate::plan::Value)>), Vec<Problem>>;

fn selector<'c>(text: &str, call: &Call, catalog: &'c Catalog) -> Resolved<'c> {
    let name = call.element.as_str();
    let at = call.name_span.clone();
    let problem = |message: String, help: String| vec![Problem::new(at.clone(), message, help)];
    match catalog.get(name) {
        Some(manifest) if manifest.kind == Kind::Selector => {
            elements::arguments(manifest, &call.arguments, at).map(|arguments| (manifest, arguments))
        }
        Some(_) => Err(problem(
            format!("`{name}` is an actor and no condition"),
            format!("expected a selector here; `{name}` belongs into `do`"),
        )),
        None if call.by_name => Err(vec![
            Problem::new(
                at,
                format!("there is no selector `{}`", suggest::shorten(name)),
                suggest::expected(name, catalog.names(Kind::Selector)),
            )
            .nearest_instead(name, catalog.names(Kind::Selector)),
        ]),
        None => Err(problem(
            format!(
                "no element is there that could answer `{}` for each packet",
                suggest::shorten(&text[at.clone()])
            ),
            "expected an element that declares this field (see `emptcp elements`), or the test joined to the others by `and` \
             alone"
                .to_owned(),
        )),
    }
}

fn actor<'c>(text: &str, catalog: &'c Catalog) -> Resolved<'c> {
    const HELP: &str = "expected an action, written `actor name=value ...`, such as `rate_limit rate=4mbit`";
    let one = |problem| vec![problem];
    let tokens = lexer::tokens(text).map_err(one)?;
    let mut cursor = Cursor {
        text,
        fields: catalog.fields(),
        tokens: &tokens,
        at: 0,
        test: 0,
    };
    if cursor.peek() != TokenKind::Word {
        return Err(vec![cursor.surprise("where an actor should be", HELP)]);
    }
    let (name, at) = (cursor.slice(), cursor.span());
    cursor.advance();
    let manifest = match catalog.get(name) {
        Some(manifest) if manifest.kind == Kind::Actor => manifest,
        Some(_) => {
            let message = format!("`{name}` is a selector and no actor");
            let help = format!("expected an actor here; `{name}` belongs into `when`");
            return Err(vec![Problem::new(at, message, help)]);
        }
        None => {
            let message = format!("there is no actor `{}`", suggest::shorten(name));
            let help = suggest::expected(name, catalog.names(Kind::Actor));
            let known = catalog.names(Kind::Actor);
            return Err(vec![Problem::new(at, message, help).nearest_instead(name, known)]);
        }
    };
    let mut given: Vec<CallArgument> = Vec::new();
    while cursor.peek() != TokenKind::End {
        if let Some(problem) = cursor.separator_of_elsewhere() {
            return Err(vec![problem]);
        }
        given.push(cursor.argument().map_err(one)?);
    }
    elements::arguments(manifest, &given, at).map(|arguments| (manifest, arguments))
}
