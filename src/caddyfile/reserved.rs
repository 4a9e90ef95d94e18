//! Directives of Caddy 0.9 to 1.0 and its plugins that this server does not have. Their error
//! differs from that for a typing error.

/// Whether Caddy knew the word.
pub(super) fn is_reserved(word: &str) -> bool {
    WORDS.contains(&word)
}

static WORDS: &[&str] = &[
    "git",
    "locale",
    "filter",
    "minify",
    "ipfilter",
    "ratelimit",
    "search",
    "forwardproxy",
    "login",
    "jwt",
    "jsonp",
    "upload",
    "multipass",
    "pprof",
    "datadog",
    "prometheus",
    "templates",
    "cgi",
    "filemanager",
    "webdav",
    "markdown",
    "hugo",
    "mailout",
    "awslambda",
    "grpc",
    "gopkg",
    "restic",
    "nobots",
    "cache",
    "geoip",
];
