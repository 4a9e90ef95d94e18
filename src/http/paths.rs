//! Request paths: the normal form, the prefixes in rules, and paths that servers interpret
//! differently.

mod git;
mod normal;
mod prefix;
mod readings;

pub use git::{is_git, leads_into_git};
pub use normal::{IN_PATH, clean, extension, is_normal, names_directory, normal, resolve};
pub use prefix::{Prefix, Remark};
pub use readings::{Readings, is_ambiguous};
