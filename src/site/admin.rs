//! Sites for the operator, such as that of the metrics.

use std::net::SocketAddr;

use crate::chain::Handler;
use crate::http::ranges::Ranges;

/// A site that a directive serves at an address of its own, beside the site that it is written in.
/// Several sites may ask for the same one; it is served once.
pub struct AdminSite {
    /// What it is for, as in `metrics`.
    pub name: &'static str,
    pub addr: SocketAddr,
    /// The path that it is served at. Sites with different paths may share an address.
    pub path: String,
    /// Who may read it; empty: everyone who can connect.
    pub allowed: Ranges,
    /// `FILE:LINE` of the directive.
    pub place: String,
    pub handler: Box<dyn Handler>,
}

impl AdminSite {
    /// Whether both are the same site.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |site: &Self| (site.name, site.addr, site.path.clone(), site.allowed.clone());
        key(self) == key(other)
    }
}
