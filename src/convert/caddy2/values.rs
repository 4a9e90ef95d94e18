//! Placeholders, sizes and durations of Caddy 2 as they are written here.

use crate::convert::page::literal;

/// Names that differ from ours, or that are the same.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("uri", "{uri}"),
    ("http.request.uri", "{uri}"),
    ("http.request.orig_uri", "{uri}"),
    ("orig_uri", "{uri}"),
    ("path", "{path}"),
    ("http.request.uri.path", "{path}"),
    ("http.request.orig_uri.path", "{path}"),
    ("dir", "{dir}"),
    ("file", "{file}"),
    ("query", "{query}"),
    ("http.request.uri.query", "{query}"),
    ("host", "{hostonly}"),
    ("http.request.host", "{hostonly}"),
    ("hostport", "{host}"),
    ("http.request.hostport", "{host}"),
    ("port", "{server_port}"),
    ("http.request.port", "{server_port}"),
    ("scheme", "{scheme}"),
    ("http.request.scheme", "{scheme}"),
    ("method", "{method}"),
    ("http.request.method", "{method}"),
    ("http.request.proto", "{proto}"),
    ("remote_host", "{remote}"),
    ("remote", "{remote}"),
    ("client_ip", "{remote}"),
    ("http.request.remote.host", "{remote}"),
    ("http.vars.client_ip", "{remote}"),
    ("remote_port", "{port}"),
    ("http.request.remote.port", "{port}"),
    ("http.auth.user.id", "{user}"),
    ("system.hostname", "{hostname}"),
    ("time.now.unix", "{when_unix}"),
    ("time.now.unix_ms", "{when_unix_ms}"),
    ("tls_version", "{tls_protocol}"),
    ("http.request.tls.version", "{tls_protocol}"),
    ("tls_cipher", "{tls_cipher}"),
    ("http.request.tls.cipher_suite", "{tls_cipher}"),
    ("tls_client_serial", "{tls_client_serial}"),
    ("tls_client_subject", "{tls_client_s_dn}"),
    ("tls_client_issuer", "{tls_client_i_dn}"),
    ("tls_client_fingerprint", "{tls_client_fingerprint}"),
];

const PREFIXES: &[(&str, &str)] = &[
    ("header.", ">"),
    ("http.request.header.", ">"),
    ("cookie.", "~"),
    ("http.request.cookie.", "~"),
    ("query.", "?"),
    ("http.request.uri.query.", "?"),
];

/// A text with placeholders of Caddy 2 as one with ours. The error is the one that has none.
pub(super) fn text(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, behind) = rest.split_at(at);
        if let Some(bare) = before.strip_suffix('\\') {
            out.push_str(bare);
            out.push_str("\\{");
            rest = &behind[1..];
            continue;
        }
        out.push_str(before);
        let name = behind[1..].split_once('}');
        match name.filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                out.push_str(&placeholder(name).ok_or_else(|| format!("{{{name}}}"))?);
                rest = after;
            }
            None => {
                out.push_str(&literal("{"));
                rest = &behind[1..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-[]:$".contains(c);
    !name.is_empty() && name.chars().all(is_letter)
}

fn placeholder(name: &str) -> Option<String> {
    if let Some((_, ours)) = PLACEHOLDERS.iter().find(|(theirs, _)| *theirs == name) {
        return Some((*ours).to_owned());
    }
    let variable = name.strip_prefix('$').or_else(|| name.strip_prefix("env."));
    if let Some(variable) = variable {
        let fits = !variable.is_empty()
            && variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return fits.then(|| format!("{{${variable}}}"));
    }
    let (rest, sign) =
        PREFIXES.iter().find_map(|(prefix, sign)| Some((name.strip_prefix(prefix)?, sign)))?;
    (!rest.is_empty()).then(|| format!("{{{sign}{rest}}}"))
}

/// A size (`10MB`, `1MiB`, `512`) in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase().replace(['_', ','], "");
    let end = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let unit: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A duration; `d` are days.
pub(super) fn duration(text: &str) -> Option<String> {
    if let Some(days) = text.strip_suffix('d') {
        let hours = days.parse::<u64>().ok()?.checked_mul(24)?;
        return Some(format!("{hours}h"));
    }
    let fits = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "hmsnuµ.".contains(c))
        && text.ends_with(['h', 'm', 's']);
    fits.then(|| text.to_owned())
}

/// A size as one of ours.
pub(super) fn size(text: &str) -> Option<String> {
    let bytes = bytes(text)?;
    Some(match bytes {
        0 => "0".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{}MB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KB", bytes >> 10),
        bytes => bytes.to_string(),
    })
}
