//! The traits between the resolver and the issuer of certificates.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::certificate_spec::CertificateSpec;
use super::pem::Loaded;
use super::policy::Policy;
use super::report::CertificateState;

/// The certificates of one site.
pub trait CertificateSource: Debug + Send + Sync {
    /// The certificate for a handshake with this SNI.
    fn certified(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>>;

    /// The certificate to obtain and renew in the background; `None` for on-demand TLS.
    fn spec(&self) -> Option<&CertificateSpec>;

    /// The current certificate, if it can have an OCSP staple.
    fn current(&self) -> Option<Arc<Loaded>>;

    /// Its certificates, those that could not be obtained included.
    fn report(&self) -> Vec<CertificateState>;

    /// Replaces the key of the same certificate by one with another staple.
    fn staple(&self, key: &Arc<CertifiedKey>);

    /// Waits until the certificate of a name is available; `None` if the handshake need not wait.
    fn prepare(self: Arc<Self>, name: String) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

/// Obtains certificates from a CA.
pub trait Issuer {
    /// The certificates of a site: known ones, or from the storage.
    fn source(&self, host: &str, policy: &Policy) -> Result<Arc<dyn CertificateSource>, String>;

    /// Whether TLS-ALPN-01 is enabled.
    fn validates_by_alpn(&self) -> bool;
}
