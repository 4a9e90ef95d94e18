//! Words of Caddy 2 that Caddy 1 did not have, and what to write here instead.

/// What a directive or a global option of Caddy 2 is here.
pub(super) fn directive(word: &str) -> Option<&'static str> {
    if word.starts_with('@') {
        return Some(MATCHER);
    }
    look(DIRECTIVES, word).or_else(|| look(GLOBAL, word))
}

/// What an option in the block of a directive of Caddy 2 is here.
pub(super) fn option(word: &str) -> Option<&'static str> {
    look(OPTIONS, word)
}

fn look(table: &[Row], word: &str) -> Option<&'static str> {
    table.iter().find(|row| row.word == word).map(|row| row.here)
}

const MATCHER: &str = "there are no named matchers: give each directive the path it is for; \
                       conditions go into the block of `rewrite` or `redir`, such as \
                       `if {method} is POST`";

struct Row {
    word: &'static str,
    here: &'static str,
}

const fn row(word: &'static str, here: &'static str) -> Row {
    Row { word, here }
}

static DIRECTIVES: &[Row] = &[
    row("abort", "write: status 403 PATH"),
    row("acme_server", "this server is no CA; get certificates from one with `tls` and -ca"),
    row("basic_auth", "write: basicauth PATH USER PASSWORD"),
    row("copy_response", "write `header_downstream` in the block of `proxy`"),
    row("copy_response_headers", "write `header_downstream` in the block of `proxy`"),
    row("encode", "write: gzip, and for zstd and Brotli a block with `codings zstd br gzip`"),
    row("error", "write: status CODE PATH"),
    row("file_server", "write: root DIRECTORY, and for lists of files: browse"),
    row("fs", "write: root DIRECTORY"),
    row("handle", "give each directive in it the path: proxy /api ADDRESS"),
    row("handle_errors", "write: errors, with a block of lines CODE FILE"),
    row("handle_path", "write: proxy PATH ADDRESS, with a block that has `without PATH`"),
    row("intercept", "write: errors, or `header_downstream` in the block of `proxy`"),
    row("invoke", "define a snippet (NAME) and write: import NAME"),
    row("log_append", "write placeholders in the format of `log`"),
    row("log_name", "write: log FILE"),
    row("log_skip", "write `except PATH` in the block of `log`"),
    row("map", "write a line of `rewrite` for each value"),
    row("method", "`rewrite` changes paths only; let the application see the method that came"),
    row("metrics", "write: prometheus"),
    row("php_fastcgi", "write: fastcgi / ADDRESS php"),
    row("request_body", "write: limits SIZE"),
    row("request_header", "write `header_upstream NAME VALUE` in the block of `proxy`"),
    row("respond", "write: status CODE PATH, with `text TEXT` in its block"),
    row("reverse_proxy", "write: proxy / ADDRESS, with `transparent` in its block"),
    row("route", "leave it out: directives run in a fixed order"),
    row("skip_log", "write `except PATH` in the block of `log`"),
    row("try_files", "write: rewrite, with a block that has `to {path} {path}/ /index.html`"),
    row("uri", "write: rewrite, or `without PREFIX` in the block of `proxy`"),
    row("vars", "write the value where it is used; `{$NAME}` reads the environment"),
];

/// Options of the block without an address at the top of a file.
static GLOBAL: &[Row] = &[
    row("acme_ca", "write `ca URL` in the block of `tls`, or start the server with -ca URL"),
    row("acme_ca_root", "add the CA to those that the system trusts"),
    row("acme_dns", "write `dns PROVIDER` in the block of `tls`"),
    row("admin", "leave it out; -control opens a socket for -reload and -status"),
    row("auto_https", "write http:// before an address to serve it without TLS"),
    row("cert_issuer", "start the server with -ca URL"),
    row("debug", "leave it out; -log stdout shows the process log"),
    row("default_bind", "write `bind HOST` in each site, or import it as a snippet"),
    row("default_sni", "write a site without a host: it serves the names that no other has"),
    row("email", "write: tls EMAIL, or start the server with -email"),
    row("grace_period", "start the server with -grace DURATION"),
    row("http_port", "start the server with -http-port PORT"),
    row("https_port", "start the server with -https-port PORT"),
    row("key_type", "write `key_type` in the block of `tls`"),
    row("local_certs", "write: tls self_signed, in each site"),
    row("ocsp_stapling", "leave it out: staples come with the certificates that name a responder"),
    row("on_demand_tls", "write `ask URL` in the block of `tls`"),
    row("order", "leave it out: directives run in a fixed order"),
    row("persist_config", "leave it out: there is no other configuration than the Caddyfile"),
    row("pki", "write: tls self_signed, or tls CERT KEY"),
    row("preferred_chains", "leave it out: the chain of the CA is used as it comes"),
    row("servers", "write `limits`, `timeouts`, `realip` or `proxyprotocol` in the sites"),
    row("skip_install_trust", "leave it out: nothing is added to the system's trust"),
    row("storage", "set CADDYPATH in the environment to the directory"),
];

static OPTIONS: &[Row] = &[
    row("dial_timeout", "write: timeout DURATION, in the block of `proxy` itself"),
    row("fail_duration", "write: fail_timeout DURATION"),
    row("flush_interval", "leave it out: a response is sent as it comes"),
    row("format", "write the format behind the file: log / FILE \"{combined}\", or {json}"),
    row("header_down", "write: header_downstream NAME VALUE"),
    row("header_up", "write: header_upstream NAME VALUE"),
    row("health_body", "write: health_check_contains TEXT"),
    row("health_interval", "write: health_check_interval DURATION"),
    row("health_port", "write: health_check_port PORT"),
    row("health_timeout", "write: health_check_timeout DURATION"),
    row("health_uri", "write: health_check PATH"),
    row("index", "write: index FILE..., as a directive of the site"),
    row("issuer", "start the server with -ca URL, or write: tls self_signed"),
    row("lb_policy", "write: policy NAME"),
    row("lb_try_duration", "write: try_duration DURATION"),
    row("lb_try_interval", "write: try_interval DURATION"),
    row("max_size", "write: limits SIZE"),
    row("on_demand", "write `ask URL` or `max_certs N` in the block of `tls`"),
    row("output", "write the file behind the word: log FILE"),
    row("replace_status", "write: status CODE PATH, as a directive of the site"),
    row("root", "write: root DIRECTORY, as a directive of the site"),
    row("to", "write the addresses behind the path: proxy / ADDRESS ADDRESS"),
    row(
        "transport",
        "write https:// before the address; `insecure_skip_verify` and \
                      `ca_certificates` are options of `proxy`",
    ),
    row("trusted_proxies", "write: realip RANGE..., as a directive of the site"),
    row("unhealthy_latency", "leave it out; `max_fails` and `fail_timeout` count failures"),
    row("unhealthy_status", "leave it out; `health_check` looks at a path"),
];
