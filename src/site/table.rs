//! The choice of the site for a request.

use std::sync::Arc;

use fnv::FnvHashMap;

use super::builder::Site;

/// Sites by host, then by the longest path.
#[derive(Default)]
pub struct SiteTable {
    /// Clients cannot add keys, so FNV is safe against collisions.
    hosts: FnvHashMap<String, Vec<Arc<Site>>>,
    has_wildcards: bool,
}

impl SiteTable {
    pub fn insert(&mut self, site: Arc<Site>) {
        self.has_wildcards |= site.address.host.contains('*');
        let paths = self.hosts.entry(site.address.host.clone()).or_default();
        paths.push(site);
        paths.sort_by_key(|site| std::cmp::Reverse(site.path.as_str().len()));
    }

    /// The exact host, else with labels replaced by `*` from the left, else `0.0.0.0`, the empty
    /// host or `*`; then the site with the longest path that is a prefix of the request's.
    pub fn find(&self, host: &str, path: &str) -> Option<&Site> {
        let sites = self
            .hosts
            .get(host)
            .or_else(|| self.wildcard(host))
            .or_else(|| self.hosts.get("0.0.0.0"))
            .or_else(|| self.hosts.get(""))
            .or_else(|| self.hosts.get("*"))?;
        sites.iter().find(|site| site.path.holds(path)).map(|site| &**site)
    }

    /// The site if there is exactly one.
    pub fn only(&self) -> Option<&Site> {
        let mut all = self.hosts.values().flatten();
        all.next().filter(|_| all.next().is_none()).map(|site| &**site)
    }

    fn wildcard(&self, host: &str) -> Option<&Vec<Arc<Site>>> {
        if !self.has_wildcards {
            return None;
        }
        let mut labels: Vec<&str> = host.split('.').collect();
        for at in 0..labels.len() {
            labels[at] = "*";
            if let Some(sites) = self.hosts.get(&labels.join(".")) {
                return Some(sites);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::address::Address;
    use crate::http::sink::tests::NoSinks;
    use crate::site::SiteBuilder;

    fn table(keys: &[&str]) -> SiteTable {
        let mut table = SiteTable::default();
        for key in keys {
            let address = Address::parse(key).unwrap();
            let site = SiteBuilder::new(address, "/".into(), Arc::new(NoSinks));
            table.insert(Arc::new(site.build()));
        }
        table
    }

    #[test]
    fn the_host_then_the_longest_path() {
        let several = &[
            "example",
            "example.com",
            "*.example.com",
            "example.com/foo",
            "example.com/foo/bar",
            "*.example.com/test",
        ][..];
        for (keys, host, path, expected) in [
            (several, "not-in-trie.com", "/", None),
            (several, "example", "/x", Some("example")),
            (several, "example.com", "/test", Some("example.com")),
            (several, "example.com", "/foo/", Some("example.com/foo")),
            (several, "example.com", "/Foo", Some("example.com/foo")),
            (several, "example.com", "/foo/other", Some("example.com/foo")),
            (several, "example.com", "/foo/bar/x", Some("example.com/foo/bar")),
            (several, "example.com", "/foobar", Some("example.com/foo")),
            (several, "foo.example.com", "/else", Some("*.example.com")),
            (several, "foo.example.com", "/test/x", Some("*.example.com/test")),
            (several, "a.foo.example.com", "/", None),
            (&["example.com", ""], "other.com", "/x", Some("")),
            (&["0.0.0.0/asdf"], "host", "/asdf", Some("0.0.0.0/asdf")),
            (&["0.0.0.0/asdf"], "example.com", "/foo", None),
            (&["*/foo"], "example.com", "/foo", Some("*/foo")),
            (&["*.*.com"], "a.b.com", "/", Some("*.*.com")),
            (&["example.com:1234"], "example.com", "/foo", Some("example.com:1234")),
            (&["example.com/foo", ""], "example.com", "/", None),
        ] {
            let table = table(keys);
            let found = table.find(host, path).map(|site| site.address.original.as_str());
            assert_eq!(found, expected, "{host}{path} among {keys:?}");
        }
    }
}
