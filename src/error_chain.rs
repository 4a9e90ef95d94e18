//! Formats an error and its causes on one line. Messages that libraries write for developers are
//! replaced by sentences for the operator, with the remedy.

use std::error::Error;
use std::io;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

const NO_TLS: &str = "the server does not speak TLS: write http:// instead of https://";
const NO_HTTP2: &str =
    "the server does not support HTTP/2: write http:// for h2c://, and https:// for h2://";
const NO_NAME: &str = "the name does not exist";
const NO_NAME_SERVER: &str = "no name server responded";
const UNTRUSTED: &str = "the certificate of the server is not signed by a trusted authority: write \
                         ca_certificates FILE, where FILE holds the certificate of that authority";

/// The error, then each cause whose text is not contained in it yet.
pub fn display_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(mut link) = next {
        // An I/O error that wraps another stands for it, and would skip it as a source.
        while let Some(inner) = link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            link = inner;
        }
        next = link.source();
        let part = match sentence(link) {
            Some(sentence) => {
                next = None;
                sentence
            }
            // hyper names its part that failed; the cause gives the reason.
            None if next.is_some() && link.is::<hyper::Error>() => continue,
            None => link.to_string(),
        };
        if !text.contains(&part) {
            let gap = if text.is_empty() { "" } else { ": " };
            text.extend([gap, &part]);
        }
    }
    text
}

/// A sentence for an error of a library whose own text does not help an operator. It covers the
/// causes too.
fn sentence(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return tls(error);
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return http2(error);
    }
    if let Some(error) = error.downcast_ref::<NetError>() {
        return dns(error);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return http1(error);
    }
    if let Some(error @ instant_acme::Error::Api(_)) = error.downcast_ref() {
        let text = error.to_string();
        return Some(format!("the CA responded: {}", text.strip_prefix("API error: ")?));
    }
    // getaddrinfo(3)'s error, which the standard library passes on as text only.
    let text = error.to_string();
    let asked = text.strip_prefix("failed to lookup address information: ")?;
    let unknown = ["Name or service not known", "No address associated with hostname"];
    Some(if unknown.contains(&asked) { NO_NAME } else { NO_NAME_SERVER }.to_owned())
}

fn tls(error: &rustls::Error) -> Option<String> {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage as Message};
    let text = match error {
        Message(InvalidMessage::InvalidContentType) => NO_TLS,
        InvalidCertificate(why) => return certificate(why),
        AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a client certificate: write tls_client CERTIFICATE KEY"
        }
        AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server has no site of this name (TLS alert unrecognized_name)"
        }
        AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion) => {
            "the server accepts none of the offered TLS versions and ciphers"
        }
        AlertReceived(alert) => {
            return Some(format!("the server aborted the handshake (alert {alert:?})"));
        }
        Message(_) => "the server sent a malformed TLS handshake message",
        rustls::Error::NoApplicationProtocol => NO_HTTP2,
        _ => return None,
    };
    Some(text.to_owned())
}

fn certificate(why: &CertificateError) -> Option<String> {
    use CertificateError as Why;
    let text = match why {
        Why::UnknownIssuer | Why::BadSignature => UNTRUSTED,
        Why::Expired | Why::ExpiredContext { .. } => "the certificate of the server has expired",
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the certificate of the server is not valid yet: check the clocks"
        }
        Why::Revoked => "the certificate of the server has been revoked",
        Why::NotValidForName => "the certificate of the server is for other names",
        Why::NotValidForNameContext { expected, presented } => {
            // Each is formatted as `DnsName("NAME")`.
            let bare = |one: &String| one.split('"').nth(1).unwrap_or(one).to_owned();
            let names = presented.iter().map(bare).collect::<Vec<_>>().join(", ");
            let name = expected.to_str();
            return Some(format!("the certificate of the server is for {names}, not {name}"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn http2(error: &h2::Error) -> Option<String> {
    let reason = error.reason()?;
    Some(match () {
        // The text of an HTTP/1.1 response was read as a frame header.
        () if !error.is_remote() && reason == h2::Reason::FRAME_SIZE_ERROR => NO_HTTP2.to_owned(),
        () if error.is_remote() && error.is_reset() => {
            format!("the server reset the stream ({reason:?})")
        }
        () if error.is_remote() => format!("the server closed the connection ({reason:?})"),
        () => format!("the server violated the HTTP/2 protocol ({reason:?})"),
    })
}

fn http1(error: &hyper::Error) -> Option<String> {
    let text = if error.is_incomplete_message() {
        "the server closed the connection before the response was complete"
    } else if error.is_parse() {
        "the response is not HTTP/1.1"
    } else {
        return None;
    };
    Some(text.to_owned())
}

fn dns(error: &NetError) -> Option<String> {
    let text = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            match (none.response_code, none.query.query_type()) {
                (ResponseCode::NXDomain, _) => NO_NAME,
                (_, RecordType::SRV) => "no SRV record names a server",
                _ => "the name has no address",
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            return Some(format!("the name server responded: {code}"));
        }
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) | NetError::Busy => {
            NO_NAME_SERVER
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use hickory_resolver::net::NoRecords;
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Name;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] Box<dyn Error>);

    fn none(code: ResponseCode, kind: RecordType) -> NetError {
        let query = Query::query(Name::from_ascii("x.").unwrap(), kind);
        NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(query, code)))
    }

    #[test]
    fn causes_follow_once_each() {
        let refused = io::Error::from_raw_os_error(111);
        let inner = Outer("cannot connect to a:1", Box::new(refused));
        let error = Outer("upstream a", Box::new(Outer("upstream a", Box::new(inner))));
        let expected = "upstream a: cannot connect to a:1: Connection refused (os error 111)";
        assert_eq!(display_chain(&error), expected);
    }

    #[test]
    fn libraries_are_translated() {
        let io = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let libc =
            |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        let cases: [(Box<dyn Error>, &str); 14] = [
            (Box::new(io(InvalidMessage::InvalidContentType.into())), NO_TLS),
            (Box::new(io(CertificateError::UnknownIssuer.into())), UNTRUSTED),
            (
                Box::new(io(CertificateError::Expired.into())),
                "the certificate of the server has expired",
            ),
            (
                Box::new(io(CertificateError::Revoked.into())),
                "the certificate of the server has been revoked",
            ),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::InternalError))),
                "the server aborted the handshake (alert InternalError)",
            ),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::CertificateRequired))),
                "the server requires a client certificate: write tls_client CERTIFICATE KEY",
            ),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion))),
                "the server accepts none of the offered TLS versions and ciphers",
            ),
            (Box::new(h2::Error::from(h2::Reason::FRAME_SIZE_ERROR)), NO_HTTP2),
            (
                Box::new(h2::Error::from(h2::Reason::PROTOCOL_ERROR)),
                "the server violated the HTTP/2 protocol (PROTOCOL_ERROR)",
            ),
            (Box::new(none(ResponseCode::NXDomain, RecordType::A)), NO_NAME),
            (Box::new(none(ResponseCode::NoError, RecordType::AAAA)), "the name has no address"),
            (Box::new(NetError::Timeout), NO_NAME_SERVER),
            (Box::new(libc("Name or service not known")), NO_NAME),
            (Box::new(libc("Temporary failure in name resolution")), NO_NAME_SERVER),
        ];
        for (error, sentence) in cases {
            let error = Outer("it failed", error);
            assert_eq!(display_chain(&error), format!("it failed: {sentence}"), "{error:?}");
        }
    }
}
