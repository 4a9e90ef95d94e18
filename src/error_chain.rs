//! An error and what caused it, on one line: the one printer of them. What libraries say for
//! their own developers becomes a sentence for whoever runs the service, with what to do.

use std::error::Error;
use std::io;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

const NO_TLS: &str = "it does not speak TLS: write http:// in place of https://";
const NO_HTTP2: &str =
    "it does not speak HTTP/2: write http:// in place of h2c://, or https:// in place of h2://";
const NO_NAME: &str = "the name does not exist";
const NO_NAME_SERVER: &str = "no name server answers";
const UNTRUSTED: &str = "its certificate is not from an authority that is trusted here: write \
                         ca_certificates FILE, with the certificate of its authority";

/// The error, then each cause that adds something.
pub fn display_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(mut link) = next {
        // An I/O error that wraps another stands for it, and would skip it as a source.
        while let Some(inner) = link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            link = inner;
        }
        next = link.source();
        let said = match sentence(link) {
            Some(sentence) => {
                next = None;
                sentence
            }
            // hyper names the part of it that failed; its cause says why.
            None if next.is_some() && link.is::<hyper::Error>() => continue,
            None => link.to_string(),
        };
        if !text.contains(&said) {
            let gap = if text.is_empty() { "" } else { ": " };
            text.extend([gap, &said]);
        }
    }
    text
}

/// The whole truth about an error of a library, where there is more to say than it does.
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
        return Some(format!("the CA says: {}", text.strip_prefix("API error: ")?));
    }
    // The C library's words for names, which the standard library hands on as text.
    let text = error.to_string();
    let asked = text.strip_prefix("failed to lookup address information: ")?;
    let unknown = ["Name or service not known", "No address associated with hostname"];
    Some(if unknown.contains(&asked) { NO_NAME } else { NO_NAME_SERVER }.to_owned())
}

fn tls(error: &rustls::Error) -> Option<String> {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage as Message};
    let said = match error {
        Message(InvalidMessage::InvalidContentType) => NO_TLS,
        InvalidCertificate(why) => return certificate(why),
        AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a client certificate: write tls_client CERTIFICATE KEY"
        }
        AlertReceived(AlertDescription::UnrecognisedName) => {
            "it serves no site of this name (TLS alert unrecognized_name)"
        }
        AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion) => {
            "it takes none of the TLS versions and ciphers that it was offered"
        }
        AlertReceived(alert) => return Some(format!("it refused TLS with the alert {alert:?}")),
        Message(_) => "its side of the TLS handshake is malformed",
        rustls::Error::NoApplicationProtocol => NO_HTTP2,
        _ => return None,
    };
    Some(said.to_owned())
}

fn certificate(why: &CertificateError) -> Option<String> {
    use CertificateError as Why;
    let said = match why {
        Why::UnknownIssuer | Why::BadSignature => UNTRUSTED,
        Why::Expired | Why::ExpiredContext { .. } => "its certificate has expired",
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "its certificate is not valid yet: check the clocks"
        }
        Why::Revoked => "its certificate is revoked",
        Why::NotValidForName => "its certificate is for other names",
        Why::NotValidForNameContext { expected, presented } => {
            // Each is told as `DnsName("NAME")`.
            let bare = |one: &String| one.split('"').nth(1).unwrap_or(one).to_owned();
            let names = presented.iter().map(bare).collect::<Vec<_>>().join(", ");
            let name = expected.to_str();
            return Some(format!("its certificate is not for {name}, but for {names}"));
        }
        _ => return None,
    };
    Some(said.to_owned())
}

fn http2(error: &h2::Error) -> Option<String> {
    let reason = error.reason()?;
    Some(match () {
        // The letters of HTTP/1.1 as the length of a frame.
        () if !error.is_remote() && reason == h2::Reason::FRAME_SIZE_ERROR => NO_HTTP2.to_owned(),
        () if error.is_remote() && error.is_reset() => format!("it reset the stream ({reason:?})"),
        () if error.is_remote() => format!("it ended the connection ({reason:?})"),
        () => format!("it broke the rules of HTTP/2 ({reason:?})"),
    })
}

fn http1(error: &hyper::Error) -> Option<String> {
    let said = if error.is_incomplete_message() {
        "it closed the connection before its answer was whole"
    } else if error.is_parse() {
        "its answer is not HTTP/1.1"
    } else {
        return None;
    };
    Some(said.to_owned())
}

fn dns(error: &NetError) -> Option<String> {
    let said = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            match (none.response_code, none.query.query_type()) {
                (ResponseCode::NXDomain, _) => NO_NAME,
                (_, RecordType::SRV) => "the service has no servers",
                _ => "the name has no address",
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            return Some(format!("the name server answers: {code}"));
        }
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) | NetError::Busy => {
            NO_NAME_SERVER
        }
        _ => return None,
    };
    Some(said.to_owned())
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
    fn causes_follow_and_are_said_once() {
        let refused = io::Error::from_raw_os_error(111);
        let inner = Outer("cannot connect to a:1", Box::new(refused));
        let error = Outer("upstream a", Box::new(Outer("upstream a", Box::new(inner))));
        let told = "upstream a: cannot connect to a:1: Connection refused (os error 111)";
        assert_eq!(display_chain(&error), told);
    }

    #[test]
    fn libraries_are_translated() {
        let io = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let libc =
            |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        let cases: [(Box<dyn Error>, &str); 14] = [
            (Box::new(io(InvalidMessage::InvalidContentType.into())), NO_TLS),
            (Box::new(io(CertificateError::UnknownIssuer.into())), UNTRUSTED),
            (Box::new(io(CertificateError::Expired.into())), "its certificate has expired"),
            (Box::new(io(CertificateError::Revoked.into())), "its certificate is revoked"),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::InternalError))),
                "it refused TLS with the alert InternalError",
            ),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::CertificateRequired))),
                "it asks for a client certificate: write tls_client CERTIFICATE KEY",
            ),
            (
                Box::new(io(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion))),
                "it takes none of the TLS versions and ciphers that it was offered",
            ),
            (Box::new(h2::Error::from(h2::Reason::FRAME_SIZE_ERROR)), NO_HTTP2),
            (
                Box::new(h2::Error::from(h2::Reason::PROTOCOL_ERROR)),
                "it broke the rules of HTTP/2 (PROTOCOL_ERROR)",
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
