//! Where certificates come from that are not in files of the operator's: what the resolver needs
//! of them, whoever obtains them.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::pem::Loaded;
use super::policy::Policy;
use super::wanted::Wanted;

/// The certificates of one site.
pub trait CertificateSource: Debug + Send + Sync {
    /// What a handshake that asks for `name` is shown, if there is anything.
    fn certified(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>>;

    /// The certificate that is to be kept beside handshakes; `None` where each is obtained when
    /// a handshake asks for it.
    fn wanted(&self) -> Option<&Wanted>;

    /// The certificate shown now, where it may have a staple.
    fn current(&self) -> Option<Arc<Loaded>>;

    /// Shows the key, which has another staple, in the place of the one for its certificate.
    fn staple(&self, key: &Arc<CertifiedKey>);

    /// Waits for the certificate of a name that a handshake asks for; `None` where there is
    /// nothing to wait for.
    fn prepare(self: Arc<Self>, name: String) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

/// Who obtains certificates from a CA.
pub trait Issuer {
    /// The certificates of a site: known ones, or read from the store.
    fn source(&self, host: &str, policy: &Policy) -> Result<Arc<dyn CertificateSource>, String>;

    /// Whether control over a name may be proved by TLS-ALPN-01.
    fn validates_by_alpn(&self) -> bool;
}
