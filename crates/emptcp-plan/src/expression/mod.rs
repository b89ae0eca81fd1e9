//! The language of conditions.
//!
//! * `vocabulary`: every word of the compiler's own, once; [`crate::Fields`] has those that elements declare.
//! * `lexer`: text to tokens.
//! * `ast`: the syntax tree, and how it is written.
//! * `parser`: tokens to tree; `primary`: one test; `declared`: one test of a field that an element declares;
//!   `operands`: values that only conditions have.
//! * `corrections`: tests that are nearly right.
//! * `habits`: words of other tools, and what they are here.

pub(crate) mod ast;
mod corrections;
mod declared;
pub(crate) mod habits;
pub(crate) mod lexer;
mod operands;
pub(crate) mod parser;
mod primary;
pub(crate) mod vocabulary;

pub use ast::{CallArgument, Compare, End, Expression, PortSide, Primary, Test, Wanted};
pub use parser::{DEEPEST, parse};
pub use vocabulary::other_words;
