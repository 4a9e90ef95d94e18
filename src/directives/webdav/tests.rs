//! `webdav` with a folder of its own, and links that lead out of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use bytes::Bytes;
use http::HeaderName;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::*;
use crate::directives::testing;
use crate::http::Body;
use crate::http::request::tests::request;
use crate::limits::{WEBDAV_NAMES, WEBDAV_XML};
use crate::site::Site;

/// A folder, and a site that has it at `/dav`.
struct Place {
    folder: tempfile::TempDir,
    site: Site,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Place {
    fn new(options: &str) -> Self {
        Self::withholding(options, &[])
    }

    /// With files that are never served, by their names in the folder.
    fn withholding(options: &str, hidden: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scope = folder.path().join("scope");
        fs::create_dir(&scope).unwrap();
        let lines = format!("webdav /dav/ {{\nscope {}\n{options}\n}}", scope.display());
        let mut site = testing::site("webdav", setup, &lines).unwrap();
        site.hidden.extend(hidden.iter().map(|name| scope.join(name)));
        site.push(testing::Answer(|_: &mut Request| Err(Fault::status(StatusCode::NOT_FOUND))));
        Self { folder, site: site.build() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("scope").join(name)
    }

    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], text: &str) -> Answer {
        self.send_body(method, path, fields, text.to_owned().into()).await
    }

    async fn send_body(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let mut req = request(method, path);
        req.user = Some("kim".to_owned());
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).unwrap();
            req.head.headers.insert(name, value.parse().unwrap());
        }
        req.body = body;
        match self.site.handle(&mut req).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let text = body.collect().await.unwrap().to_bytes();
                let text = String::from_utf8(text.into()).unwrap();
                Answer { status: head.status.as_u16(), headers: head.headers, text }
            }
            Err(fault) => {
                let (status, headers) = (fault.status.as_u16(), fault.headers);
                Answer { status, headers, text: String::new() }
            }
        }
    }

    async fn status(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> u16 {
        let text = if method == "PUT" { "x" } else { "" };
        self.send(method, path, fields, text).await.status
    }
}

#[test]
fn folders_are_known_that_clients_write_to() {
    for (options, expected) in [
        ("", true),
        ("modify false", false),
        ("modify false\nkim:\nmodify true", true),
        ("kim:\nmodify false", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lines = format!("webdav {{\nscope {}\n{options}\n}}", folder.path().display());
        let site = testing::site("webdav", setup, &lines).unwrap();
        assert_eq!(site.foreign.holds_path(folder.path()), expected, "{options}");
    }
}

#[tokio::test]
async fn nothing_leaves_the_folder() {
    let place = Place::new("");
    let outside = place.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "kept").unwrap();
    symlink(&outside, place.at("link")).unwrap();
    symlink(outside.join("file"), place.at("name")).unwrap();
    fs::create_dir(place.at("folder")).unwrap();
    symlink(&outside, place.at("folder/link")).unwrap();
    for (method, path, status) in [
        ("GET", "/dav/link/file", 403),
        ("GET", "/dav/name", 404),
        ("PUT", "/dav/link/new", 403),
        ("PUT", "/dav/%2e%2e/outside/new", 404),
        ("PUT", "/dav/a%00b", 403),
        ("MKCOL", "/dav/link/new", 403),
        ("DELETE", "/dav/link/file", 403),
        ("DELETE", "/dav/", 403),
        ("DELETE", "/dav", 403),
        ("LOCK", "/dav/link/file", 400),
        ("GET", "/davx", 404),
    ] {
        assert_eq!(place.status(method, path, &[]).await, status, "{method} {path}");
    }
    for (destination, status) in [
        ("/dav/link/stolen", 409),
        ("/dav/../outside/stolen", 502),
        ("/davx/stolen", 502),
        ("http://other.example/dav/stolen", 502),
        ("dav/stolen", 400),
        ("http://[", 400),
        ("/dav/copied", 201),
    ] {
        let fields = [("destination", destination)];
        assert_eq!(place.status("COPY", "/dav/folder", &fields).await, status, "{destination}");
    }
    assert_eq!(place.status("MOVE", "/dav/folder", &[("destination", "/dav/moved")]).await, 201);
    assert_eq!(fs::read_dir(place.at("copied")).unwrap().count(), 0, "no link is copied");
    assert_eq!(place.status("DELETE", "/dav/moved", &[]).await, 204);
    // A link in the place of a file is replaced and not followed.
    assert_eq!(place.status("PUT", "/dav/name", &[]).await, 204);
    assert_eq!(fs::read_to_string(place.at("name")).unwrap(), "x");
    let list = place.send("PROPFIND", "/dav/", &[("depth", "1")], "").await;
    assert!(list.text.contains("/dav/name") && !list.text.contains("/dav/link"), "{}", list.text);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_never_served_is_neither_sent_nor_changed() {
    let place = Place::withholding("", &["Caddyfile", "conf/.htpasswd", "conf/missing"]);
    fs::create_dir(place.at("conf")).unwrap();
    for name in ["Caddyfile", "conf/.htpasswd", "own"] {
        fs::write(place.at(name), "kept").unwrap();
    }
    for path in ["/dav/Caddyfile", "/dav/conf/.htpasswd", "/dav/conf/missing"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "MKCOL"] {
            let fields = [("depth", "0")];
            let fields = &fields[..usize::from(method == "PROPFIND")];
            let text = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><a/></D:prop></D:set>\
                        </D:propertyupdate>";
            let text = if method == "PROPPATCH" { text } else { "" };
            let answer = place.send(method, path, fields, text).await;
            assert_eq!(answer.status, 403, "{method} {path}");
        }
        let lock = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
        assert_eq!(place.send("LOCK", path, &[], lock).await.status, 403, "{path}");
        for method in ["COPY", "MOVE"] {
            let from = place.status(method, path, &[("destination", "/dav/out")]).await;
            let to = place.status(method, "/dav/own", &[("destination", path)]).await;
            assert_eq!([from, to], [403, 403], "{method} {path}");
        }
    }
    let out = [("destination", "/dav/out")];
    for (method, fields) in [("DELETE", &[][..]), ("MOVE", &out), ("COPY", &out)] {
        assert_eq!(place.status(method, "/dav/conf", fields).await, 403, "{method}");
    }
    fs::create_dir(place.at("new")).unwrap();
    assert_eq!(place.status("MOVE", "/dav/new", &[("destination", "/dav/conf")]).await, 403);
    let list = place.send("PROPFIND", "/dav/", &[("depth", "1")], "").await.text;
    assert!(list.contains("/dav/own") && !list.contains("Caddyfile"), "{list}");
    for name in ["Caddyfile", "conf/.htpasswd", "own"] {
        assert_eq!(fs::read_to_string(place.at(name)).unwrap(), "kept", "{name}");
    }
    assert_eq!(place.status("PUT", "/dav/conf/other", &[]).await, 201);
}

#[tokio::test]
async fn nobody_reaches_what_git_knows() {
    let place = Place::new("");
    fs::create_dir_all(place.at("site/.git")).unwrap();
    fs::write(place.at("site/.git/config"), "kept").unwrap();
    fs::write(place.at("own"), "").unwrap();
    for path in ["/dav/site/.git/config", "/dav/site/.GIT/config", "/dav/site/.git", "/dav/.git"] {
        for (method, path, fields) in [
            ("GET", path, &[][..]),
            ("PUT", path, &[]),
            ("DELETE", path, &[]),
            ("PROPFIND", path, &[("depth", "1")]),
            ("MOVE", "/dav/own", &[("destination", path)]),
            ("COPY", "/dav/own", &[("destination", path)]),
            ("COPY", "/dav/site", &[("destination", path)]),
        ] {
            assert_eq!(place.status(method, path, fields).await, 403, "{method} {path}");
        }
    }
    assert_eq!(place.status("DELETE", "/dav/site", &[]).await, 403);
    let list = place.send("PROPFIND", "/dav/site", &[("depth", "1")], "").await.text;
    assert!(list.contains("/dav/site") && !list.contains(".git"), "{list}");
    assert_eq!(fs::read_to_string(place.at("site/.git/config")).unwrap(), "kept");
    assert_eq!(place.status("PUT", "/dav/site/.gitignore", &[]).await, 201);
}

#[tokio::test]
async fn a_folder_neither_goes_into_itself_nor_removes_itself() {
    let place = Place::new("");
    fs::create_dir_all(place.at("a/b/c")).unwrap();
    for method in ["COPY", "MOVE"] {
        for (from, to) in [("/dav/a", "/dav/a/b/d"), ("/dav/a/b", "/dav/a"), ("/dav/a", "/dav/a")] {
            let status = place.status(method, from, &[("destination", to)]).await;
            assert_eq!(status, 403, "{method} {from} {to}");
        }
    }
    assert!(place.at("a/b/c").is_dir());
}

#[tokio::test]
async fn bounds() {
    let place = Place::new("");
    fs::write(place.at("a"), "a").unwrap();
    let find = async |text: &str| place.send("PROPFIND", "/dav/a", &[("depth", "0")], text).await;
    let open = "<propfind xmlns=\"DAV:\"><allprop/></propfind>";
    let pad = |more: usize| " ".repeat(WEBDAV_XML - open.len() + more);
    assert_eq!(find(&format!("{open}{}", pad(0))).await.status, 207);
    assert_eq!(find(&format!("{open}{}", pad(1))).await.status, 413);
    let names = |count: usize| format!("/dav{}", "/d".repeat(count));
    assert_eq!(place.status("MKCOL", &names(WEBDAV_NAMES + 1), &[]).await, 403);
    fs::create_dir_all(place.at(&names(WEBDAV_NAMES)[5..])).unwrap();
    fs::create_dir(place.at("e")).unwrap();
    let to = [("destination", "/dav/e/f")];
    assert_eq!(place.status("MOVE", "/dav/d", &to).await, 507, "it would be too deep");
    assert_eq!(place.status("DELETE", "/dav/d", &[]).await, 204);
    let value = "x".repeat(40 << 10);
    let text = format!(
        "<propertyupdate xmlns=\"DAV:\"><set><prop><x>{value}</x></prop></set></propertyupdate>"
    );
    let told = place.send("PROPPATCH", "/dav/a", &[], &text).await;
    assert!(told.status == 207 && told.text.contains("507 Insufficient"), "{}", told.text);
}

/// Rules hold for what a folder has at its new place, too.
#[tokio::test]
async fn nothing_gets_to_a_path_that_is_blocked() {
    let place = Place::new("block /b/x");
    fs::create_dir(place.at("a")).unwrap();
    fs::write(place.at("a/x"), "x").unwrap();
    for (method, from, to, status) in [
        ("COPY", "/dav/a", "/dav/b", 403),
        ("MOVE", "/dav/a", "/dav/b", 403),
        ("COPY", "/dav/a", "/dav/c", 201),
        ("MOVE", "/dav/c", "/dav/a", 204),
    ] {
        let to = [("destination", to)];
        assert_eq!(place.status(method, from, &to).await, status, "{method} {from} {to:?}");
    }
    assert!(!place.at("b").exists() && place.at("a/x").exists());
    let names: Vec<_> = fs::read_dir(place.at("")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

/// What comes in while a file is uploaded is not lost.
#[tokio::test]
async fn conditions_hold_when_the_file_gets_its_name() {
    let place = Place::new("");
    let put = async |field: (&str, &str), meanwhile: &str| {
        let file = place.at("a");
        let pieces = [None, Some(meanwhile.to_owned())].into_iter().map(move |meanwhile| {
            if let Some(text) = meanwhile {
                fs::write(&file, text).unwrap();
            }
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"put")))
        });
        let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        place.send_body("PUT", "/dav/a", &[field], body).await.status
    };
    let text = || fs::read_to_string(place.at("a")).unwrap();
    assert_eq!(put(("if-none-match", "*"), "made").await, 412);
    assert_eq!(text(), "made");
    let tag = place.send("HEAD", "/dav/a", &[], "").await.headers["etag"].clone();
    assert_eq!(put(("if-match", tag.to_str().unwrap()), "changed").await, 412);
    assert_eq!(text(), "changed");
    assert_eq!(put(("if-match", "*"), "again").await, 204);
    assert_eq!(text(), "putput");
    symlink("a", place.at("link")).unwrap();
    assert_eq!(place.send("LOCK", "/dav/link", &[], LOCK).await.status, 409);
    assert!(place.at("link").is_symlink(), "LOCK replaces nothing");
}

/// A few bytes of a request stand for the namespace, or the language, that is around them.
#[tokio::test]
async fn what_xml_expands_to_is_bounded() {
    let place = Place::new("");
    for number in 0..310 {
        fs::write(place.at(&number.to_string()), "").unwrap();
    }
    let long = "u".repeat(32 << 10);
    let find = async |around: &str, within: &str| {
        let text =
            format!("<D:propfind xmlns:D=\"DAV:\" {around}><D:prop>{within}</D:prop></D:propfind>");
        place.send("PROPFIND", "/dav/", &[("depth", "1")], &text).await
    };
    let space = format!("xmlns=\"{long}\"");
    assert_eq!(find(&space, "<a/>").await.status, 207);
    assert_eq!(find(&space, &"<a/>".repeat(7000)).await.status, 400);
    let space = format!("xmlns:x=\"{long}\"");
    assert_eq!(find(&space, &"<D:a x:b=\"\"/>".repeat(2000)).await.status, 400);
    let again = find("", &"<a/><D:getetag/>".repeat(3000)).await;
    let count = |text: &str| again.text.matches(text).count();
    assert_eq!((again.status, count("<a xmlns"), count("<D:getetag>")), (207, 311, 310));
    let many: String = (0..7000).map(|number| format!("<a{number}/>")).collect();
    assert_eq!(find("", &many).await.status, 507, "310 times 7,000 names");
    let properties = "<a/>".repeat(7000);
    let text = format!(
        "<D:propertyupdate xmlns:D=\"DAV:\" xml:lang=\"{long}\"><D:set><D:prop>{properties}\
         </D:prop></D:set></D:propertyupdate>"
    );
    assert_eq!(place.send("PROPPATCH", "/dav/1", &[], &text).await.status, 507);
    let owner = LOCK.replace("Kim", &"Kim".repeat(400));
    assert_eq!(place.send("LOCK", "/dav/owned", &[], &owner).await.status, 507);
    assert!(!place.at("owned").exists());
}

const LOCK: &str = "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope>\
                    <locktype><write/></locktype><owner>Kim &amp; co</owner></lockinfo>";

#[tokio::test]
async fn locks_hold() {
    let place = Place::new("");
    let taken = place.send("LOCK", "/dav/a", &[("timeout", "Second-7, Infinite")], LOCK).await;
    assert_eq!(taken.status, 201, "it makes the file: {}", taken.text);
    assert!(taken.text.contains(">Kim &amp; co</owner><D:timeout>Second-"), "{}", taken.text);
    let token = taken.headers["lock-token"].to_str().unwrap().to_owned();
    assert_eq!(place.send("LOCK", "/dav/a", &[], LOCK).await.status, 423);
    let refused = place.send("PUT", "/dav/a", &[], "x").await;
    let element = "<D:lock-token-submitted><D:href>/dav/a</D:href></D:lock-token-submitted>";
    assert!(refused.status == 423 && refused.text.contains(element), "{}", refused.text);
    let shown = format!("({token})");
    for (field, status) in [
        (shown.as_str(), 204),
        ("(<urn:uuid:none>)", 412),
        ("(<urn:uuid:none>) (Not <urn:uuid:none>)", 423),
        ("(", 400),
    ] {
        assert_eq!(place.status("PUT", "/dav/a", &[("if", field)]).await, status, "{field}");
    }
    let tagged = format!("<http://example.com:8080/dav/a> {shown}");
    let moved = [("destination", "/dav/b"), ("if", tagged.as_str())];
    assert_eq!(place.status("MOVE", "/dav/a", &moved).await, 201);
    assert_eq!(place.status("PUT", "/dav/a", &[]).await, 201, "the lock stayed behind and is gone");
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("webdav /a /b", "Wrong argument count or unexpected line ending after '/b'"),
        ("webdav {\nscope /none/of/this\n}", "webdav: '/none/of/this' is no directory"),
        ("webdav {\nmodify perhaps\n}", "unknown value 'perhaps'"),
        ("webdav {\nkim\n}", "webdav: 'kim' is neither an option nor a user"),
        ("webdav {\nkim:\nkim:\n}", "webdav: duplicate user 'kim'"),
    ] {
        let error = testing::site("webdav", setup, lines).err();
        assert_eq!(error.as_deref(), Some(message), "{lines}");
    }
    assert!(testing::site("webdav", setup, "webdav {\nallow_r (\n}").is_err());
    for (lines, warnings) in
        [("webdav", 2), ("webdav {\nscope /\n}", 1), ("webdav {\nscope /\nmodify false\n}", 0)]
    {
        assert_eq!(testing::site("webdav", setup, lines).unwrap().warnings.len(), warnings);
    }
}
