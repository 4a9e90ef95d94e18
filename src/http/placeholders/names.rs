//! Unknown names of placeholders, and suggestions for them.

use super::table::WORDS;

/// Names of Caddy 2 and nginx, and the corresponding names here.
const FOREIGN: &[(&str, &str)] = &[
    ("http.request.host", "hostonly"),
    ("http.request.hostport", "host"),
    ("http.request.method", "method"),
    ("http.request.proto", "proto"),
    ("http.request.scheme", "scheme"),
    ("http.request.remote", "remote"),
    ("http.request.remote.host", "remote"),
    ("http.request.remote.port", "port"),
    ("http.request.port", "server_port"),
    ("http.request.local.port", "server_port"),
    ("http.request.orig_uri", "uri"),
    ("http.request.orig_uri.path", "path"),
    ("http.request.orig_uri.query", "query"),
    ("http.request.uri", "rewrite_uri"),
    ("http.request.uri.path", "rewrite_path"),
    ("http.request.uri.path.dir", "dir"),
    ("http.request.uri.path.file", "file"),
    ("http.request.uri.query", "query"),
    ("http.request.uuid", "request_id"),
    ("http.request.body", "request_body"),
    ("http.request.tls.version", "tls_protocol"),
    ("http.request.tls.cipher_suite", "tls_cipher"),
    ("http.request.tls.client.fingerprint", "tls_client_fingerprint"),
    ("http.request.tls.client.issuer", "tls_client_i_dn"),
    ("http.request.tls.client.serial", "tls_client_serial"),
    ("http.request.tls.client.subject", "tls_client_s_dn"),
    ("http.request.tls.client.certificate_pem", "tls_client_raw_cert"),
    ("http.auth.user.id", "user"),
    ("http.error.status_code", "status"),
    ("http.response.status_code", "status"),
    ("http.reverse_proxy.upstream.address", "upstream"),
    ("http.reverse_proxy.upstream.hostport", "upstream"),
    ("upstream_hostport", "upstream"),
    ("system.hostname", "hostname"),
    ("time.now", "when"),
    ("time.now.unix", "when_unix"),
    ("client_ip", "remote"),
    ("remote_addr", "remote"),
    ("remote_host", "remote"),
    ("remote_ip", "remote"),
    ("remote_port", "port"),
    ("remote_user", "user"),
    ("hostport", "host"),
    ("http_host", "host"),
    ("tls_version", "tls_protocol"),
    ("request_method", "method"),
    ("request_uri", "uri"),
    ("query_string", "query"),
    ("server_protocol", "proto"),
    ("time_local", "when"),
    ("body_bytes_sent", "size"),
    ("bytes_sent", "size"),
    ("duration", "latency"),
    ("request_time", "latency"),
];

/// Prefixes of such names, and the corresponding sign here.
const FOREIGN_FAMILIES: &[(&str, &str)] = &[
    ("http.request.header.", ">"),
    ("http.request.cookie.", "~"),
    ("http.request.uri.query.", "?"),
    ("http.response.header.", "<"),
    ("http.reverse_proxy.header.", "<"),
    ("header.", ">"),
    ("cookie.", "~"),
    ("query.", "?"),
    ("env.", "$"),
];

/// The name here for a name of another server.
pub fn translated(name: &str) -> Option<String> {
    let exact = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
    if let Some((_, ours)) = exact {
        return Some((*ours).to_owned());
    }
    let family = |(prefix, sign): &(&str, &str)| {
        name.strip_prefix(prefix)
            .filter(|rest| !rest.is_empty())
            .map(|rest| format!("{sign}{rest}"))
    };
    FOREIGN_FAMILIES.iter().find_map(family)
}

/// The name here for a variable of nginx, without its `$`.
pub fn of_variable(name: &str) -> Option<String> {
    let field = |rest: &str| format!(">{}", rest.replace('_', "-"));
    let own = match name {
        "args" => Some("query".to_owned()),
        "document_uri" => Some("rewrite_path".to_owned()),
        "server_name" => Some("hostonly".to_owned()),
        "host" | "scheme" | "uri" | "server_port" => Some(name.to_owned()),
        "proxy_add_x_forwarded_for" => Some(">X-Forwarded-For".to_owned()),
        _ => None,
    };
    own.or_else(|| translated(name)).or_else(|| name.strip_prefix("http_").map(field))
}

/// All names of the table.
pub fn known() -> Vec<&'static str> {
    WORDS.iter().map(|word| word.name).collect()
}

/// Whether a name looks like a placeholder: JSON and patterns contain braces too.
pub(super) fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::placeholders::Template;

    #[test]
    fn names_of_other_servers() {
        for (name, ours) in [
            ("remote_ip", Some("remote")),
            ("http.request.remote.host", Some("remote")),
            ("http.request.header.User-Agent", Some(">User-Agent")),
            ("header.Referer", Some(">Referer")),
            ("http.request.uri.query.a", Some("?a")),
            ("header.", None),
            ("remot", None),
        ] {
            assert_eq!(translated(name).as_deref(), ours, "{name}");
        }
        for (name, ours) in [
            ("host", Some("host")),
            ("remote_addr", Some("remote")),
            ("request_uri", Some("uri")),
            ("http_user_agent", Some(">user-agent")),
            ("1", None),
            ("mine", None),
        ] {
            assert_eq!(of_variable(name).as_deref(), ours, "{name}");
        }
        for ours in FOREIGN.iter().map(|(_, ours)| ours) {
            assert!(known().contains(ours), "{ours}");
        }
    }

    #[test]
    fn which_names_are_unknown() {
        for (text, unknown) in [
            ("{remote_ip} {method} {remote.ip}", &["remote_ip", "remote.ip"][..]),
            ("{>X-A} {<X-A} {~c} {?a} {label1} {1} {when_iso}", &[]),
            ("{\"a\":\"{remote}\",\"b\":{remot}}", &["remot"]),
            ("^/[a-z]{2,3}/(\\d{4})$ {$X} {}", &[]),
            ("\\{remote_ip\\} {unclosed", &[]),
            ("{Method}", &["Method"]),
        ] {
            let found: Vec<_> = Template::parse(text).unknown().map(str::to_owned).collect();
            assert_eq!(found, unknown, "{text}");
        }
    }
}
