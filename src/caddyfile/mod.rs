//! Caddyfile text to blocks of directives. Pure: it knows no directive's meaning, no HTTP.
//! Its only contact with the outside is reading imported files and the environment.

mod args;
mod duration;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod import;
mod lexer;
mod nearest;
mod options;
mod parser;
mod reserved;
mod rotation;
mod splice;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod usage;

pub use args::Args;
pub use duration::parse_duration;
pub use error::{ConfigError, Kind};
pub use nearest::nearest;
pub use options::Options;
pub use parser::{Directive, Key, Parsed, ServerBlock, parse};
pub use rotation::rotation;
pub use text::{read_file, read_text};
pub use token::Token;
pub use usage::{Repeat, Usage};
