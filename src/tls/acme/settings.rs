//! The settings for certificates from a CA, from the command line.

use std::fmt;
use std::time::Duration;

/// The settings for all certificates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `-ca`: the URL of the directory.
    pub ca: String,
    /// `-email`; may be empty.
    pub email: String,
    /// `-agree`.
    pub agreed: bool,
    /// `-catimeout`, for each request.
    pub timeout: Duration,
    /// The enabled challenges, the preferred one first.
    pub challenges: Vec<Challenge>,
}

/// A challenge type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    Http,
    TlsAlpn,
    Dns,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
            Self::Dns => "dns-01",
        })
    }
}

/// Parses the URL of a CA's directory; the default scheme is `https`. Plain HTTP is allowed for
/// loopback addresses and 10.0.0.0/8, as in v1.
pub fn ca_url(text: &str) -> Result<String, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri: http::Uri = url.parse().map_err(|error| format!("CA URL '{text}': {error}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost"
        || host.starts_with("10.")
        || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(url),
        Some("http") if local => Ok(url),
        _ => Err(format!("{text}: insecure CA URL (HTTPS required)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_near_cas_only() {
        for (text, expected) in [
            ("ca.example/dir", Some("https://ca.example/dir")),
            ("https://ca.example/dir", Some("https://ca.example/dir")),
            ("http://127.0.0.1:4000/dir", Some("http://127.0.0.1:4000/dir")),
            ("http://10.1.2.3/dir", Some("http://10.1.2.3/dir")),
            ("http://ca.example/dir", None),
            ("ftp://ca.example/dir", None),
        ] {
            let got = ca_url(text);
            assert_eq!(got.as_deref().ok(), expected, "{text}");
            assert!(got.is_ok() || got.unwrap_err().contains("insecure CA URL (HTTPS required)"));
        }
    }
}
