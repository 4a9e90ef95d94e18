//! The command of one connection, with the CGI variables.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::http::error_lines::ErrorLines;
use crate::http::sink::ErrorLog;
use crate::http::{Request, cgi};
use crate::programs::{self, Program};

/// Starts a program.
pub(super) fn start(command: &[String], req: &Request, log: &ErrorLog) -> io::Result<Program> {
    let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut spawned = programs::command(name);
    spawned.args(arguments);
    spawned.env("GATEWAY_INTERFACE", "Caddy-CGI/1.1");
    spawned.env("SCRIPT_NAME", name).env("PATH_INFO", req.path());
    cgi::variables(req, 0, &mut |name, value| {
        spawned.env(name, OsStr::from_bytes(value));
    });
    programs::start(&mut spawned, ErrorLines::new(log.clone(), req.path()))
}
