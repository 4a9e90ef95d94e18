//! `root PATH`: the directory of the site's files.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let path = args.required()?;
        if path.is_empty() {
            return Err(args.error("root: the path is empty").hint("write: root DIRECTORY"));
        }
        site.root = PathBuf::from(path);
        site.root_is_named = true;
        if args.next_arg() {
            return Err(args.arg_error());
        }
        match std::fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("Root path does not exist: {path}");
                args.warn(args.error(message));
            }
            Err(error) => {
                let message = format!("Unable to access root path '{path}': {error}");
                return Err(args.error(message).hint("check the path and its permissions"));
            }
        }
    }
    Ok(())
}
