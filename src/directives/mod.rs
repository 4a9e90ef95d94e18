//! One module per Caddyfile word, and the table of them.

mod basicauth;
mod bind;
mod browse;
mod errors;
mod expvar;
mod ext;
mod fastcgi;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gzip;
mod header;
mod index;
mod internal;
mod limits;
mod log;
mod mime;
mod on;
mod proxy;
mod proxyprotocol;
mod push;
mod realip;
mod redir;
mod request_id;
mod rewrite;
mod root;
mod status;
mod timeouts;
mod tls;
mod websocket;

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub use files::setup_static;

/// One word: its name and what it does with its arguments at load.
pub struct Directive {
    pub name: &'static str,
    pub setup: fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>,
    /// Which of its words may hold placeholders.
    pub templates: Option<Templates>,
}

/// Words with placeholders.
pub struct Templates {
    /// On the directive's line.
    pub line: bool,
    /// In the entries of its block that begin with these words; `None`: in all.
    pub entries: Option<&'static [&'static str]>,
    /// Names that this directive alone knows.
    pub own: &'static [&'static str],
}

const fn row(
    name: &'static str,
    setup: fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>,
) -> Directive {
    Directive { name, setup, templates: None }
}

impl Directive {
    /// With placeholders in all words.
    const fn templates(self) -> Self {
        self.templates_in(true, None)
    }

    /// With placeholders on the directive's line, or in these entries of its block.
    const fn templates_in(self, line: bool, entries: Option<&'static [&'static str]>) -> Self {
        Self { templates: Some(Templates { line, entries, own: &[] }), ..self }
    }

    const fn own_names(self, own: &'static [&'static str]) -> Self {
        match self.templates {
            Some(templates) => Self { templates: Some(Templates { own, ..templates }), ..self },
            None => self,
        }
    }
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
    row("proxyprotocol", proxyprotocol::setup),
    row("tls", tls::setup),
    row("startup", on::setup_startup),
    row("shutdown", on::setup_shutdown),
    row("on", on::setup),
    row("realip", realip::setup),
    row("request_id", request_id::setup),
    row("log", log::setup).templates_in(true, Some(&[])).own_names(&["common", "combined"]),
    row("rewrite", rewrite::setup).templates_in(true, Some(&["to", "if"])),
    row("ext", ext::setup),
    row("gzip", gzip::setup),
    row("header", header::setup).templates(),
    row("errors", errors::setup),
    row("basicauth", basicauth::setup),
    row("redir", redir::setup).templates(),
    row("status", status::setup),
    row("mime", mime::setup),
    row("internal", internal::setup),
    row("expvar", expvar::setup),
    row("push", push::setup),
    row("proxy", proxy::setup).templates_in(false, Some(&["header_upstream", "header_downstream"])),
    row("fastcgi", fastcgi::setup).templates_in(false, Some(&["env"])),
    row("websocket", websocket::setup),
    row("browse", browse::setup),
];

/// What the tests of several words need.
#[cfg(test)]
mod testing {
    use std::path::Path;
    use std::sync::Arc;

    use super::{Args, ConfigError, SiteBuilder};
    use crate::chain::{Handler, Next, ReplyFuture};
    use crate::http::address::Address;
    use crate::http::sink::tests::NoSinks;
    use crate::http::{Reply, Request};

    type Setup = fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>;

    /// A site below `root` with this block, whose lines are all `word`'s; else the message.
    pub(super) fn site_in(
        root: &Path,
        word: &str,
        setup: Setup,
        lines: &str,
    ) -> Result<SiteBuilder, String> {
        let text = format!("host {{\n{lines}\n}}");
        let parsed = crate::caddyfile::parse("Caddyfile", &text, Path::new("."), &[word]);
        let parsed = parsed.map_err(|error| error.message)?;
        let mut site = SiteBuilder::new(Address::default(), root.to_owned(), Arc::new(NoSinks));
        let mut args = Args::new(&parsed.blocks[0].directives[0]);
        setup(&mut args, &mut site).map_err(|error| error.message)?;
        args.finish().map_err(|error| error.message)?;
        Ok(site)
    }

    /// [`site_in`] where the root does not matter.
    pub(super) fn site(word: &str, setup: Setup, lines: &str) -> Result<SiteBuilder, String> {
        site_in(Path::new("/nonexistent"), word, setup, lines)
    }

    /// A last handler that answers by a function.
    pub(super) struct Answer<F>(pub(super) F);

    impl<F: Fn(&mut Request) -> Reply + Send + Sync + 'static> Handler for Answer<F> {
        fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
            Box::pin(std::future::ready(self.0(req)))
        }
    }
}
