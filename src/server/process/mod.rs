//! What belongs to the process and not to a configuration: listening sockets, those that it was
//! started with, and what it leaves to the next process.

pub(crate) mod estate;
pub(crate) mod family;
pub(crate) mod inherited;
pub(crate) mod listeners;
