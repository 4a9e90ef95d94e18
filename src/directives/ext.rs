//! `ext .EXT…`: appends the first extension that makes a path without one name a file.

use std::path::PathBuf;

use http::Uri;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Request, paths, target};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut exts = Vec::new();
    while args.next() {
        let words = args.one_or_more()?;
        for word in words {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
            if !word.starts_with('.') || !word.bytes().all(is_plain) {
                return Err(args
                    .error(format!("ext: '{word}' is not an extension"))
                    .hint("an extension starts with a dot: ext .html .php"));
            }
            exts.push(word.to_owned());
        }
    }
    site.push(Extensions { exts, root: site.root.clone() });
    Ok(())
}

struct Extensions {
    exts: Vec<String>,
    root: PathBuf,
}

impl Extensions {
    /// The target with the first extension for which a file exists.
    async fn found(&self, uri: &Uri) -> Option<Uri> {
        let bare = target::file(&self.root, uri.path())?;
        for ext in &self.exts {
            let mut name = bare.clone().into_os_string();
            name.push(ext);
            if tokio::fs::metadata(name).await.is_ok_and(|about| about.is_file()) {
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                return format!("{}{ext}{query}", uri.path()).parse().ok();
            }
        }
        None
    }
}

impl Handler for Extensions {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        if route.ends_with('/') || !paths::extension(&route).is_empty() {
            drop(route);
            return next.run(req);
        }
        drop(route);
        Box::pin(async move {
            if let Some(uri) = self.found(&req.head.uri).await {
                req.head.uri = uri;
            }
            next.run(req).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing;

    #[tokio::test]
    async fn the_first_that_is_a_file() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.php", "a.html", "b c.php"] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        std::fs::create_dir(root.path().join("d.html")).unwrap();
        let exts = vec![".html".to_owned(), ".php".to_owned()];
        let ext = Extensions { exts, root: root.path().to_owned() };
        for (target, expected) in [
            ("/a?x=1", Some("/a.html?x=1")),
            ("/b%20c", Some("/b%20c.php")),
            ("/d", None),
            ("/../a", Some("/../a.html")),
            ("/none", None),
        ] {
            let found = ext.found(&target.parse().unwrap()).await;
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("ext", "Wrong argument count or unexpected line ending after 'ext'"),
            ("ext html", "ext: 'html' is not an extension"),
            ("ext ./x", "ext: './x' is not an extension"),
        ] {
            assert_eq!(testing::site("ext", setup, lines).err().as_deref(), Some(message));
        }
    }
}
