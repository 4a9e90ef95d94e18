//! Static files, innermost in every site (stub).
use crate::site::SiteBuilder;

/// Ends a site's chain with its files.
pub fn setup_static(site: &mut SiteBuilder) {
    let _ = site;
}
