use super::*;

/// The lines of a crate of these files, named `our-crate`.
fn lines_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    lines::of(&Crate::read("our-crate", &files).expect("a crate"))
}

#[test]
fn what_others_can_name_is_listed_and_nothing_else() {
    let found = lines_of(&[
        (
            "lib.rs",
            "mod inner; pub mod shown; pub use inner::{Thing, make as build}; pub(crate) fn no() {}",
        ),
        (
            "inner.rs",
            "pub struct Thing { pub size: u8, secret: u8 } pub struct Hidden; pub fn make() -> Thing { loop {} }
             impl Thing { pub fn size(&self) -> u8 { 1 } fn no(&self) {} }
             impl Hidden { pub fn no(&self) {} }
             trait Private {} impl Private for Thing {}
             impl std::ops::Deref for Thing { type Target = u8; fn deref(&self) -> &u8 { &self.size } }",
        ),
        (
            "shown/mod.rs",
            "pub enum Kind { One(u8), Two { at: u16 } = 2 } #[cfg(test)] mod tests;
             #[cfg(feature = \"x\")] #[must_use = \"advice\"] pub fn of<T>(kind: T) -> Kind where T: Into<Kind> { loop {} }
             pub trait Reads: Send { const MOST: usize; type Item; fn one(&self); fn two(&self) {} }
             pub use crate::inner::Thing;",
        ),
    ]);
    assert_eq!(
        found,
        [
            "pub mod our_crate",
            "impl std::ops::Deref for our_crate::Thing { type Target = u8; }",
            "pub struct our_crate::Thing { .. }",
            "our_crate::Thing::size: u8",
            "pub fn our_crate::Thing::size(&self) -> u8",
            "pub fn our_crate::build() -> Thing",
            "pub mod our_crate::shown",
            "pub enum our_crate::shown::Kind",
            "our_crate::shown::Kind::One(u8)",
            "our_crate::shown::Kind::Two {} = 2",
            "our_crate::shown::Kind::Two::at: u16",
            "pub trait our_crate::shown::Reads: Send",
            "our_crate::shown::Reads: type Item;",
            "const our_crate::shown::Reads::MOST: usize",
            "fn our_crate::shown::Reads::one(&self)",
            "fn our_crate::shown::Reads::two(&self) { .. }",
            "pub use our_crate::Thing as our_crate::shown::Thing",
            "#[cfg(feature = \"x\")] #[must_use] pub fn our_crate::shown::of<T>(kind: T) -> Kind where T: Into<Kind>",
        ]
    );
}

#[test]
fn whatever_a_caller_depends_on_shows_when_it_changes() {
    let with = |item: &str| lines_of(&[("lib.rs", item)]);
    for (before, after) in [
        ("pub fn f(a: u8) {}", "pub fn f(a: u16) {}"),
        ("pub fn f() {}", "pub fn f() -> u8 { 1 }"),
        ("pub fn f() {}", "pub const fn f() {}"),
        ("pub fn f() {}", "pub async fn f() {}"),
        ("pub fn f<T>(t: T) {}", "pub fn f<T: Send>(t: T) {}"),
        ("pub struct S(pub u8);", "pub struct S(pub u8, u8);"),
        ("pub struct S { pub a: u8 }", "pub struct S { pub a: u8, b: u8 }"),
        ("#[derive(Clone)] pub struct S;", "pub struct S;"),
        ("pub struct S;", "#[non_exhaustive] pub struct S;"),
        ("pub enum E { A }", "pub enum E { A, B }"),
        ("pub enum E { A { a: u8 } }", "pub enum E { A { a: u16 } }"),
        ("pub const C: u8 = 1;", "pub const C: u8 = 2;"),
        ("pub trait T { fn f(&self) {} }", "pub trait T { fn f(&self); }"),
        (
            "pub struct S; impl Drop for S { fn drop(&mut self) {} }",
            "pub struct S;",
        ),
        (
            "pub struct S; impl S { pub fn f(&self) {} }",
            "pub struct S; impl S { pub fn f(self) {} }",
        ),
        ("pub use other::A;", "pub use other::B as A;"),
        ("pub use other::*;", "pub use another::*;"),
        (
            "macro_rules! m { () => { pub struct A; } } m!();",
            "macro_rules! m { () => { pub struct B; } } m!();",
        ),
        ("pub type A = u8;", "pub type A = u16;"),
    ] {
        assert_ne!(with(before), with(after), "{before}");
    }
    assert_eq!(with("/// One.\npub fn f() { 1; }"), with("/// Two.\npub fn f() { 2; }"));
}

#[test]
fn names_that_lead_round_in_a_circle_end() {
    let found = lines_of(&[(
        "lib.rs",
        "pub mod a { pub use super::b::*; } pub mod b { pub use super::a::*; }",
    )]);
    assert_eq!(
        found,
        ["pub mod our_crate", "pub mod our_crate::a", "pub mod our_crate::b"]
    );
}

#[test]
fn added_and_removed_lines_are_reported() {
    assert!(changes("a\nb\n", "a\nb\n").is_empty());
    assert_eq!(changes("a\nb\n", "a\nc\n"), ["  - b", "  + c"]);
}
