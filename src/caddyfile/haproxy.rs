//! Words of HAProxy, and what to write here instead.

/// What a keyword of HAProxy is here.
pub(super) fn directive(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, here)| *here)
}

static WORDS: &[(&str, &str)] = &[
    ("acl", "write `if A OPERATOR B` in the block of `redir` or `rewrite`, or give a path"),
    ("backend", "write the addresses behind the path: proxy / ADDRESS ADDRESS"),
    ("balance", "write `policy NAME` in the block of `proxy`"),
    ("compression", "write: gzip"),
    ("cookie", "write `policy cookie NAME` in the block of `proxy`"),
    ("default_backend", "write: proxy / ADDRESS ADDRESS"),
    ("defaults", "leave it out: each site has its own directives, or imports a snippet"),
    ("errorfile", "write: errors, with a block of lines CODE FILE"),
    ("frontend", "write the site's address: example.com {"),
    ("global", "leave it out: flags such as -log and -user hold for the whole server"),
    ("http-check", "write `health_check PATH` in the block of `proxy`"),
    ("http-request", "write: status CODE PATH, redir, rewrite, or `header_upstream` in `proxy`"),
    ("http-response", "write `header_downstream NAME VALUE` in the block of `proxy`, or: header"),
    ("maxconn", "write `max_conns N` in the block of `proxy`"),
    ("mode", "leave it out: this server speaks HTTP only"),
    ("monitor-uri", "write: status 200 PATH"),
    ("option", "leave it out; `option httpchk` is `health_check PATH` in the block of `proxy`"),
    ("stats", "write: status_page, or: prometheus"),
    ("stick-table", "write `policy` in the block of `proxy`, or: ratelimit"),
    ("use_backend", "write: proxy PATH ADDRESS"),
    ("userlist", "write: basicauth PATH USER PASSWORD"),
];
