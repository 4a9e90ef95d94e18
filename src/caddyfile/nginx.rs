//! Words of nginx, and what to write here instead.

/// What a directive of nginx is here.
pub(super) fn directive(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, here)| *here)
}

static WORDS: &[(&str, &str)] = &[
    ("add_header", "write: header / NAME VALUE"),
    ("access_log", "write: log FILE"),
    ("alias", "write a site for the path: HOST/path { root DIRECTORY }"),
    ("auth_basic", "write: basicauth PATH USER PASSWORD"),
    ("auth_basic_user_file", "write: basicauth PATH USER htpasswd=FILE"),
    ("autoindex", "write: browse"),
    ("client_max_body_size", "write: limits SIZE"),
    ("deny", "write: status 403 PATH"),
    ("error_log", "start the server with -log FILE"),
    ("error_page", "write: errors, with a block of lines CODE FILE"),
    ("fastcgi_param", "write `env NAME VALUE` in the block of `fastcgi`"),
    ("fastcgi_pass", "write: fastcgi / ADDRESS php"),
    ("gzip_types", "write `ext .EXTENSION...` in the block of `gzip`"),
    ("include", "write: import FILE"),
    ("keepalive_timeout", "write: timeouts, with a block that has `idle DURATION`"),
    ("listen", "write the port behind the site's address: example.com:8080"),
    ("location", "give the directives in it the path: proxy /api ADDRESS"),
    ("proxy_pass", "write: proxy / ADDRESS"),
    ("proxy_read_timeout", "write `first_byte_timeout DURATION` in the block of `proxy`"),
    ("proxy_set_header", "write `header_upstream NAME VALUE` in the block of `proxy`"),
    ("return", "write: redir FROM TO CODE, or: status CODE PATH"),
    ("server", "write the names of the site instead: example.com, www.example.com {"),
    ("server_name", "write the names before the `{` of the site: example.com, www.example.com {"),
    ("set", "write the value where it is used"),
    ("ssl_certificate", "write: tls CERT KEY"),
    ("ssl_certificate_key", "write: tls CERT KEY"),
    ("ssl_ciphers", "write `ciphers NAME...` in the block of `tls`"),
    ("ssl_protocols", "write `protocols MIN MAX` in the block of `tls`"),
    ("upstream", "write the addresses behind the path: proxy / ADDRESS ADDRESS"),
];
