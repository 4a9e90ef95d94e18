//! `-convert`: prints a configuration of nginx, or a Caddyfile of Caddy 2, as a Caddyfile.

use std::io;
use std::path::{Path, PathBuf};

use super::exit::{FAILED, OK};
use super::output;
use crate::caddyfile::{read_file, read_text};
use crate::cli::Options;
use crate::convert::{self, Files, Included};

pub(super) fn convert(options: &Options) -> u8 {
    match converted(options) {
        Ok(converted) => {
            output::text(&converted.text);
            converted.warnings.iter().for_each(|warning| output::warning(&warning.shown()));
            OK
        }
        Err(error) => {
            output::error(&error);
            FAILED
        }
    }
}

fn converted(options: &Options) -> Result<convert::Converted, String> {
    let name = options
        .conf
        .as_deref()
        .ok_or("no file to convert: write caddy convert FILE, or: caddy convert stdin < FILE")?;
    let text = match name {
        "stdin" => read_text(io::stdin()),
        name => read_file(Path::new(name)),
    };
    let text = text.map_err(|error| format!("converting {name}: {error}"))?;
    let near = Near::of(name)?;
    convert::convert(name, &text, &near).map_err(|error| error.shown())
}

/// The files beside the one that is translated.
struct Near {
    /// Its directory.
    dir: PathBuf,
}

impl Near {
    fn of(name: &str) -> Result<Self, String> {
        let dir = match name {
            "stdin" => Path::new("."),
            name => Path::new(name).parent().unwrap_or(Path::new(".")),
        };
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let dir = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Self { dir })
    }
}

impl Files for Near {
    fn read(&self, pattern: &str, from: &str) -> Result<Vec<Included>, String> {
        // nginx begins at its own directory, Caddy 2 at that of the file.
        let beside = Path::new(from).parent().map(|dir| dir.join(pattern));
        let own = self.dir.join(pattern);
        let path = match beside {
            Some(beside) if !own.exists() && beside.exists() => beside,
            _ => own,
        };
        let paths = match pattern.contains(['*', '?', '[']) {
            false => vec![path],
            true => {
                let found =
                    glob::glob(&path.to_string_lossy()).map_err(|error| error.to_string())?;
                found.filter_map(Result::ok).filter(|path| path.is_file()).collect()
            }
        };
        let read = |path: PathBuf| {
            let name = path.display().to_string();
            read_file(&path).map(|text| Included { name, text }).map_err(|error| error.to_string())
        };
        paths.into_iter().map(read).collect()
    }

    fn absolute(&self, path: &str) -> String {
        // The environment may have a path from the root.
        match path.starts_with("{$") {
            true => path.to_owned(),
            false => self.dir.join(path).display().to_string(),
        }
    }
}
