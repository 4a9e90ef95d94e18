//! The directives: one module for each, and the table of them.

mod basicauth;
mod bind;
mod browse;
mod cache;
mod cgi;
mod cors;
mod errors;
mod expires;
mod expvar;
mod ext;
mod extauth;
mod fastcgi;
mod files;
mod filter;
mod forward_auth;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod git;
mod gzip;
mod header;
mod index;
mod internal;
mod ipfilter;
mod jwt;
mod limits;
mod log;
mod login;
mod markdown;
mod mime;
mod minify;
mod on;
#[cfg(test)]
mod order;
mod prometheus;
mod proxy;
mod proxyprotocol;
mod push;
mod quic_report;
mod ratelimit;
mod realip;
mod reauth;
mod redir;
mod request_id;
mod rewrite;
mod root;
mod status;
mod status_page;
mod templates;
mod timeouts;
mod tls;
mod tracing;
mod upload;
mod webdav;
mod websocket;

use crate::caddyfile::{Args, ConfigError, Syntax, name_in};
use crate::site::SiteBuilder;

pub use files::setup_static;

type Setup = fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>;

/// A directive: its syntax, and the function that reads its arguments at load.
pub struct Directive {
    pub name: &'static str,
    /// Its name and arguments; `, or: ` precedes another form.
    pub usage: &'static str,
    pub setup: Setup,
    /// The options of its block.
    pub options: Option<&'static dyn Syntax>,
    /// Whether the arguments may contain placeholders.
    pub templates: bool,
    /// Placeholders of this directive alone.
    pub own_placeholders: &'static [&'static str],
}

const fn row(usage: &'static str, setup: Setup) -> Directive {
    Directive {
        name: name_in(usage),
        usage,
        setup,
        options: None,
        templates: false,
        own_placeholders: &[],
    }
}

impl Directive {
    const fn block(self, options: &'static dyn Syntax) -> Self {
        Self { options: Some(options), ..self }
    }

    const fn templates(self) -> Self {
        Self { templates: true, ..self }
    }

    const fn own_placeholders(self, own_placeholders: &'static [&'static str]) -> Self {
        Self { own_placeholders, ..self }
    }
}

/// The table of directives. The order of the rows is the order of set-up and of execution: a
/// request passes `log` before `rewrite`, `rewrite` before `proxy`. Static files come last.
pub static DIRECTIVES: &[Directive] = &[
    row("root DIRECTORY", root::setup),
    row("index FILE...", index::setup),
    row("bind HOST...", bind::setup),
    row("limits SIZE, or: limits with a block", limits::setup).block(&limits::OPTIONS),
    row("maxrequestbody [PATH] SIZE", limits::setup_maxrequestbody).block(&limits::PATHS),
    row("timeouts DURATION|none, or: timeouts with a block", timeouts::setup)
        .block(&timeouts::OPTIONS),
    row("tls off|self_signed|EMAIL, or: tls CERT KEY", tls::setup).block(&tls::OPTIONS),
    row("startup COMMAND [ARGUMENT...] [&]", on::setup_startup),
    row("shutdown COMMAND [ARGUMENT...] [&]", on::setup_shutdown),
    row("on EVENT COMMAND [ARGUMENT...] [&]", on::setup),
    row("request_id [FIELD]", request_id::setup),
    row("realip RANGE..., or: realip with a block", realip::setup).block(&realip::OPTIONS),
    row("git [URL [DIRECTORY]]", git::setup).block(&git::OPTIONS),
    row("proxyprotocol RANGE... [TIMEOUT]", proxyprotocol::setup).block(&proxyprotocol::OPTIONS),
    row("tracing", tracing::setup).block(&tracing::OPTIONS),
    row("log [FILE], or: log PATH FILE [FORMAT]", log::setup)
        .block(&log::OPTIONS)
        .templates()
        .own_placeholders(&["common", "combined", "json"]),
    row("rewrite [not] FROM TO..., or: rewrite [BASE] with a block", rewrite::setup)
        .block(&rewrite::OPTIONS)
        .templates(),
    row("ext .EXTENSION...", ext::setup),
    row("gzip", gzip::setup).block(&gzip::OPTIONS),
    // Caddy 1.0 had it before `gzip`, where content is compressed already.
    row("minify [PATH...]", minify::setup).block(&minify::OPTIONS),
    row("header PATH [+|-]NAME [VALUE]", header::setup).block(&header::OPTIONS).templates(),
    row("errors [FILE|visible]", errors::setup).block(&errors::OPTIONS),
    row("filter rule with a block, or: filter max_buffer_size SIZE", filter::setup)
        .block(&filter::OPTIONS),
    row("ipfilter PATH... with a block", ipfilter::setup).block(&ipfilter::OPTIONS),
    row("ratelimit [PATH] N/UNIT, or: ratelimit [METHODS] [PATH] N BURST UNIT", ratelimit::setup)
        .block(&ratelimit::OPTIONS),
    row("expires with a block", expires::setup).block(&expires::OPTIONS),
    row("basicauth PATH USER PASSWORD, or: basicauth USER PASSWORD with a block", basicauth::setup)
        .block(&basicauth::OPTIONS),
    row("forward_auth PATH SERVICE", forward_auth::setup).block(&forward_auth::OPTIONS),
    row("status_page [ADDRESS|PATH]", status_page::setup),
    row("redir TO, or: redir FROM TO [CODE]", redir::setup).block(&redir::OPTIONS).templates(),
    row("status CODE PATH", status::setup).block(&status::OPTIONS),
    row("cors [PATH [ORIGIN...]]", cors::setup).block(&cors::OPTIONS),
    row("mime .EXT TYPE", mime::setup).block(&mime::OPTIONS),
    row("login [PATH]", login::setup).block(&login::OPTIONS),
    row("reauth", reauth::setup).block(&reauth::OPTIONS),
    row("extauth URL, or: extauth with a block", extauth::setup).block(&extauth::OPTIONS),
    row("jwt PATH, or: jwt with a block", jwt::setup).block(&jwt::OPTIONS),
    row("upload PATH... with a block", upload::setup).block(&upload::OPTIONS),
    row("internal PATH", internal::setup),
    row("expvar [PATH]", expvar::setup),
    row("push [PATH [RESOURCE...]]", push::setup).block(&push::OPTIONS),
    row("prometheus [HOST:PORT]", prometheus::setup).block(&prometheus::OPTIONS),
    row("quic_report", quic_report::setup).block(&quic_report::OPTIONS),
    row("templates [PATH [.EXTENSION...]]", templates::setup).block(&templates::OPTIONS),
    row("cache, or: cache with a block", cache::setup).block(&cache::OPTIONS),
    row("proxy FROM TO...", proxy::setup).block(&proxy::OPTIONS),
    row("fastcgi PATH ADDRESS [php]", fastcgi::setup).block(&fastcgi::OPTIONS),
    row("cgi PATTERN PROGRAM [ARGUMENT...], or: cgi with a block", cgi::setup)
        .block(&cgi::OPTIONS)
        .templates()
        .own_placeholders(&["match", "root", "."]),
    row("websocket [PATH] COMMAND [ARGUMENT...]", websocket::setup).block(&websocket::OPTIONS),
    row("webdav [PATH]", webdav::setup).block(&webdav::OPTIONS),
    row("markdown [PATH]", markdown::setup).block(&markdown::OPTIONS),
    row("browse [PATH [TEMPLATE]]", browse::setup),
];

/// The documentation's pages have a table with all options of each directive's block.
#[cfg(test)]
mod documentation {
    use std::collections::{BTreeMap, BTreeSet};

    use super::DIRECTIVES;

    /// The page of a directive.
    fn page(name: &str) -> &str {
        match name {
            "maxrequestbody" => "limits",
            "quic_report" => "quic-report",
            "startup" | "shutdown" => "on",
            name => name,
        }
    }

    /// The first cells of a page's tables of options.
    fn options(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut is_within = false;
        for line in text.lines() {
            let Some(row) = line.strip_prefix("| ") else {
                is_within &= line.starts_with("|--");
                continue;
            };
            let row = row.replace("\\|", "\0");
            let first = row.split(" |").next().unwrap().replace('\0', "|");
            if is_within {
                found.push(first.trim_matches('`').to_owned());
            }
            is_within |= first.starts_with("option");
        }
        found
    }

    #[test]
    fn the_pages_list_the_options() {
        let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in DIRECTIVES {
            let options = row.options.map(|options| options.usages()).unwrap_or_default();
            known.entry(page(row.name)).or_default().extend(options);
        }
        for (page, known) in known {
            let path = format!("{}/docs/{page}.md", env!("CARGO_MANIFEST_DIR"));
            let documented = options(&std::fs::read_to_string(path).unwrap());
            let listed: BTreeSet<_> = documented.iter().map(String::as_str).collect();
            assert_eq!(listed.len(), documented.len(), "{page}.md lists an option twice");
            let known: BTreeSet<_> = known.into_iter().collect();
            assert_eq!(listed, known, "left docs/{page}.md, right its table of options");
        }
    }

    #[test]
    fn the_pages_list_the_directives_in_their_order() {
        let own = |name: &&str| !matches!(*name, "maxrequestbody" | "startup" | "shutdown");
        let known: Vec<_> = DIRECTIVES.iter().map(|row| row.name).filter(own).collect();
        for (file, begin) in [("README.md", "| ["), ("SUMMARY.md", "- [")] {
            let path = format!("{}/docs/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let listed = text.lines().filter_map(|line| line.strip_prefix(begin)?.split_once("]("));
            let listed: Vec<_> =
                listed.map(|(name, _)| name).filter(|name| known.contains(name)).collect();
            assert_eq!(listed, known, "left docs/{file}, right the table of directives");
        }
    }

    #[test]
    fn names_are_unique() {
        for row in DIRECTIVES {
            let usages = row.options.map(|options| options.usages()).unwrap_or_default();
            let names: BTreeSet<_> = usages.iter().map(|usage| usage.split(' ').next()).collect();
            assert_eq!(names.len(), usages.len(), "{}: {usages:?}", row.name);
        }
        let names: BTreeSet<_> = DIRECTIVES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), DIRECTIVES.len());
    }
}

/// Helpers for the tests of several directives.
#[cfg(test)]
mod testing {
    use std::path::Path;
    use std::sync::Arc;

    use super::{Args, Setup, SiteBuilder};
    use crate::chain::{Handler, Next, ReplyFuture};
    use crate::http::address::Address;
    use crate::http::sink::tests::NoSinks;
    use crate::http::{Reply, Request};

    /// A site below `root` whose lines are all directives `word`, or the error message.
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
        site.warnings.extend(args.finish().map_err(|error| error.message)?);
        Ok(site)
    }

    /// [`site_in`] if the root does not matter.
    pub(super) fn site(word: &str, setup: Setup, lines: &str) -> Result<SiteBuilder, String> {
        site_in(Path::new("/nonexistent"), word, setup, lines)
    }

    /// A handler that answers `/up` as an upstream would.
    pub(super) struct Upstream;

    impl Handler for Upstream {
        fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
            if !req.path().starts_with("/up") {
                return next.run(req);
            }
            let mut response =
                http::Response::new(crate::http::Body::from("{{.Method}}".to_owned()));
            let kind = http::HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    /// A last handler that responds by a function.
    pub(super) struct Answer<F>(pub(super) F);

    impl<F: Fn(&mut Request) -> Reply + Send + Sync + 'static> Handler for Answer<F> {
        fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
            Box::pin(std::future::ready(self.0(req)))
        }
    }
}
