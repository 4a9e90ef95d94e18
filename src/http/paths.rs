//! Paths of requests: their one normal form, the prefixes that rules are written with, and what
//! servers read differently. No files.

mod normal;
mod prefix;
mod readings;

pub use normal::{IN_PATH, clean, extension, is_normal, names_directory, normal, resolve};
pub use prefix::{Prefix, Remark};
pub use readings::{Readings, is_ambiguous};
