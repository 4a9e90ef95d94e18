//! Why handshakes failed, as they are counted.

use std::io;

use quinn::{ConnectionError, TransportErrorCode};
use rustls::AlertDescription;

use crate::metrics::HandshakeFailure;

/// Of a handshake over TCP.
pub(crate) fn of_tls(error: &io::Error) -> HandshakeFailure {
    use rustls::Error;
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match (cause, error.kind()) {
        (Some(Error::AlertReceived(_)), _) => HandshakeFailure::Alert,
        (Some(Error::PeerIncompatible(_)), _) => HandshakeFailure::Incompatible,
        (Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)), _) => {
            HandshakeFailure::ClientCertificate
        }
        // How rustls says that the resolver has no certificate for the server name.
        (Some(Error::General(_)), _) => HandshakeFailure::UnknownName,
        (Some(_), _) => HandshakeFailure::Protocol,
        // The name was refused before the handshake.
        (None, io::ErrorKind::Other) => HandshakeFailure::UnknownName,
        (None, _) => HandshakeFailure::Closed,
    }
}

/// Of a handshake over QUIC.
pub(crate) fn of_quic(error: &ConnectionError) -> HandshakeFailure {
    match error {
        ConnectionError::TimedOut => HandshakeFailure::Timeout,
        ConnectionError::VersionMismatch => HandshakeFailure::Incompatible,
        ConnectionError::TransportError(error) => of_code(error.code),
        ConnectionError::ConnectionClosed(close) if is_alert(close.error_code) => {
            HandshakeFailure::Alert
        }
        ConnectionError::CidsExhausted => HandshakeFailure::Protocol,
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed => HandshakeFailure::Closed,
    }
}

/// Of an error that this server has found.
fn of_code(code: TransportErrorCode) -> HandshakeFailure {
    let is = |alert: AlertDescription| code == TransportErrorCode::crypto(alert.into());
    use AlertDescription::{
        CertificateRequired, HandshakeFailure as NothingInCommon, NoApplicationProtocol,
        ProtocolVersion, UnrecognisedName,
    };
    if is(UnrecognisedName) {
        HandshakeFailure::UnknownName
    } else if [NothingInCommon, ProtocolVersion, NoApplicationProtocol].into_iter().any(is) {
        HandshakeFailure::Incompatible
    } else if is(CertificateRequired) {
        HandshakeFailure::ClientCertificate
    } else {
        HandshakeFailure::Protocol
    }
}

/// Whether an error code of QUIC carries a TLS alert (RFC 9001 section 4.8).
fn is_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_over_tcp_are_told_apart() {
        use rustls::{Error, PeerIncompatible};
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, expected) in [
            (tls(Error::AlertReceived(AlertDescription::UnknownCA)), HandshakeFailure::Alert),
            (
                tls(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)),
                HandshakeFailure::Incompatible,
            ),
            (tls(Error::NoCertificatesPresented), HandshakeFailure::ClientCertificate),
            (tls(Error::General("no certificate".into())), HandshakeFailure::UnknownName),
            (tls(Error::DecryptError), HandshakeFailure::Protocol),
            (io::Error::other("no certificate for a"), HandshakeFailure::UnknownName),
            (io::ErrorKind::UnexpectedEof.into(), HandshakeFailure::Closed),
            (io::ErrorKind::ConnectionReset.into(), HandshakeFailure::Closed),
        ] {
            assert_eq!(of_tls(&error), expected, "{error}");
        }
    }

    #[test]
    fn failures_over_quic_are_told_apart() {
        let ours = |alert: AlertDescription| {
            let code = TransportErrorCode::crypto(alert.into());
            let error = quinn_proto::TransportError { code, frame: None, reason: String::new() };
            ConnectionError::TransportError(error)
        };
        for (error, expected) in [
            (ConnectionError::TimedOut, HandshakeFailure::Timeout),
            (ConnectionError::Reset, HandshakeFailure::Closed),
            (ConnectionError::VersionMismatch, HandshakeFailure::Incompatible),
            (ours(AlertDescription::UnrecognisedName), HandshakeFailure::UnknownName),
            (ours(AlertDescription::NoApplicationProtocol), HandshakeFailure::Incompatible),
            (ours(AlertDescription::CertificateRequired), HandshakeFailure::ClientCertificate),
            (ours(AlertDescription::DecodeError), HandshakeFailure::Protocol),
        ] {
            assert_eq!(of_quic(&error), expected, "{error}");
        }
        assert!(is_alert(TransportErrorCode::crypto(48)));
        assert!(!is_alert(TransportErrorCode::NO_ERROR));
    }
}
