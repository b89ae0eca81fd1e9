//! Values without the name of their argument: `set_backup off`, `rate_limit rate 4mbit`, `rate_limit rate=4 mbit`.

use crate::diagnostics::Problem;
use crate::expression::CallArgument;
use crate::manifest::{Argument, ArgumentType, Manifest};
use crate::{suggest, values};

/// Reports values without a name.
#[derive(Default)]
pub(crate) struct Bare<'m> {
    pub(crate) problems: Vec<Problem>,
    /// Arguments that such a value is meant for, or may be: no other mistake is reported about them.
    pub(crate) meant: Vec<&'m str>,
}

impl<'m> Bare<'m> {
    /// Checks every argument without a name.
    pub(crate) fn of(manifest: &'m Manifest, given: &[CallArgument]) -> Self {
        let mut bare = Self::default();
        let mut position = 0;
        while let Some(argument) = given.get(position) {
            let before = position.checked_sub(1).and_then(|before| given.get(before));
            position += 1;
            if !argument.name.is_empty() {
                continue;
            }
            if before.is_some_and(|before| bare.goes_on(manifest, before, argument)) {
                continue;
            }
            match manifest.arguments.iter().find(|known| known.name == argument.value) {
                Some(named) => {
                    let value = given.get(position).filter(|value| value.name.is_empty());
                    if bare.name_alone(named, argument, value) {
                        position += 1;
                    }
                }
                None if bare.name_in_front(manifest, argument) => {}
                None => bare.value_alone(manifest, given, argument),
            }
        }
        bare
    }

    /// `rate=4 mbit`: the previous value continues here.
    fn goes_on(&mut self, manifest: &'m Manifest, before: &CallArgument, argument: &CallArgument) -> bool {
        let Some(known) = manifest.arguments.iter().find(|known| known.name == before.name) else {
            return false;
        };
        let joined = format!("{}{}", before.value, argument.value);
        if fits(known, &before.value) || !fits(known, &joined) && !nearly_fits(known, &joined) {
            return false;
        }
        let written = suggest::shorten(&format!("{} {}", before.value, argument.value));
        let help = format!("expected one value without spaces: `{}`", suggest::shorten(&joined));
        let span = before.value_span.start..argument.value_span.end;
        let gap = before.value_span.end..argument.value_span.start;
        self.problems
            .push(Problem::new(span, format!("`{written}` is not one value"), help).write_instead(gap, ""));
        self.meant.push(&known.name);
        true
    }

    /// `rate 4mbit`, `rate`; whether the value after the name belongs to it.
    fn name_alone(&mut self, named: &'m Argument, argument: &CallArgument, value: Option<&CallArgument>) -> bool {
        let message = format!("`{}` is not followed by `=` and a value", named.name);
        let help = format!("expected `{}=` and {}", named.name, values::describe(named));
        let problem = Problem::new(argument.value_span.clone(), message, help);
        self.meant.push(&named.name);
        let value = value.filter(|value| fits(named, &value.value) || nearly_fits(named, &value.value));
        self.problems.push(match value {
            Some(value) => problem.write_instead(argument.value_span.end..value.value_span.start, "="),
            None => problem,
        });
        value.is_some()
    }

    /// `rate:4mbit`: whether the word begins with the name of an argument.
    fn name_in_front(&mut self, manifest: &'m Manifest, argument: &CallArgument) -> bool {
        let Some((name, value)) = argument.value.split_once(':') else {
            return false;
        };
        let Some(known) = manifest.arguments.iter().find(|known| known.name == name) else {
            return false;
        };
        let start = argument.value_span.start;
        let end = start + name.len() + 1;
        // A value in quotes has its name in front of them.
        if value.is_empty() || argument.value_span.len() != argument.value.len() {
            return false;
        }
        self.meant.push(&known.name);
        let message = format!("unexpected `{name}:` where an argument should be");
        let help = format!("expected `{name}=` and {}", values::describe(known));
        self.problems
            .push(Problem::new(start..end, message, help).write_instead(start..end, format!("{name}=")));
        true
    }

    /// `off`, `4mbit`, `7`.
    fn value_alone(&mut self, manifest: &'m Manifest, given: &[CallArgument], argument: &CallArgument) {
        let value = argument.value.as_str();
        let open = || {
            let taken = |known: &&Argument| given.iter().any(|other| other.name == known.name);
            manifest.arguments.iter().filter(move |known| !taken(known))
        };
        let mut candidates: Vec<&Argument> = open().filter(|known| fits(known, value)).collect();
        if candidates.is_empty() {
            candidates = open().filter(|known| nearly_fits(known, value)).collect();
        }
        let written = |known: &&Argument| format!("{}={}", known.name, suggest::shorten(value));
        let message = format!("`{}` stands without the name of an argument", suggest::shorten(value));
        let at = argument.value_span.clone();
        self.problems.push(match candidates.as_slice() {
            [] if manifest.arguments.is_empty() => {
                let help = format!("expected no arguments: `{}` takes none", manifest.name);
                Problem::new(at, message, help)
            }
            [] => {
                let names = manifest.arguments.iter().map(|known| known.name.as_str());
                let help = format!("expected `name=value`, the name being {}", suggest::one_of(names));
                Problem::new(at, message, help)
            }
            [only] => Problem::new(at.clone(), message, format!("expected `{}`", written(only)))
                .write_instead(at.start..at.start, format!("{}=", only.name)),
            several => {
                let all: Vec<String> = several.iter().map(written).collect();
                let help = format!("expected {}", suggest::one_of(all.iter().map(String::as_str)));
                Problem::new(at, message, help)
            }
        });
        self.meant.extend(candidates.iter().map(|known| known.name.as_str()));
    }
}

fn fits(argument: &Argument, value: &str) -> bool {
    values::parse(argument, value).is_ok()
}

/// A number with a unit that only one type has, also of another tool: `4Mbit` is a rate.
fn nearly_fits(argument: &Argument, value: &str) -> bool {
    matches!(
        argument.ty,
        ArgumentType::Rate | ArgumentType::Size | ArgumentType::Duration
    ) && values::parse(argument, value).is_err_and(|error| error.meant.is_some_and(|meant| fits(argument, &meant)))
}
