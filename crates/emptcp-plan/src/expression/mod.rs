//! The language of conditions.
//!
//! * `vocabulary`: every word, once.
//! * `lexer`: text to tokens.
//! * `ast`: the syntax tree, and how it is written.
//! * `parser`: tokens to tree; `primary`: one test; `operands`: values that only conditions have.
//! * `corrections`: tests that are nearly right.
//! * `habits`: words of other tools, and what they are here.

pub(crate) mod ast;
mod corrections;
pub(crate) mod habits;
pub(crate) mod lexer;
mod operands;
pub(crate) mod parser;
mod primary;
pub(crate) mod vocabulary;

pub use ast::{CallArgument, Compare, End, Expression, IdRange, Ids, PortSide, Primary, Role, Scope, Space, Test};
pub use parser::{DEEPEST, parse};
pub use vocabulary::{What, fields, other_words};
