//! One module per Caddyfile word, and the table of them.

mod bind;
mod errors;
mod files;
mod gzip;
mod header;
mod index;
mod limits;
mod log;
mod proxy;
mod redir;
mod rewrite;
mod root;
mod status;
mod timeouts;
mod tls;

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub use files::setup_static;

/// One word: its name and what it does with its arguments at load.
pub struct Directive {
    pub name: &'static str,
    pub setup: fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>,
}

const fn row(
    name: &'static str,
    setup: fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>,
) -> Directive {
    Directive { name, setup }
}

/// THE TABLE. The order of the rows is the order of set-up and of execution: a request passes
/// `log` before `rewrite`, `rewrite` before `proxy`. Static files are innermost.
pub static DIRECTIVES: &[Directive] = &[
    row("root", root::setup),
    row("index", index::setup),
    row("bind", bind::setup),
    row("limits", limits::setup),
    row("maxrequestbody", limits::setup_maxrequestbody),
    row("timeouts", timeouts::setup),
    row("tls", tls::setup),
    row("log", log::setup),
    row("rewrite", rewrite::setup),
    row("gzip", gzip::setup),
    row("header", header::setup),
    row("errors", errors::setup),
    row("redir", redir::setup),
    row("status", status::setup),
    row("proxy", proxy::setup),
];
