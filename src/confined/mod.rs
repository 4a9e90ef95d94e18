//! Files below a folder that clients may write to, and never outside it: paths are walked name by
//! name, and no link is followed. All but [`work`] blocks.

mod access;
mod attribute;
mod draft;
mod place;
mod tree;
pub mod work;

pub use access::{
    Before, Overwrite, look, make_file, make_folder, open, open_file, rename, set_aside,
};
pub use attribute::{read_attribute, write_attribute};
pub use draft::Draft;
pub use place::{About, Kind};
pub use tree::{Depth, Entry, copy, entries, relocate, remove, survey};
