//! Directives of Caddy 0.9 to 1.0 and its plugins that this server does not have: what each did,
//! and what to do instead. Their error differs from that for a typing error.

/// A word that this server does not have.
pub(super) struct Reserved {
    word: &'static str,
    /// What it did, as the end of a sentence that begins with the word.
    did: &'static str,
    /// What to do instead.
    instead: &'static str,
}

impl Reserved {
    /// What it did, and what to do instead.
    pub(super) fn hint(&self) -> String {
        let Self { word, did, instead } = self;
        format!("`{word}` {did}; this server does not have it: {instead}")
    }
}

/// The word, if Caddy knew it.
pub(super) fn reserved(word: &str) -> Option<&'static Reserved> {
    WORDS.iter().find(|row| row.word == word)
}

const fn row(word: &'static str, did: &'static str, instead: &'static str) -> Reserved {
    Reserved { word, did, instead }
}

static WORDS: &[Reserved] = &[
    row(
        "authz",
        "asked Casbin whether a user may do what a request does",
        "let the application decide, or a server that `proxy` leads to",
    ),
    row(
        "awses",
        "signed requests to Elasticsearch on AWS",
        "run a signing proxy beside this server and name it in `proxy`",
    ),
    row(
        "awslambda",
        "called functions of AWS Lambda",
        "give the function a URL and name that in `proxy`",
    ),
    row("datadog", "sent metrics to Datadog", "use `prometheus`, which the agent of Datadog reads"),
    row(
        "dyndns",
        "told a DNS provider the address of the machine",
        "use a client such as ddclient",
    ),
    row(
        "esi",
        "put parts of other servers into pages (Edge Side Includes)",
        "let the application make whole pages, or put parts that are files in by `templates`",
    ),
    row(
        "filebrowser",
        "managed files in the browser",
        "run File Browser as a service of its own and name it in `proxy`",
    ),
    row(
        "filemanager",
        "managed files in the browser",
        "run File Browser as a service of its own and name it in `proxy`",
    ),
    row(
        "forwardproxy",
        "made the server a proxy for browsers",
        "use a forward proxy such as Squid or Dante",
    ),
    row(
        "geoip",
        "found out the country of a client",
        "use the field of a CDN that names it, or a library in the application",
    ),
    row(
        "gopkg",
        "gave Go packages names of one's own",
        "serve a page with the go-import meta element",
    ),
    row(
        "grpc",
        "gave gRPC services to browsers (gRPC-Web)",
        "name a gRPC-Web proxy such as Envoy in `proxy`; plain gRPC passes through `proxy` as it is",
    ),
    row(
        "hugo",
        "built and edited a site made with Hugo",
        "run `hugo` where the site changes, and serve its folder `public` with `root`",
    ),
    row(
        "jekyll",
        "built a site made with Jekyll",
        "run `jekyll build` where the site changes, and serve its folder `_site` with `root`",
    ),
    row(
        "jsonp",
        "wrapped JSON in a function call",
        "let the application do so, or send JSON with the fields of CORS",
    ),
    row(
        "linkup",
        "showed links of a site and whether they work",
        "run a link checker where the site changes",
    ),
    row(
        "locale",
        "found out the language of a client",
        "read Accept-Language in the application, or in `rewrite` with `if {>Accept-Language}`",
    ),
    row(
        "mailout",
        "sent what a form posted as mail",
        "post the form to a service for forms, or to a script by `fastcgi`",
    ),
    row(
        "multipass",
        "let users log in by a link in a mail",
        "log in in the application, or use `basicauth`",
    ),
    row(
        "nobots",
        "sent bots a bomb of compressed data",
        "write `rewrite { if {>User-Agent} match BOT to /blocked }` and `status 403 /blocked`",
    ),
    row(
        "permission",
        "let users in by path and method",
        "check in the application, or use `basicauth`",
    ),
    row(
        "pprof",
        "served profiles of the Go program at /debug/pprof",
        "run `perf record -g -p PID` and `perf report`; `expvar` and `prometheus` show its figures",
    ),
    row(
        "pubsub",
        "passed messages between clients",
        "run a broker with WebSockets and name it in `proxy`",
    ),
    row("recaptcha", "checked Google's reCAPTCHA", "check it in the application"),
    row("restic", "was a store for backups by restic", "run rest-server and name it in `proxy`"),
    row(
        "s3browser",
        "listed the files of a bucket",
        "name the bucket's URL in `proxy`, or copy the files and use `browse`",
    ),
    row(
        "search",
        "searched the files of a site",
        "make the index where the site is made, for example with Pagefind",
    ),
    row(
        "supervisor",
        "ran a program and started it again",
        "make it a service of systemd and name its address in `proxy`",
    ),
    row(
        "torproxy",
        "reached onion services",
        "run Tor and an HTTP proxy before it, and name that in `proxy`",
    ),
    row(
        "wkd",
        "served OpenPGP keys (Web Key Directory)",
        "export the keys by `gpg-wks-client` to .well-known/openpgpkey below `root`",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::caddyfile::read;

    /// What files in use may have of Caddy 0.9 to 1.0 and its plugins.
    const KNOWN: &str = "search hugo jekyll mailout esi filemanager filebrowser awslambda pprof \
        supervisor locale geoip authz recaptcha forwardproxy s3browser nobots permission jsonp \
        multipass datadog pubsub awses grpc gopkg restic wkd dyndns linkup torproxy";

    #[test]
    fn each_word_has_its_remedy_and_all_are_told_at_once() {
        let known = KNOWN.split_whitespace();
        let words: BTreeSet<_> = WORDS.iter().map(|row| row.word).chain(known).collect();
        assert!(words.len() == WORDS.len(), "a word has two rows, or none: {words:?}");
        let lines: String =
            words.iter().map(|word| format!(" {word} /a b {{\n  c d\n }}\n")).collect();
        let text = format!("localhost {{\n root .\n{lines} gzip\n}}\n");
        let parsed = read("Caddyfile", &text, Path::new("."), &["root", "gzip"]);
        let told: Vec<_> = parsed.errors.iter().map(|error| (error.line, &*error.word)).collect();
        let expected: Vec<_> = (0..).map(|nth| 3 + 3 * nth).zip(words).collect();
        assert_eq!(told, expected);
        for error in &parsed.errors {
            let hint = error.hint.as_deref().unwrap_or_default();
            let parts = hint.split_once("; this server does not have it: ");
            assert!(parts.is_some_and(|(did, instead)| did.len() > 20 && instead.len() > 20));
        }
    }
}
