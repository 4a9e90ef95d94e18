//! Parses a Caddyfile's text into blocks of directives. It knows neither what a directive means
//! nor HTTP. Of the machine it reads imported files and the environment only.

mod advice;
mod apache;
mod args;
mod caddy2;
mod cursor;
mod duration;
mod error;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod haproxy;
mod import;
mod lexer;
mod nearest;
mod nginx;
mod options;
mod parser;
mod reserved;
mod splice;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod values;

pub use advice::{
    counterpart_of_apache, counterpart_of_caddy2, counterpart_of_haproxy, counterpart_of_nginx,
    slip, unknown_option,
};
pub use args::Args;
pub use cursor::Cursor;
pub use duration::parse_duration;
pub use error::{ConfigError, Kind, Role};
pub use format::format;
pub use nearest::{nearest, suggestion};
pub use options::{OptionRow, Options, Repeat, Written, name_in, option, templated};
#[cfg(any(test, fuzzing))]
pub use parser::parse;
pub use parser::{Directive, Key, Parsed, ServerBlock, read};
pub use syntax::Syntax;
pub use text::{read_file, read_text};
pub use token::Token;
pub use values::{parse_number, parse_one_in, parse_port, parse_positive_duration, parse_size};
