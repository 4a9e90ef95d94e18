//! `-fmt`: prints the Caddyfile in its usual form, or writes it anew.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;
use std::sync::Arc;

use super::exit::{Failure, OK};
use super::output;
use super::settings::{input, settings};
use super::sinks::NoSinks;
use crate::cli::Options;
use crate::config;

pub(super) fn format(options: &Options) -> u8 {
    match formatted(options) {
        Ok(()) => OK,
        Err(failure) => {
            output::error(&failure.text);
            failure.code
        }
    }
}

fn formatted(options: &Options) -> Result<(), Failure> {
    let settings = settings(options, Arc::new(NoSinks), &None).map_err(Failure::configured)?;
    let source = input(options).read(&settings).map_err(Failure::configured)?;
    if source.path.is_none() && !input(options).is_stdin() {
        let text = "no Caddyfile to format: write caddy -fmt -conf FILE, or -conf stdin";
        return Err(Failure::configured(text.to_owned()));
    }
    let text = config::format(&source)?;
    match &source.path {
        Some(path) if options.overwrite => {
            if text != source.text {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                overwrite(&path, &text)
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            }
        }
        None if options.overwrite => {
            return Err("-overwrite needs a file".to_owned().into());
        }
        _ => output::text(&text),
    }
    Ok(())
}

/// Puts the text in the place of the file at once, so that nobody reads half of it. Owner and mode
/// stay.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let before = fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(before.permissions())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().inspect_err(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&part);
        }
    })
}
