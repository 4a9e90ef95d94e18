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
    row("authenticate", "write: login"),
    row("authorize", "write: jwt, or: login"),
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
    row("rate_limit", "write: ratelimit PATH N/second"),
    row("replace", "write: filter, with a block that has `search_pattern` and `replacement`"),
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
    row("acme_eab", "write `eab ID KEY` in the block of `tls`"),
    row("admin", "leave it out; -control opens a socket for -reload and -status"),
    row("auto_https", "write http:// before an address to serve it without TLS"),
    row("cert_issuer", "start the server with -ca URL"),
    row(
        "cert_lifetime",
        "write `profile NAME` in the block of `tls`: the CA decides how long it lasts",
    ),
    row("debug", "leave it out; -log stdout shows the process log"),
    row("default_bind", "write `bind HOST` in each site, or import it as a snippet"),
    row("default_sni", "write a site without a host: it serves the names that no other has"),
    row("ech", "leave it out: there is no Encrypted Client Hello"),
    row("email", "write: tls EMAIL, or start the server with -email"),
    row("experimental_http3", "leave it out: HTTP/3 is on"),
    row("fallback_sni", "write a site without a host: it serves the names that no other has"),
    row("filesystem", "write: root DIRECTORY; mount there what is elsewhere"),
    row("grace_period", "start the server with -grace DURATION"),
    row("http_port", "start the server with -http-port PORT"),
    row("https_port", "start the server with -https-port PORT"),
    row("key_type", "write `key_type` in the block of `tls`"),
    row("local_certs", "write: tls self_signed, in each site"),
    row("ocsp_interval", "leave it out: a staple is renewed before it expires"),
    row("ocsp_stapling", "leave it out: staples come with the certificates that name a responder"),
    row("on_demand_tls", "write `ask URL` in the block of `tls`"),
    row("order", "leave it out: directives run in a fixed order"),
    row("persist_config", "leave it out: there is no other configuration than the Caddyfile"),
    row("pki", "write: tls self_signed, or tls CERT KEY"),
    row("preferred_chains", "leave it out: the chain of the CA is used as it comes"),
    row(
        "renew_interval",
        "leave it out: a certificate is renewed when a third of its time is left",
    ),
    row(
        "renewal_window_ratio",
        "leave it out: a certificate is renewed when a third of its time is left",
    ),
    row("servers", "write `limits`, `timeouts`, `realip` or `proxyprotocol` in the sites"),
    row("shutdown_delay", "leave it out; -grace is how long a stop waits for requests"),
    row("skip_install_trust", "leave it out: nothing is added to the system's trust"),
    row("storage", "set CADDYPATH in the environment to the directory"),
    row("storage_clean_interval", "leave it out: nothing cleans the storage at an interval"),
    row("tls_resolvers", "leave it out: names are resolved by /etc/resolv.conf"),
];

static OPTIONS: &[Row] = &[
    row("br", "write: codings zstd br gzip"),
    row("buffer_requests", "leave it out: bodies are passed on as they come"),
    row("buffer_responses", "leave it out: bodies are passed on as they come"),
    row("ca_root", "add the CA to those that the system trusts"),
    row("capture_stderr", "leave it out: what scripts write to it is in the log of `errors`"),
    row("client_auth", "write: clients CA..."),
    row("client_ip_headers", "write `header NAME` in the block of `realip`"),
    row("compression", "leave it out: the upstream gets the client's Accept-Encoding"),
    row("dial_fallback_delay", "leave it out: the addresses of a name share the time of `timeout`"),
    row("dial_timeout", "write: timeout DURATION, in the block of `proxy` itself"),
    row(
        "disable_canonical_uris",
        "leave it out: a directory is redirected to its path with a slash",
    ),
    row(
        "dns_challenge_override_domain",
        "leave it out: a CNAME record of _acme-challenge.NAME is followed",
    ),
    row("dns_ttl", "leave it out"),
    row(
        "dynamic",
        "write: proxy / srv://NAME; a host's addresses are looked up when their TTL ends",
    ),
    row("expect_continue_timeout", "leave it out: a client gets its 100 after one second"),
    row("fail_duration", "write: fail_timeout DURATION"),
    row("fields", "write the fields that you want in the format: log / FILE \"{common}\""),
    row("flush_interval", "leave it out: a response is sent as it comes"),
    row("format", "write the format behind the file: log / FILE \"{combined}\", or {json}"),
    row(
        "forward_proxy_url",
        "leave it out: upstreams are reached directly; name the proxy as upstream",
    ),
    row("get_certificate", "write: tls CERT KEY, or `ask URL` in the block of `tls`"),
    row("handle_response", "write: errors, or `internal PATH` and send X-Accel-Redirect"),
    row("header_down", "write: header_downstream NAME VALUE"),
    row("header_up", "write: header_upstream NAME VALUE"),
    row("health_body", "write: health_check_contains TEXT"),
    row("health_fails", "leave it out: each check decides"),
    row("health_follow_redirects", "write the codes that are right: health_check_status 200 3xx"),
    row(
        "health_headers",
        "write: health_check_host NAME; fields of `header_upstream` are sent, too",
    ),
    row("health_interval", "write: health_check_interval DURATION"),
    row("health_method", "leave it out: a check is a GET"),
    row("health_passes", "leave it out: each check decides"),
    row("health_path", "write: health_check PATH"),
    row("health_port", "write: health_check_port PORT"),
    row("health_request_body", "leave it out: a check is a GET"),
    row("health_status", "write: health_check_status CODE..."),
    row("health_timeout", "write: health_check_timeout DURATION"),
    row("health_upstream", "write: health_check_port PORT; a check asks the upstream's own host"),
    row("health_uri", "write: health_check PATH"),
    row("hide", "write: status 404 PATH, as a directive of the site"),
    row("hostnames", "write `log` in a site of its own for each name"),
    row("index", "write: index FILE..., as a directive of the site"),
    row("insecure_secrets_log", "leave it out: secrets of TLS are never logged"),
    row("issuer", "start the server with -ca URL, or write: tls self_signed"),
    row("keepalive_idle_conns", "write: keepalive N"),
    row("keepalive_idle_conns_per_host", "write: keepalive N"),
    row("keepalive_interval", "leave it out"),
    row("lb_policy", "write: policy NAME"),
    row("lb_retries", "write: try_duration DURATION"),
    row("lb_retry_match", "leave it out: what is safe to repeat is sent again"),
    row("lb_try_duration", "write: try_duration DURATION"),
    row("lb_try_interval", "write: try_interval DURATION"),
    row("local_address", "leave it out: the kernel chooses the address"),
    row("max_conns_per_host", "write: max_conns N"),
    row("max_size", "write: limits SIZE"),
    row("minimum_length", "write: min_length BYTES"),
    row(
        "network_proxy",
        "leave it out: upstreams are reached directly; name the proxy as upstream",
    ),
    row("on_demand", "write `ask URL` or `max_certs N` in the block of `tls`"),
    row("output", "write the file behind the word: log FILE"),
    row("pass_thru", "leave it out: a file that is not there is 404"),
    row("precompressed", "leave it out: FILE.br, FILE.zst and FILE.gz are sent where they are"),
    row("prefer", "write them in their order: codings zstd br gzip"),
    row("propagation_delay", "leave it out, or set PREFIX_PROPAGATION_TIMEOUT in the environment"),
    row("propagation_timeout", "set PREFIX_PROPAGATION_TIMEOUT in the environment"),
    row("replace_status", "write: status CODE PATH, as a directive of the site"),
    row("request_buffers", "leave it out: bodies are passed on as they come"),
    row("resolve_root_symlink", "leave it out, and write the directory itself: root DIRECTORY"),
    row("resolvers", "leave it out: names are resolved by /etc/resolv.conf"),
    row("response_buffers", "leave it out: bodies are passed on as they come"),
    row("response_header_timeout", "write: first_byte_timeout DURATION"),
    row("reuse_private_keys", "leave it out: each certificate gets a new key"),
    row("roll_disabled", "write: rotate_disable"),
    row("roll_keep", "write: rotate_keep N"),
    row("roll_keep_for", "write: rotate_age DAYS"),
    row("roll_local_time", "leave it out"),
    row("roll_size", "write: rotate_size MB"),
    row("roll_uncompressed", "leave it out: only `rotate_compress` compresses"),
    row("root", "write: root DIRECTORY, as a directive of the site"),
    row("sampling", "write: sample 1/N"),
    row("span", "leave it out: no spans are exported; {trace_id} can stand in the format of `log`"),
    row("span_attributes", "leave it out: no spans are exported"),
    row("stream_close_delay", "leave it out: a reload keeps WebSockets open"),
    row("stream_timeout", "leave it out: a WebSocket ends after an hour without data"),
    row("tls_client_auth", "write: tls_client CERT KEY"),
    row("tls_insecure_skip_verify", "write: insecure_skip_verify"),
    row("tls_server_name", "write the name in the address: https://NAME"),
    row("tls_timeout", "write: timeout DURATION"),
    row("tls_trust_pool", "write: ca_certificates FILE..."),
    row("tls_trusted_ca_certs", "write: ca_certificates FILE..."),
    row("to", "write the addresses behind the path: proxy / ADDRESS ADDRESS"),
    row(
        "transport",
        "write https:// before the address; `insecure_skip_verify` and \
                      `ca_certificates` are options of `proxy`",
    ),
    row("trust_pool", "write: clients CA..."),
    row("trusted_ca_cert", "write: clients FILE"),
    row("trusted_ca_cert_file", "write: clients FILE"),
    row("trusted_leaf_cert", "write the CA of the certificate: clients FILE"),
    row("trusted_leaf_cert_file", "write the CA of the certificate: clients FILE"),
    row("trusted_proxies", "write: realip RANGE..., as a directive of the site"),
    row("unhealthy_latency", "leave it out; `max_fails` and `fail_timeout` count failures"),
    row("unhealthy_request_count", "write: max_conns N"),
    row("unhealthy_status", "leave it out; `health_check` looks at a path"),
    row("verifier", "write: clients CA..."),
    row("versions", "write http://, https://, h2c:// or h2:// before the address"),
    row("write_timeout", "write: send_timeout DURATION in `fastcgi`, or: timeouts, for clients"),
    row("zstd", "write: codings zstd br gzip"),
];
