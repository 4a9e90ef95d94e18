//! Variables, times and sizes of nginx as they are written here.

use std::fmt::Write as _;

use crate::convert::page::literal;

/// A text with variables as one with placeholders. The error is the variable that has none.
pub(super) fn text(text: &str) -> Result<String, String> {
    let text = text.replace("$is_args$args", "?$args").replace("$is_args$query_string", "?$args");
    let mut out = String::new();
    let mut rest = &*text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(&literal(before));
        let (name, after) = name_of(behind);
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&variable(name).ok_or_else(|| format!("${name}"))?);
        }
        rest = after;
    }
    out.push_str(&literal(rest));
    Ok(out)
}

/// The name of a variable and what is behind it.
fn name_of(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return (name, rest);
    }
    let is_group = text.starts_with(|c: char| c.is_ascii_digit());
    let end = match is_group {
        true => 1,
        false => text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()),
    };
    text.split_at(end)
}

/// Whether a text has no variable.
pub(super) fn is_fixed(text: &str) -> bool {
    !text.contains('$')
}

/// Whether groups of a regular expression are used in it.
pub(super) fn has_group(text: &str) -> bool {
    let mut after = text.split('$').skip(1);
    after.any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn variable(name: &str) -> Option<String> {
    let known = match name {
        "host" | "hostname_of_request" => "{hostonly}",
        "http_host" => "{host}",
        "hostname" => "{hostname}",
        "remote_addr" => "{remote}",
        "remote_port" => "{port}",
        "remote_user" => "{user}",
        "scheme" => "{scheme}",
        "request_uri" => "{uri}",
        "uri" | "document_uri" => "{path}",
        "args" | "query_string" => "{query}",
        "request_method" => "{method}",
        "server_protocol" => "{proto}",
        "server_port" => "{server_port}",
        "status" => "{status}",
        "body_bytes_sent" | "bytes_sent" => "{size}",
        "time_local" => "{when}",
        "time_iso8601" => "{when_iso}",
        "msec" => "{when_unix}",
        "request_time" => "{latency_s}",
        "request" => "{method} {uri} {proto}",
        "upstream_addr" => "{upstream}",
        "ssl_client_s_dn" => "{tls_client_s_dn}",
        "ssl_client_i_dn" => "{tls_client_i_dn}",
        "ssl_client_serial" => "{tls_client_serial}",
        "ssl_client_escaped_cert" => "{tls_client_escaped_cert}",
        _ => return field(name),
    };
    Some(known.to_owned())
}

/// A field, a cookie, an argument or a group.
fn field(name: &str) -> Option<String> {
    if name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_digit() && byte != b'0') {
        return Some(format!("{{{name}}}"));
    }
    if let Some(field) = name.strip_prefix("http_").filter(|field| !field.is_empty()) {
        return Some(format!("{{>{}}}", titled(field)));
    }
    if let Some(cookie) = name.strip_prefix("cookie_").filter(|cookie| !cookie.is_empty()) {
        return Some(format!("{{~{cookie}}}"));
    }
    let arg = name.strip_prefix("arg_").filter(|arg| !arg.is_empty())?;
    Some(format!("{{?{arg}}}"))
}

/// `x_forwarded_for` as the name of a field.
fn titled(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// A time of nginx (`30`, `1h 30m`, `500ms`) in milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let mut sum = 0u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let behind = &rest[digits..];
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let unit: u64 = match &behind[..letters] {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "M" => 2_592_000_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = behind[letters..].trim_start();
    }
    Some(sum)
}

/// The same as a duration of ours.
pub(super) fn duration(text: &str) -> Option<String> {
    let ms = milliseconds(text)?;
    Some(match ms {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    })
}

/// A lifetime as `expires` has it: `i` are minutes.
pub(super) fn lifetime(text: &str) -> Option<String> {
    if text == "max" {
        return Some("10y".to_owned());
    }
    let mut seconds = milliseconds(text)? / 1000;
    if seconds == 0 {
        return Some("0s".to_owned());
    }
    let mut out = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("i", 60), ("s", 1)] {
        if seconds >= length {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}{unit}", seconds / length);
            seconds %= length;
        }
    }
    Some(out)
}

/// A size of nginx (`8k`, `1m`, `2g`) as one of ours.
pub(super) fn size(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.as_bytes().last()? {
        b'k' => (&lower[..lower.len() - 1], "KB"),
        b'm' => (&lower[..lower.len() - 1], "MB"),
        b'g' => (&lower[..lower.len() - 1], "GB"),
        _ => (&*lower, ""),
    };
    let number: u32 = number.parse().ok()?;
    Some(format!("{number}{unit}"))
}

/// The same in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let unit = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_nginx() {
        assert_eq!(text("$scheme://$host$request_uri").unwrap(), "{scheme}://{hostonly}{uri}");
        assert_eq!(text("/i.php$is_args$args").unwrap(), "/i.php?{query}");
        assert_eq!(text("${http_x_a}{b}$1").unwrap(), "{>X-A}\\{b}{1}");
        assert_eq!(text("a$geoip_city").unwrap_err(), "$geoip_city");
        assert_eq!(duration("90").as_deref(), Some("90s"));
        assert_eq!(duration("1h 30m").as_deref(), Some("90m"));
        assert_eq!(lifetime("30d").as_deref(), Some("30d"));
        assert_eq!(lifetime("1M").as_deref(), Some("30d"));
        assert_eq!(lifetime("90m").as_deref(), Some("1h30i"));
        assert_eq!(size("10m").as_deref(), Some("10MB"));
        assert_eq!(size("512").as_deref(), Some("512"));
        assert_eq!(bytes("1k"), Some(1024));
    }
}
