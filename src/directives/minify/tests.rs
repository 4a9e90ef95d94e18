//! `minify` before the files of a site.

use std::fs;
use std::path::Path;

use http::header::{CONTENT_LENGTH, ETAG, IF_NONE_MATCH, RANGE};
use http_body_util::BodyExt as _;

use super::*;
use crate::directives::{setup_static, testing};
use crate::http::request::tests::request;
use crate::site::Site;

const PAGE: &str = "<p>\n\n  a\n</p>\n";
const SMALL: &str = "<p>\na\n</p>\n";

fn site(root: &Path, lines: &str) -> Site {
    let mut site = testing::site_in(root, "minify", setup, lines).unwrap();
    setup_static(&mut site);
    site.build()
}

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("sub")).unwrap();
    for (name, text) in [
        ("index.html", PAGE),
        ("sub/index.html", PAGE),
        ("a.css", "a { b: c }\n"),
        ("a.min.css", "a { b: c }\n"),
        ("a.svg", "<svg>\n</svg>\n"),
        ("a.txt", "a  \n\n b"),
        ("wide.html", "<\0p\0>\0\n\0\n\0"),
        ("cut.css", "a { b: 'c }"),
    ] {
        fs::write(root.path().join(name), text).unwrap();
    }
    root
}

async fn get(site: &Site, target: &str) -> String {
    let response = site.handle(&mut request("GET", target)).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(text.to_vec()).unwrap()
}

#[tokio::test]
async fn which_files_are_minified() {
    let root = root();
    let all = site(root.path(), "minify");
    for (target, text) in [
        ("/", SMALL),
        ("/a.css", "a{b:c}"),
        ("/a.min.css", "a { b: c }\n"),
        ("/a.svg", "<svg></svg>"),
        ("/a.txt", "a  \n\n b"),
        ("/wide.html", "<\0p\0>\0\n\0\n\0"),
        ("/cut.css", "a { b: 'c }"),
    ] {
        assert_eq!(get(&all, target).await, text, "{target}");
    }
    let some = "minify /sub /a.css {\ndisable css\n}\nminify {\nif {path} ends_with .svg\n}";
    let some = site(root.path(), some);
    for (target, text) in
        [("/", PAGE), ("/sub/", SMALL), ("/a.css", "a { b: c }\n"), ("/a.svg", "<svg></svg>")]
    {
        assert_eq!(get(&some, target).await, text, "{target}");
    }
    let one = site(root.path(), "minify {\ndisable html svg json xml js\n}");
    assert_eq!(
        (get(&one, "/").await.as_str(), get(&one, "/a.css").await.as_str()),
        (PAGE, "a{b:c}")
    );
    let kept = site(root.path(), "minify {\nhtml keep_whitespace\nxml keep_whitespace true\n}");
    assert_eq!(get(&kept, "/").await, PAGE);
    assert_eq!(get(&kept, "/a.svg").await, "<svg>\n</svg>\n");
}

#[tokio::test]
async fn what_a_client_is_told_of_minified_content() {
    let root = root();
    let site = site(root.path(), "minify");
    let mut req = request("GET", "/a.css");
    req.head.headers.insert(RANGE, "bytes=0-1".parse().unwrap());
    let response = site.handle(&mut req).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()[CONTENT_LENGTH]),
        (StatusCode::OK, &"6".parse().unwrap())
    );
    let names = ["last-modified", "accept-ranges"];
    assert!(names.iter().all(|name| !response.headers().contains_key(*name)));
    let tag = response.headers()[ETAG].clone();
    let mut req = request("GET", "/a.css");
    req.head.headers.insert(IF_NONE_MATCH, tag.clone());
    assert_eq!(site.handle(&mut req).await.unwrap().status(), StatusCode::NOT_MODIFIED);
    // A changed file is another.
    fs::write(root.path().join("a.css"), "a { b: d }\n").unwrap();
    assert_eq!(get(&site, "/a.css").await, "a{b:d}");
    assert_eq!(site.handle(&mut req).await.unwrap().status(), StatusCode::OK);
    let head = site.handle(&mut request("HEAD", "/a.css")).await.unwrap();
    assert!(!head.headers().contains_key(CONTENT_LENGTH) && !head.headers().contains_key(ETAG));
}

#[tokio::test]
async fn a_file_is_minified_once() {
    let root = root();
    let file = root.path().join("a.css");
    // A file that has changed just now may change again.
    let settled = || crate::own_files::State::of(&fs::metadata(&file).unwrap()).is_settled();
    while !settled() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let files = |args: &mut Args<'_>, site: &mut SiteBuilder| {
        while args.next() {}
        site.remakes_files = true;
        Ok(())
    };
    let mut site = testing::site_in(root.path(), "minify", files, "minify").unwrap();
    setup_static(&mut site);
    let caches: Vec<Arc<Cache<Made>>> = vec![Arc::default()];
    let minify = Minify { rules: vec![Rule::default()], caches: caches.clone() };
    let chain: Vec<Box<dyn Handler>> = vec![Box::new(Held(site.build()))];
    let mut made = Vec::new();
    for _ in 0..2 {
        let mut req = request("GET", "/a.css");
        minify.handle(&mut req, Next::new(&chain)).await.unwrap();
        let state = crate::own_files::State::of(&fs::metadata(&file).unwrap());
        made.extend(caches[0].get(&file, &state));
    }
    assert!(made.len() == 2 && Arc::ptr_eq(&made[0], &made[1]));
    assert_eq!(made[0].content(), "a{b:c}");
}

/// The files of a site as the rest of a chain.
struct Held(Site);

impl Handler for Held {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        self.0.handle(req)
    }
}

#[test]
fn paths_that_may_be_minified() {
    for (route, expected) in [
        ("/", Some(Known::ByHead)),
        ("/a", Some(Known::ByHead)),
        ("/a.php", Some(Known::ByHead)),
        ("/a.html", Some(Known::ByPath)),
        ("/a.mjs", Some(Known::ByPath)),
        ("/a.min.js", None),
        ("/a.png", None),
        ("/a.wasm", None),
    ] {
        assert_eq!(known(route), expected, "{route}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("minify {\ndisable jss\n}", "unknown language 'jss'"),
        ("minify {\ncss precision 2\n}", "unknown option 'precision'"),
        ("minify {\nhtml keep\n}", "unknown option 'keep'"),
        ("minify {\nxml keep_whitespace yes\n}", "unknown value 'yes'"),
        (
            "minify {\ndisable css html js json svg xml\n}",
            "minify: all languages are disabled: the directive has no effect",
        ),
    ] {
        let error = testing::site("minify", setup, lines).err();
        assert_eq!(error.as_deref(), Some(message), "{lines}");
    }
    for (lines, warnings) in [
        ("css decimals 2\nhtml keep_end_tags false\nhtml keep_whitespace", 2),
        ("html keep_conditional_comments\nhtml keep_conditional_comments true", 0),
        ("html keep_conditional_comments false", 1),
    ] {
        let site = testing::site("minify", setup, &format!("minify {{\n{lines}\n}}"));
        assert_eq!(site.unwrap().warnings.len(), warnings, "{lines}");
    }
}
