//! Checks the fields that an element declares.

use crate::expression::vocabulary::KEYWORDS;
use crate::expression::{Compare, habits};
use crate::fields::core::{CORE, CORE_IS};
use crate::manifest::{Argument, ArgumentType, Declaration, Form, Kind, Manifest};
use crate::suggest;
use crate::values::{self, packet_types};

/// A key of the table, what is wrong with it, and what is expected.
type Mistake = (&'static str, String, String);

const NAME_HELP: &str =
    "expected words of `a-z`, `0-9` and `_`, each beginning with a letter, joined by points: at most 64 characters";

impl Manifest {
    /// The mistakes of each field, by position.
    pub(super) fn field_mistakes(&self) -> Vec<(usize, Mistake)> {
        let mut found = Vec::new();
        for (position, declaration) in self.fields.iter().enumerate() {
            let before = &self.fields[..position];
            let is = |form| form == Form::Is;
            let twice = before
                .iter()
                .any(|other| other.name == declaration.name && is(other.form) == is(declaration.form));
            let mut check = Check {
                manifest: self,
                declaration,
                found: Vec::new(),
            };
            if twice {
                check.mistake("name", "the field is declared twice", "expected each field once");
            }
            let before = before.iter().flat_map(|other| &other.aliases);
            let taken: Vec<&String> = before.filter(|alias| declaration.aliases.contains(alias)).collect();
            if let [alias, ..] = taken.as_slice() {
                let message = format!("`{alias}` is an alias of another field too");
                check.mistake("aliases", message, "expected each alias once");
            }
            check.all();
            found.extend(check.found.into_iter().map(|mistake| (position, mistake)));
        }
        found
    }
}

/// Whether `name` can begin a test.
fn is_field_name(name: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    name.len() <= 64 && name.split('.').all(is_part)
}

struct Check<'m> {
    manifest: &'m Manifest,
    declaration: &'m Declaration,
    found: Vec<Mistake>,
}

impl<'m> Check<'m> {
    fn mistake(&mut self, key: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.found.push((key, message.into(), help.into()));
    }

    fn argument(&self, name: &str) -> Option<&'m Argument> {
        self.manifest.arguments.iter().find(|argument| argument.name == name)
    }

    fn all(&mut self) {
        if self.manifest.kind != Kind::Selector {
            self.mistake("name", "an actor declares a field", "expected fields of selectors only");
        }
        self.name();
        self.values();
        self.helpers();
        self.words();
        self.covered();
    }

    fn name(&mut self) {
        let (name, form) = (self.declaration.name.as_str(), self.declaration.form);
        let core = CORE.iter().find(|(core, _)| *core == name);
        match (core, form) {
            (Some((_, count)), Form::Core) if self.declaration.arguments.len() != *count => {
                let help = format!("expected {count} of them");
                self.mistake("arguments", format!("`{name}` has another number of arguments"), help);
            }
            (Some(_), Form::Core) => {}
            (Some(_), Form::Is) if !CORE_IS.contains(&name) => {}
            (Some(_), _) => {
                let message = format!("`{name}` is a word of the policy language");
                self.mistake("name", message, "expected another name");
            }
            (None, Form::Core) => {
                let core = || CORE.iter().map(|(name, _)| *name);
                let message = format!("`{}` is no word of the compiler's own", suggest::shorten(name));
                self.mistake("name", message, suggest::expected(name, core()));
            }
            (None, _) if !is_field_name(name) => {
                let message = format!("`{}` cannot be the name of a field", suggest::shorten(name));
                self.mistake("name", message, NAME_HELP);
            }
            (None, _) if KEYWORDS.contains(&name) => {
                let message = format!("`{name}` is a word of the policy language");
                self.mistake("name", message, "expected another name");
            }
            (None, _) => {}
        }
        let aliases = &self.declaration.aliases;
        for (position, alias) in aliases.iter().enumerate() {
            if aliases[..position].contains(alias) {
                let message = format!("`{}` is named twice", suggest::shorten(alias));
                self.mistake("aliases", message, "expected each alias once");
            }
            let is_word = !alias.is_empty()
                && alias
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || "0123456789._-".contains(c));
            let taken = CORE.iter().any(|(core, _)| core == alias) || KEYWORDS.contains(&alias.as_str());
            if !is_word {
                let message = format!("`{}` cannot be an alias", suggest::shorten(alias));
                self.mistake(
                    "aliases",
                    message,
                    "expected words of lower-case letters, digits, `.`, `_` and `-`",
                );
            } else if taken || habits::field(alias).is_some() || alias == name {
                let message = format!("`{alias}` means something else already");
                self.mistake("aliases", message, "expected words that mean nothing yet");
            }
        }
    }

    /// The arguments that take the value, and their types.
    fn values(&mut self) {
        use ArgumentType::{
            Boolean, Choice, Device, Duration, Integer, PacketTypes, Ports, Prefix, Range, Rate, Size, Token,
        };
        let form = self.declaration.form;
        let known: Vec<&str> = self
            .manifest
            .arguments
            .iter()
            .map(|argument| argument.name.as_str())
            .collect();
        if let Some(name) = self
            .declaration
            .arguments
            .iter()
            .find(|name| !known.contains(&name.as_str()))
        {
            let help = suggest::expected(name, known);
            self.mistake(
                "arguments",
                format!("there is no argument `{}`", suggest::shorten(name)),
                help,
            );
            return;
        }
        if form == Form::Core {
            return;
        }
        let [name] = self.declaration.arguments.as_slice() else {
            self.mistake(
                "arguments",
                "the field has another number of arguments than one",
                "expected one",
            );
            return;
        };
        let Some(argument) = self.argument(name) else {
            return;
        };
        let numbers = [Integer, Size, Duration, Rate];
        let fits: &[ArgumentType] = match form {
            Form::Set => &[Prefix, Ports, Token, Device, Integer, Size, Duration, Rate, Choice],
            Form::Compare => &numbers,
            Form::Number | Form::OneIn => &[Integer],
            Form::Is => &[Choice],
            Form::Flag => &[Boolean],
            Form::Range => &[Range],
            Form::Core => &[PacketTypes],
        };
        if !fits.contains(&argument.ty) {
            let message = format!(
                "the argument `{name}` is of another type than the form `{}` takes",
                form.word()
            );
            let help = match form {
                Form::Set => "expected an address, ports, a token, a device, a number or a choice",
                Form::Compare => "expected a number, size, duration or rate",
                Form::Number | Form::OneIn => "expected an `integer`",
                Form::Is => "expected a `choice`",
                Form::Flag => "expected a `boolean`",
                Form::Range => "expected a `range`",
                Form::Core => "",
            };
            self.mistake("arguments", message, help);
        }
        if self
            .declaration
            .ty
            .is_some_and(|ty| argument.ty != Integer || !numbers.contains(&ty))
            || self.declaration.ty.is_some() && !matches!(form, Form::Set | Form::Compare)
        {
            let message = "the values cannot be written so";
            let help = "expected `size`, `duration` or `rate`, with the form `set` or `compare` and an argument of type `integer`";
            self.mistake("type", message, help);
        }
    }

    /// The arguments that take something else.
    fn helpers(&mut self) {
        let declaration = self.declaration;
        let compares = matches!(declaration.form, Form::Number | Form::Compare);
        let is_comparison = |argument: &Argument| {
            let words = Compare::ALL.map(Compare::word);
            argument.ty == ArgumentType::Choice && argument.values == words
        };
        match &declaration.compare {
            None if compares => {
                let help = "expected `compare`, an argument of type `choice`";
                self.mistake("form", "nothing takes the comparison", help);
            }
            Some(_) if !compares => {
                self.mistake("compare", "this form has no comparison", "expected no `compare`");
            }
            Some(name) if !self.argument(name).is_some_and(is_comparison) => {
                let message = format!("`{}` takes no comparison", suggest::shorten(name));
                let help = "expected a `choice` with `values = [\"lt\", \"le\", \"gt\", \"ge\", \"eq\", \"ne\"]`";
                self.mistake("compare", message, help);
            }
            _ => {}
        }
        for (key, name, form) in [
            ("inside", &declaration.inside, Form::Set),
            ("relative", &declaration.relative, Form::Range),
        ] {
            let Some(name) = name else { continue };
            let is_boolean = |argument: &Argument| argument.ty == ArgumentType::Boolean;
            if declaration.form != form {
                let help = format!("expected `{key}` with the form `{}` only", form.word());
                self.mistake(key, format!("this form has no `{key}`"), help);
            } else if !self.argument(name).is_some_and(is_boolean) {
                let message = format!("`{}` is no boolean argument", suggest::shorten(name));
                self.mistake(key, message, "expected an argument of type `boolean`");
            }
        }
        for (name, value) in &declaration.with {
            match self.argument(name).map(|argument| values::parse(argument, value)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => self.mistake("with", format!("in `{name}`: {}", error.message), error.help),
                None => {
                    let message = format!("there is no argument `{}`", suggest::shorten(name));
                    self.mistake("with", message, "expected arguments of the element");
                }
            }
        }
    }

    fn words(&mut self) {
        let declaration = self.declaration;
        let takes = declaration.arguments.first().and_then(|name| self.argument(name));
        let words = takes.map_or(&[][..], |argument| &argument.values);
        if let Some(word) = declaration.exclusive.iter().find(|word| !words.contains(word)) {
            let message = format!("the field has no word `{}`", suggest::shorten(word));
            self.mistake("exclusive", message, "expected words of the choice");
        }
        for (name, value) in &declaration.names {
            if let Some(Err(error)) = takes.map(|argument| values::parse(argument, value)) {
                let message = format!("`{}` stands for no value: {}", suggest::shorten(name), error.message);
                self.mistake("names", message, error.help);
            }
        }
        if let Some(Err(error)) = declaration.segments.as_deref().map(packet_types::parse) {
            self.mistake("segments", error.message, error.help);
        }
    }

    /// Every argument without a default must get a value.
    fn covered(&mut self) {
        let declaration = self.declaration;
        let given = |name: &String| {
            let helpers = [&declaration.compare, &declaration.inside, &declaration.relative];
            declaration.arguments.contains(name)
                || declaration.with.contains_key(name)
                || helpers.into_iter().flatten().any(|helper| helper == name)
        };
        let missing = self
            .manifest
            .arguments
            .iter()
            .find(|argument| argument.default.is_none() && !given(&argument.name));
        if let Some(argument) = missing {
            let message = format!("the argument `{}` gets no value", argument.name);
            self.mistake("name", message, "expected it in `with`, or a default");
        }
    }
}
