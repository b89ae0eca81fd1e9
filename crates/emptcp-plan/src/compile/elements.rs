//! Arguments of one element: the given ones, checked against the manifest, and defaults for the rest.

use super::bare::Bare;
use crate::diagnostics::Problem;
use crate::expression::CallArgument;
use crate::manifest::Manifest;
use crate::plan::Value;
use crate::{suggest, values};
use std::ops::Range;

/// All arguments in the order of the manifest. `at` is the position of the element's name, for missing arguments.
pub(crate) fn arguments(
    manifest: &Manifest,
    given: &[CallArgument],
    at: Range<usize>,
) -> Result<Vec<(String, Value)>, Vec<Problem>> {
    // Arguments that were mistyped: they are not reported as missing too.
    let Bare {
        mut problems,
        mut meant,
    } = Bare::of(manifest, given);
    let explained = meant.len();
    for (position, argument) in given.iter().enumerate() {
        let name = argument.name.as_str();
        if name.is_empty() {
            continue;
        }
        if !manifest.arguments.iter().any(|known| known.name == name) {
            let message = format!("`{}` has no argument `{}`", manifest.name, suggest::shorten(name));
            let help = if manifest.arguments.is_empty() {
                format!("expected no arguments: `{}` takes none", manifest.name)
            } else {
                suggest::expected(name, manifest.arguments.iter().map(|known| known.name.as_str()))
            };
            let known = || manifest.arguments.iter().map(|known| known.name.as_str());
            problems.push(Problem::new(argument.name_span.clone(), message, help).nearest_instead(name, known()));
            meant.extend(suggest::nearest(
                name,
                manifest.arguments.iter().map(|known| known.name.as_str()),
            ));
        } else if given[..position].iter().any(|before| before.name == name) {
            let message = format!("the argument `{name}` is given twice");
            problems.push(Problem::new(
                argument.name_span.clone(),
                message,
                "expected each argument once",
            ));
        }
    }
    let mut complete = Vec::with_capacity(manifest.arguments.len());
    for argument in &manifest.arguments {
        let written = given.iter().find(|given| given.name == argument.name);
        // A value that continues in the next word is not complete.
        if meant[..explained].contains(&argument.name.as_str()) {
            continue;
        }
        let (text, span) = match (written, &argument.default) {
            (Some(written), _) => (written.value.as_str(), written.value_span.clone()),
            (None, Some(default)) => (default.as_str(), at.clone()),
            (None, None) if meant.contains(&argument.name.as_str()) => continue,
            (None, None) => {
                let message = format!("`{}` needs the argument `{}`", manifest.name, argument.name);
                let help = format!("expected `{}=` and {}", argument.name, values::describe(argument));
                problems.push(Problem::new(at.clone(), message, help));
                continue;
            }
        };
        match values::parse(argument, text) {
            Ok(value) => complete.push((argument.name.clone(), value)),
            Err(error) => {
                let message = format!("in `{}`: {}", argument.name, error.message);
                let problem = Problem::new(span.clone(), message, error.help);
                problems.push(match error.meant {
                    Some(meant) => problem.write_instead(span, meant),
                    None => problem,
                });
            }
        }
    }
    if problems.is_empty() && does_nothing(manifest, &complete) {
        let names = || manifest.any_of.iter().map(String::as_str);
        let message = format!("`{}` does nothing with these arguments", manifest.name);
        let help = format!(
            "expected a value other than the default for {}",
            suggest::one_of(names())
        );
        problems.push(Problem::new(at, message, help));
    }
    if problems.is_empty() {
        Ok(complete)
    } else {
        Err(problems)
    }
}

/// Whether all arguments of which one must differ from its default have that.
fn does_nothing(manifest: &Manifest, complete: &[(String, Value)]) -> bool {
    let is_default = |name: &String| {
        let argument = manifest.arguments.iter().find(|argument| argument.name == *name);
        let default = argument.and_then(|argument| values::parse(argument, argument.default.as_deref()?).ok());
        complete
            .iter()
            .any(|(known, value)| known == name && Some(value) == default.as_ref())
    };
    !manifest.any_of.is_empty() && manifest.any_of.iter().all(is_default)
}
