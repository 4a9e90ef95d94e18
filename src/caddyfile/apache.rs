//! Words of Apache, and what to write here instead.

/// What a directive of Apache is here.
pub(super) fn directive(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, here)| *here)
}

static WORDS: &[(&str, &str)] = &[
    ("AddOutputFilterByType", "write: gzip"),
    ("AddType", "write: mime .EXTENSION TYPE"),
    ("Alias", "write a site for the path: HOST/path { root DIRECTORY }"),
    ("AllowOverride", "leave it out: no file .htaccess is read"),
    ("AuthName", "write `realm NAME` in the block of `basicauth`"),
    ("AuthType", "write: basicauth PATH USER PASSWORD"),
    ("AuthUserFile", "write: basicauth PATH USER htpasswd=FILE"),
    ("BalancerMember", "write the addresses behind the path: proxy / ADDRESS ADDRESS"),
    ("CustomLog", "write: log / FILE \"{combined}\""),
    ("DirectoryIndex", "write: index FILE..."),
    ("DocumentRoot", "write: root DIRECTORY"),
    ("ErrorDocument", "write: errors, with a block of lines CODE FILE"),
    ("ErrorLog", "write: errors FILE"),
    ("ExpiresByType", "write `match_header Content-Type TYPE DURATION` in the block of `expires`"),
    ("Include", "write: import FILE"),
    ("IncludeOptional", "write: import PATTERN"),
    ("LimitRequestBody", "write: limits, with a block that has `body SIZE`"),
    ("Listen", "write the port behind the site's address: example.com:8080"),
    ("LoadModule", "leave it out: all directives are built in"),
    ("Options", "leave it out; for lists of files write: browse"),
    ("ProxyPass", "write: proxy PATH ADDRESS"),
    ("ProxyPassMatch", "write: proxy PATH ADDRESS"),
    ("ProxyPassReverse", "write `rewrite_location` in the block of `proxy`"),
    ("ProxyPreserveHost", "write `transparent` in the block of `proxy`"),
    ("Redirect", "write: redir FROM TO CODE"),
    ("RedirectMatch", "write: redir, with a block that has `if {path} match PATTERN`"),
    ("RemoteIPHeader", "write: realip RANGE..."),
    ("RequestHeader", "write `header_upstream NAME VALUE` in the block of `proxy`"),
    ("Require", "write: basicauth PATH USER PASSWORD, or: ipfilter PATH, with `ip RANGE...`"),
    ("RewriteCond", "write `if A OPERATOR B` in the block of `rewrite` or `redir`"),
    ("RewriteEngine", "leave it out: write lines of `rewrite`, `redir` and `status`"),
    (
        "RewriteRule",
        "write: rewrite PATTERN TO, where {1} is $1; with [R]: redir; with [F]: status",
    ),
    ("SSLCertificateFile", "write: tls CERT KEY"),
    ("SSLCertificateKeyFile", "write: tls CERT KEY"),
    ("SSLEngine", "write https:// before the address, and: tls CERT KEY"),
    ("SSLProtocol", "write `protocols MIN MAX` in the block of `tls`"),
    ("ScriptAlias", "write: cgi PATTERN PROGRAM"),
    ("ServerAdmin", "leave it out: no page names it"),
    ("ServerAlias", "write the names before the `{` of the site: example.com, www.example.com {"),
    ("ServerName", "write the names before the `{` of the site: example.com, www.example.com {"),
    ("SetHandler", "write: fastcgi / ADDRESS php"),
    ("Substitute", "write: filter, with a block that has `search_pattern` and `replacement`"),
];
