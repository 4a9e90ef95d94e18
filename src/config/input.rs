//! Finding the Caddyfile: arguments, `-conf`, `./Caddyfile`, or the built-in default.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use super::Settings;
use crate::caddyfile::{read_file, read_text};

/// What stands for the name of a file where there is none.
const IMPLIED: &str = "flags";

/// A Caddyfile's text and where it is from.
#[derive(Debug, Clone)]
pub struct Source {
    /// As messages name it.
    pub name: String,
    pub text: String,
    /// Relative imports resolve against it.
    pub dir: PathBuf,
    /// The file itself, which no site may serve.
    pub path: Option<PathBuf>,
}

/// The Caddyfile that the command line names.
#[derive(Debug, Clone)]
pub struct Input {
    /// `-conf`.
    pub conf: Option<String>,
    /// Positional arguments, a Caddyfile line each.
    pub lines: Vec<String>,
    /// The address of the site that they are of, if it is not that of `-host` and `-port`.
    pub site: Option<String>,
}

impl Input {
    /// Reads the text, for a start.
    pub fn read(&self, settings: &Settings) -> Result<Source, String> {
        match (&self.conf, self.lines.as_slice()) {
            (Some(_), [_, ..]) => Err("Caddyfile loaded multiple times; first by short, then by \
                                       flag: give lines or -conf, not both"
                .to_owned()),
            (None, [_, ..]) => {
                let of_flags = || format!("{}:{}", settings.host, settings.port);
                let site = self.site.clone().unwrap_or_else(of_flags);
                Ok(Source::text("args", format!("{site}\n{}", self.lines.join("\n"))))
            }
            (Some(conf), []) if conf == "stdin" => from_stdin(),
            (Some(conf), []) if is_pattern(conf) => Ok(from_pattern(conf)),
            (Some(conf), []) => from_file(conf)
                .map_err(|error| format!("loading Caddyfile via flag: {}", reason(conf, &error))),
            (None, []) if self.site.is_some() => {
                Ok(Source::text("args", self.site.clone().unwrap_or_default()))
            }
            (None, []) => match from_file("Caddyfile") {
                Ok(source) => Ok(source),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(Source::text(IMPLIED, default_text(settings)))
                }
                Err(error) => {
                    Err(format!("loading Caddyfile via default: {}", reason("Caddyfile", &error)))
                }
            },
        }
    }

    /// Reads the text again, to take the place of `current`. What came from a pipe cannot be read
    /// twice and stays as it is.
    pub fn reread(&self, current: &Source, settings: &Settings) -> Result<Source, String> {
        if self.is_stdin() {
            return Ok(current.clone());
        }
        let source = self.read(settings)?;
        source.succeeds(current.is_implied())?;
        Ok(source)
    }

    /// Whether the text comes from a pipe, which cannot be read again.
    pub fn is_stdin(&self) -> bool {
        self.conf.as_deref() == Some("stdin")
    }
}

impl Source {
    /// What somebody else has read from the standard input.
    pub fn from_stdin(text: String) -> Self {
        Self::text("stdin", text)
    }

    /// Whether nobody wrote it: no Caddyfile was named, and none found.
    pub fn is_implied(&self) -> bool {
        self.name == IMPLIED && self.path.is_none()
    }

    /// Refuses the implied site in the place of a Caddyfile: a file that is gone opens nothing.
    pub fn succeeds(&self, was_implied: bool) -> Result<(), String> {
        if self.is_implied() && !was_implied {
            return Err("loading Caddyfile via default: open Caddyfile: no such file or \
                        directory\n  hint: it was there before; put it back, or stop the service"
                .to_owned());
        }
        Ok(())
    }

    fn text(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, dir: PathBuf::from("."), path: None }
    }
}

/// What is served without a Caddyfile: the root on the default port. With `-host` alone the
/// host decides the port.
fn default_text(settings: &Settings) -> String {
    if !settings.host.is_empty() && settings.port == "2015" {
        format!("\"{}\"", settings.host)
    } else {
        format!("\"{}:{}\"", settings.host, settings.port)
    }
}

/// `open FILE: no such file or directory`, as v1 said it.
fn reason(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("open {name}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {name}: permission denied"),
        io::ErrorKind::IsADirectory => format!("read {name}: is a directory"),
        _ => format!("open {name}: {error}"),
    }
}

fn from_stdin() -> Result<Source, String> {
    if io::stdin().is_terminal() {
        return Err("loading Caddyfile via flag: stdin is a terminal\n  hint: send a Caddyfile \
                    through a pipe, or write -conf FILE"
            .to_owned());
    }
    let text = read_text(io::stdin())
        .map_err(|error| format!("loading Caddyfile via flag: reading stdin: {error}"))?;
    Ok(Source::from_stdin(text))
}

/// Whether files of several names are meant.
fn is_pattern(conf: &str) -> bool {
    conf.contains(['*', '?', '[']) && !Path::new(conf).exists()
}

/// A Caddyfile that imports them all: sorted, each with its own folder for its imports.
fn from_pattern(pattern: &str) -> Source {
    Source::text(pattern, format!("import \"{}\"", pattern.replace('"', "\\\"")))
}

fn from_file(name: &str) -> io::Result<Source> {
    let path = Path::new(name);
    let text = read_file(path)?;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(Source { name: name.to_owned(), text, dir, path: Some(path.to_owned()) })
}
