//! What a block of nginx sets for all that is in it: files, sizes, compression, fields, lifetimes.
//! And which directives are not known here.

use super::scope::Scope;
use super::syntax::Directive;
use super::{access, gzip, logs, real_ip, values};
use crate::caddyfile;
use crate::convert::Files;
use crate::convert::page::{Item, Line, Page, note};

/// What kind of block a directive stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Main,
    Http,
    Server,
    Location,
}

/// Directives that are translated, wherever they stand.
const KNOWN: &[&str] = &[
    "access_log",
    "add_header",
    "alias",
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_request",
    "autoindex",
    "client_max_body_size",
    "deny",
    "error_log",
    "error_page",
    "expires",
    "fastcgi_connect_timeout",
    "fastcgi_param",
    "fastcgi_pass",
    "fastcgi_read_timeout",
    "fastcgi_send_timeout",
    "grpc_pass",
    "grpc_read_timeout",
    "gzip",
    "gzip_comp_level",
    "gzip_min_length",
    "gzip_types",
    "http",
    "if",
    "include",
    "index",
    "internal",
    "listen",
    "location",
    "log_format",
    "proxy_connect_timeout",
    "proxy_hide_header",
    "proxy_pass",
    "proxy_read_timeout",
    "proxy_redirect",
    "proxy_set_header",
    "proxy_ssl_certificate",
    "proxy_ssl_certificate_key",
    "proxy_ssl_ciphers",
    "proxy_ssl_name",
    "proxy_ssl_protocols",
    "proxy_ssl_trusted_certificate",
    "proxy_ssl_verify",
    "return",
    "rewrite",
    "root",
    "satisfy",
    "server",
    "server_name",
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_ciphers",
    "ssl_client_certificate",
    "ssl_ecdh_curve",
    "ssl_protocols",
    "ssl_verify_client",
    "ssl_verify_depth",
    "try_files",
    "upstream",
];

/// Directives that need nothing here, or mean how nginx works and not how it answers.
const NEEDLESS: &[&str] = &[
    "aio",
    "autoindex_exact_size",
    "autoindex_localtime",
    "charset",
    "client_body_buffer_size",
    "client_body_temp_path",
    "daemon",
    "default_type",
    "directio",
    "env",
    "etag",
    "events",
    "fastcgi_buffer_size",
    "fastcgi_buffering",
    "fastcgi_buffers",
    "fastcgi_busy_buffers_size",
    "fastcgi_index",
    "fastcgi_split_path_info",
    "fastcgi_temp_path",
    "gzip_buffers",
    "gzip_disable",
    "gzip_http_version",
    "gzip_proxied",
    "gzip_static",
    "gzip_vary",
    "http2",
    "http3",
    "http3_hq",
    "keepalive_requests",
    "keepalive_timeout",
    "large_client_header_buffers",
    "load_module",
    "log_not_found",
    "log_subrequest",
    "master_process",
    "open_file_cache",
    "open_file_cache_errors",
    "open_file_cache_min_uses",
    "open_file_cache_valid",
    "output_buffers",
    "pid",
    "port_in_redirect",
    "proxy_buffer_size",
    "proxy_buffering",
    "proxy_buffers",
    "proxy_busy_buffers_size",
    "proxy_headers_hash_bucket_size",
    "proxy_headers_hash_max_size",
    "proxy_http_version",
    "proxy_max_temp_file_size",
    "proxy_pass_header",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "proxy_socket_keepalive",
    "proxy_ssl_server_name",
    "proxy_ssl_session_reuse",
    "proxy_temp_path",
    "quic_gso",
    "quic_retry",
    "reset_timedout_connection",
    "scgi_temp_path",
    "send_timeout",
    "sendfile",
    "sendfile_max_chunk",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "server_tokens",
    "ssl_buffer_size",
    "ssl_conf_command",
    "ssl_dhparam",
    "ssl_early_data",
    "ssl_prefer_server_ciphers",
    "ssl_session_cache",
    "ssl_session_ticket_key",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "ssl_stapling",
    "ssl_stapling_verify",
    "ssl_trusted_certificate",
    "tcp_nodelay",
    "tcp_nopush",
    "types",
    "types_hash_bucket_size",
    "types_hash_max_size",
    "user",
    "uwsgi_temp_path",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
    "worker_connections",
    "worker_cpu_affinity",
    "worker_processes",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
];

/// Says which directives of a block are not carried over.
pub(super) fn report(scope: &Scope<'_>, level: Level, page: &mut Page) {
    let mut items = Vec::new();
    unknown(scope, level, &mut items);
    for item in items {
        if let Item::Note { at, text } = item {
            page.note(&at, text);
        }
    }
}

pub(super) fn unknown(scope: &Scope<'_>, level: Level, items: &mut Vec<Item>) {
    for one in scope.own() {
        let name = &*one.name;
        let is_elsewhere = match level {
            Level::Main => matches!(name, "stream" | "mail"),
            Level::Http | Level::Server => false,
            Level::Location => {
                matches!(name, "server_name" | "listen") || real_ip::NAMES.contains(&name)
            }
        };
        if !is_elsewhere
            && ([KNOWN, NEEDLESS, real_ip::NAMES].iter().any(|list| list.contains(&name))
                || access::is_other(one))
        {
            continue;
        }
        let here = caddyfile::counterpart_of_nginx(name);
        let here = here.map(|here| format!("; {here}")).unwrap_or_default();
        items.push(note(&one.at, format!("{}: not carried over{here}", one.shown())));
    }
}

/// The directory of the files.
pub(super) fn root(scope: &Scope<'_>, files: &dyn Files) -> Option<String> {
    directory(scope.one("root")?, files)
}

/// The directory that `root` or `alias` names, if no variable does.
pub(super) fn directory(one: &Directive, files: &dyn Files) -> Option<String> {
    let root = one.arg(0);
    let fits = !root.is_empty() && values::is_fixed(root);
    fits.then(|| trimmed(&files.absolute(root)))
}

/// A directory without its last slash.
pub(super) fn trimmed(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

/// Where the settings of a block go.
pub(super) struct SiteFiles<'a> {
    /// The directory of the site.
    pub(super) root: Option<&'a str>,
    /// Paths that are not logged.
    pub(super) unlogged: &'a [String],
    /// Whether files are sent.
    pub(super) has_files: bool,
}

/// The directives of a site that hold for all of it.
pub(super) fn lines(scope: &Scope<'_>, to: &SiteFiles<'_>, files: &dyn Files) -> Vec<Item> {
    let mut lines = Vec::new();
    if let Some(root) = to.root {
        lines.push(Line::new(["root", root]).into());
    }
    if to.has_files {
        lines.push(index(scope));
        if let Some(one) = scope.one("root").filter(|_| to.root.is_none()) {
            lines.push(note(&one.at, format!("{}: a directory has no variable", one.shown())));
        }
    }
    lines.extend(real_ip::line(scope));
    lines.extend(gzip::lines(scope));
    lines.extend(logs::lines(scope, files, to.root, to.unlogged));
    lines.extend(access::lines(scope, "/", files));
    lines.extend(header(scope, "/"));
    lines
}

fn index(scope: &Scope<'_>) -> Item {
    let names = scope.one("index").map_or(&[][..], |index| &index.args);
    let names = names.iter().filter(|name| values::is_fixed(name) && !name.starts_with('/'));
    let names: Vec<_> = names.cloned().collect();
    let names = if names.is_empty() { vec!["index.html".to_owned()] } else { names };
    Line::new(["index"]).and(names).into()
}

/// The limit of bodies below a path, which is 1 MB where nginx is told nothing.
pub(super) fn body(scope: &Scope<'_>, path: &str) -> Result<Option<Line>, Item> {
    let one = scope.one("client_max_body_size");
    let most = match one.map_or("1m", |one| one.arg(0)) {
        "0" if path.is_empty() => return Ok(None),
        // Of paths the longest is used, so that this has to be said.
        "0" => Some("1024GB".to_owned()),
        text => values::size(text),
    };
    let path = (!path.is_empty()).then(|| path.to_owned());
    match (most, one) {
        (Some(most), _) => Ok(Some(Line::new(["body"]).and(path).and([most]))),
        (None, Some(one)) => Err(note(&one.at, format!("{}: no size: left out", one.shown()))),
        (None, None) => Ok(None),
    }
}

/// The fields that are added to responses below a path.
pub(super) fn header(scope: &Scope<'_>, path: &str) -> Vec<Item> {
    let mut notes = Vec::new();
    let mut line = Line::new(["header", path]);
    for one in scope.all("add_header") {
        if one.arg(1).is_empty() {
            continue;
        }
        match values::text(one.arg(1)) {
            Ok(value) => line.add(Line::new([&*format!("+{}", one.arg(0)), &value])),
            Err(variable) => {
                let text = format!("{}: {variable} has no placeholder: left out", one.shown());
                notes.push(note(&one.at, text));
            }
        }
        if one.arg(2) != "always" {
            let text = format!("{}: error responses have the field here, too", one.shown());
            notes.push(note(&one.at, text));
        }
    }
    if line.has_block() {
        notes.push(line.into());
    }
    notes
}

/// The lifetime that a block sets.
pub(super) enum Lifetime {
    /// As `expires` writes it.
    For(String),
    /// Asked for each time.
    NoCache,
    None,
}

pub(super) fn lifetime(one: &Directive) -> Result<Lifetime, Item> {
    match (one.arg(0), one.args.len()) {
        ("off", 1) => Ok(Lifetime::None),
        ("epoch", 1) => Ok(Lifetime::NoCache),
        (text, 1) if text.starts_with('-') => Ok(Lifetime::NoCache),
        (text, 1) => values::lifetime(text).map(Lifetime::For).ok_or_else(|| {
            note(&one.at, format!("{}: no time without variables: left out", one.shown()))
        }),
        _ => Err(note(&one.at, format!("{}: left out", one.shown()))),
    }
}
