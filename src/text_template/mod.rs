//! Templates in the language of Go's package text/template, which Caddy v1 used: a lexer, a parser
//! and an evaluator. Knows neither requests nor files: what a template can reach are the values it
//! is given. Steps, depth and bytes of an execution are bounded.
//!
//! Text can be marked as foreign: in HTML and Markdown it is escaped where it is printed.

mod ast;
mod builtins;
mod compare;
mod cursor;
mod error;
mod evaluate;
mod execute;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod go_time;
mod lexer;
mod moment;
mod number;
mod parser;
mod printf;
mod run;
mod scope;
mod set;
mod value;

pub use builtins::texts;
pub use error::Error;
pub use execute::{Setting, include};
pub use format::go_string;
pub use go_time::{Moment, format_time};
pub use parser::BLOCKS;
pub use run::{Bounds, Run};
pub use set::Set;
pub use value::{Object, Text, Value};

#[cfg(test)]
mod tests;
