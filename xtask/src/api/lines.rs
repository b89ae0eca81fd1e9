//! Public items as lines, one for each item or implementation that another crate can use.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{Attribute, Fields, Generics, ImplItem, Item, ItemImpl, Signature, TraitItem, Type};

use super::names::Found;
use super::public::{Public, best};
use super::source::{Crate, Place, attributes_of, is_public};
use super::text::text;

/// Attributes that others depend on. Derives make implementations; `from` is thiserror's for `From`.
const SHOWN: &[&str] = &[
    "cfg",
    "default",
    "deprecated",
    "derive",
    "from",
    "must_use",
    "non_exhaustive",
    "repr",
];

/// A constant whose value takes more than this is shown without it.
const LONGEST_VALUE: usize = 120;

/// Everything that the crate shows, sorted.
pub(super) fn of(source: &Crate) -> Vec<String> {
    let public = Public::of(source);
    let mut lines = Lines {
        source,
        public: &public,
        lines: BTreeSet::new(),
    };
    for (place, paths) in &public.modules {
        let Some(path) = best(paths) else { continue };
        let attributes = shown(&source.modules[place].attributes);
        lines.add(path, &format!("{attributes}pub mod {path}"));
        lines.other_names(path, paths);
    }
    for ((place, number), paths) in &public.items {
        let Some(path) = best(paths) else { continue };
        lines.item(path, &source.modules[place].items[*number]);
        lines.other_names(path, paths);
    }
    for (path, others) in &public.outside {
        for other in others {
            lines.add(path, &format!("pub use {other} as {path}"));
        }
    }
    for (place, number) in &public.macros {
        lines.macros(place, &source.modules[place].items[*number]);
    }
    for (place, module) in &source.modules {
        for item in &module.items {
            if let Item::Impl(item) = item {
                lines.implementation(place, item);
            }
        }
    }
    lines.lines.into_iter().map(|(_, line)| line).collect()
}

struct Lines<'a> {
    source: &'a Crate,
    public: &'a Public,
    /// Sorted by the path that a line is about.
    lines: BTreeSet<(String, String)>,
}

impl Lines<'_> {
    fn add(&mut self, path: &str, line: &str) {
        self.lines.insert((path.to_owned(), line.to_owned()));
    }

    fn other_names(&mut self, path: &str, paths: &BTreeSet<String>) {
        for other in paths.iter().filter(|other| *other != path) {
            self.add(other, &format!("pub use {path} as {other}"));
        }
    }

    fn item(&mut self, path: &str, item: &Item) {
        let attributes = shown(attributes_of(item));
        match item {
            Item::Const(item) => {
                let value = value(&item.expr);
                self.add(
                    path,
                    &format!("{attributes}pub const {path}: {}{value}", text(&item.ty)),
                );
            }
            Item::Static(item) => {
                let mutability = text(&item.mutability);
                self.add(
                    path,
                    &format!("{attributes}pub static {mutability}{path}: {}", text(&item.ty)),
                );
            }
            Item::Fn(item) => self.add(path, &format!("{attributes}pub {}", signature(&item.sig, path))),
            Item::Type(item) => {
                let (generics, bounds) = generics(&item.generics);
                self.add(
                    path,
                    &format!("{attributes}pub type {path}{generics} = {}{bounds}", text(&item.ty)),
                );
            }
            Item::Struct(item) => {
                let (generics, bounds) = generics(&item.generics);
                let fields = self.fields(path, &item.fields, false);
                self.add(
                    path,
                    &format!("{attributes}pub struct {path}{generics}{fields}{bounds}"),
                );
            }
            Item::Union(item) => {
                let (generics, bounds) = generics(&item.generics);
                let fields = self.fields(path, &Fields::Named(item.fields.clone()), false);
                self.add(path, &format!("{attributes}pub union {path}{generics}{fields}{bounds}"));
            }
            Item::Enum(item) => {
                let (generics, bounds) = generics(&item.generics);
                self.add(path, &format!("{attributes}pub enum {path}{generics}{bounds}"));
                for variant in &item.variants {
                    let path = format!("{path}::{}", variant.ident);
                    let attributes = shown(&variant.attrs);
                    let fields = self.fields(&path, &variant.fields, true);
                    let number = variant.discriminant.as_ref().map(|(_, number)| value(number));
                    self.add(
                        &path,
                        &format!("{attributes}{path}{fields}{}", number.unwrap_or_default()),
                    );
                }
            }
            Item::Trait(item) => {
                let (generics, bounds) = generics(&item.generics);
                let safety = item.unsafety.map_or("", |_| "unsafe ");
                let supertraits = match item.supertraits.is_empty() {
                    true => String::new(),
                    false => format!(": {}", text(&item.supertraits)),
                };
                self.add(
                    path,
                    &format!("{attributes}pub {safety}trait {path}{generics}{supertraits}{bounds}"),
                );
                for inner in &item.items {
                    self.trait_item(path, inner);
                }
            }
            Item::Macro(item) => self.add(
                path,
                &format!("{attributes}macro_rules! {path} {}", rules(&item.mac.tokens)),
            ),
            other => self.add(path, &format!("{path}: {}", text(other))),
        }
    }

    /// The fields of a structure or a variant: those with names and those that are public as lines of their own.
    fn fields(&mut self, path: &str, fields: &Fields, all_public: bool) -> String {
        let is_shown = |field: &syn::Field| all_public || is_public(&field.vis);
        match fields {
            Fields::Unit => String::new(),
            Fields::Named(named) => {
                let mut hidden = false;
                for field in &named.named {
                    match &field.ident {
                        Some(name) if is_shown(field) => {
                            let line = format!("{}{path}::{name}: {}", shown(&field.attrs), text(&field.ty));
                            self.add(&format!("{path}::{name}"), &line);
                        }
                        _ => hidden = true,
                    }
                }
                if hidden { " { .. }" } else { " {}" }.to_owned()
            }
            Fields::Unnamed(unnamed) => {
                let types = unnamed.unnamed.iter().map(|field| match is_shown(field) {
                    true => format!("{}{}", shown(&field.attrs), text(&field.ty)),
                    false => "_".to_owned(),
                });
                format!("({})", types.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn trait_item(&mut self, path: &str, item: &TraitItem) {
        match item {
            TraitItem::Fn(item) => {
                let path = format!("{path}::{}", item.sig.ident);
                // Without a body of its own, every implementation must write it.
                let body = item.default.as_ref().map_or("", |_| " { .. }");
                let line = format!("{}{}{body}", shown(&item.attrs), signature(&item.sig, &path));
                self.add(&path, &line);
            }
            TraitItem::Const(item) => {
                let path = format!("{path}::{}", item.ident);
                let default = item.default.as_ref().map(|(_, default)| value(default));
                let line = format!("const {path}: {}{}", text(&item.ty), default.unwrap_or_default());
                self.add(&path, &line);
            }
            TraitItem::Type(item) => self.add(&format!("{path}::{}", item.ident), &format!("{path}: {}", text(item))),
            other => self.add(path, &format!("{path}: {}", text(other))),
        }
    }

    /// The output of a macro is unknown: its text is used instead.
    fn macros(&mut self, place: &Place, item: &Item) {
        let place = self.source.shown(place, &[]);
        self.add(&place, &format!("{place}: {}", text(item)));
    }

    fn implementation(&mut self, place: &Place, item: &ItemImpl) {
        let (of, whole) = match self.local(place, &item.self_ty) {
            Local::Public(path) => (path.clone(), path + &arguments(&item.self_ty)),
            Local::Private => return,
            Local::Foreign => (self.source.name.clone(), text(&item.self_ty)),
        };
        let cfg = shown(&item.attrs);
        let (parameters, bounds) = generics(&item.generics);
        if let Some((name, _)) = &item.trait_ {
            let segments: Vec<_> = name.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let found = self.source.resolve(place, &segments);
            let is_private = |found: &Found| matches!(found, Found::Item(..)) && self.path_of(found).is_none();
            if found.iter().any(is_private) {
                return;
            }
            let types: Vec<_> = item
                .items
                .iter()
                .filter(|item| matches!(item, ImplItem::Type(_)))
                .map(text)
                .collect();
            let types = match types.is_empty() {
                true => String::new(),
                false => format!(" {{ {} }}", types.join(" ")),
            };
            let (safety, kind) = (item.unsafety.map_or("", |_| "unsafe "), text(name));
            let line = format!("{cfg}{safety}impl{parameters} {kind} for {whole}{bounds}{types}");
            self.add(&of, &line);
            return;
        }
        let condition = match item.generics.params.is_empty() {
            true => String::new(),
            false => format!("impl{parameters} {whole}{bounds}: "),
        };
        for inner in &item.items {
            let (attributes, visibility, name) = match inner {
                ImplItem::Fn(inner) => (&inner.attrs, &inner.vis, &inner.sig.ident),
                ImplItem::Const(inner) => (&inner.attrs, &inner.vis, &inner.ident),
                _ => continue,
            };
            if !is_public(visibility) {
                continue;
            }
            let path = format!("{of}::{name}");
            let what = match inner {
                ImplItem::Fn(inner) => signature(&inner.sig, &path),
                ImplItem::Const(inner) => format!("const {path}: {}{}", text(&inner.ty), value(&inner.expr)),
                _ => continue,
            };
            self.add(&path, &format!("{cfg}{}{condition}pub {what}", shown(attributes)));
        }
    }

    /// The public path of a type of this crate.
    fn local(&self, place: &Place, kind: &Type) -> Local {
        let Type::Path(path) = kind else { return Local::Foreign };
        let segments: Vec<_> = path
            .path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        let found = self.source.resolve(place, &segments);
        let mut items = found.iter().filter(|found| matches!(found, Found::Item(..))).peekable();
        if items.peek().is_none() {
            return Local::Foreign;
        }
        match items.find_map(|found| self.path_of(found)) {
            Some(path) => Local::Public(path),
            None => Local::Private,
        }
    }

    fn path_of(&self, found: &Found) -> Option<String> {
        match found {
            Found::Item(place, number) => self.public.path(place, *number).map(str::to_owned),
            _ => None,
        }
    }
}

/// Whose type an implementation is for.
enum Local {
    Public(String),
    Private,
    /// Of another crate, a reference, a type parameter, or made by a macro.
    Foreign,
}

/// The arguments in angle brackets at the end of a path.
fn arguments(kind: &Type) -> String {
    match kind {
        Type::Path(path) => path.path.segments.last().map(|last| text(&last.arguments)),
        _ => None,
    }
    .unwrap_or_default()
}

/// The attributes that count, each followed by a blank.
fn shown(attributes: &[Attribute]) -> String {
    let counts = |attribute: &&Attribute| {
        let hidden = attribute.path().is_ident("doc")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|word| word.is_ident("hidden"));
        hidden || SHOWN.iter().any(|name| attribute.path().is_ident(name))
    };
    let line = |attribute: &Attribute| match attribute.path().is_ident("must_use") {
        // The advice is words.
        true => "#[must_use] ".to_owned(),
        false => text(attribute) + " ",
    };
    attributes.iter().filter(counts).map(line).collect()
}

/// A function's signature under its path.
fn signature(signature: &Signature, path: &str) -> String {
    let whole = text(signature);
    whole.replacen(&format!("fn {}", signature.ident), &format!("fn {path}"), 1)
}

/// The parameters in angle brackets, and the conditions on them.
fn generics(generics: &Generics) -> (String, String) {
    let bounds = match &generics.where_clause {
        Some(bounds) => format!(" {}", text(bounds)),
        None => String::new(),
    };
    (text(generics), bounds)
}

fn value(value: impl ToTokens) -> String {
    let value = text(value);
    match value.len() <= LONGEST_VALUE {
        true => format!(" = {value}"),
        false => String::new(),
    }
}

/// The patterns of a macro, without the bodies.
fn rules(tokens: &proc_macro2::TokenStream) -> String {
    let whole: Vec<_> = tokens.clone().into_iter().collect();
    // PATTERN => BODY; one after the other.
    let rules = whole.split(|token| matches!(token, proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ';'));
    let patterns = rules.filter_map(|rule| rule.first()).map(text);
    format!("{{ {} }}", patterns.collect::<Vec<_>>().join("; "))
}
