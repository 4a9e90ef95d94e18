//! Files below a folder that clients may write to, and never outside it: paths are walked name by
//! name, and no link is followed. What is withheld, and the folders `.git`, are not there for them
//! (`EACCES`). All but [`work`] blocks.

mod access;
mod area;
mod attribute;
mod draft;
mod place;
mod tree;
pub mod work;

pub use access::{
    Before, Overwrite, look, make_file, make_folder, open, open_file, rename, set_aside,
};
pub use area::Area;
pub use attribute::{read_attribute, write_attribute};
pub use draft::Draft;
pub use place::{About, Kind};
pub use tree::{Depth, Entry, bytes, copy, entries, relocate, remove, survey};
