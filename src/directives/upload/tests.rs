//! `upload` with a folder of its own, and links that lead out of it.

mod quota;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use bytes::Bytes;
use hyper::body::Frame;

use super::*;
use crate::directives::testing;
use crate::http::Body;
use crate::http::request::tests::request;
use crate::limits::UPLOAD_NAMES;
use crate::site::Site;

/// A folder for uploads, and a site that takes them at `/up`.
struct Place {
    folder: tempfile::TempDir,
    site: Site,
}

impl Place {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        let lines = format!("upload /up {{\nto {}\nyes_without_tls\n{options}\n}}", to.display());
        let mut site = testing::site("upload", setup, &lines).unwrap();
        site.push(testing::Answer(|_: &mut Request| Err(Fault::status(StatusCode::NOT_FOUND))));
        Self { folder, site: site.build() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("to").join(name)
    }

    /// All that is below the folder, hidden files too.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.at("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                let below = entry.path().strip_prefix(self.at("")).unwrap().display().to_string();
                found.push(below);
            }
        }
        found.sort();
        found
    }

    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Body) -> Answer {
        let mut req = request(method, path);
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).unwrap();
            req.head.headers.insert(name, value.parse().unwrap());
        }
        req.body = body;
        match self.site.handle(&mut req).await {
            Ok(response) => {
                let place = response.headers().get("location");
                let place = place.map(|place| place.to_str().unwrap().to_owned());
                Answer { status: response.status().as_u16(), place }
            }
            Err(fault) => Answer { status: fault.status.as_u16(), place: None },
        }
    }

    async fn put(&self, path: &str, text: &str) -> u16 {
        self.send("PUT", path, &[], text.to_owned().into()).await.status
    }
}

struct Answer {
    status: u16,
    place: Option<String>,
}

#[tokio::test]
async fn files_are_written_replaced_moved_and_removed() {
    let place = Place::new("");
    assert_eq!(place.put("/up/a/b%20c.txt", "one").await, 201);
    assert_eq!(place.put("/up/a/b%20c.txt", "two").await, 204);
    assert_eq!(fs::read_to_string(place.at("a/b c.txt")).unwrap(), "two");
    assert_eq!(place.files(), ["a", "a/b c.txt"]);
    let to = [("destination", "/up/d/e")];
    assert_eq!(place.send("MOVE", "/up/a/b%20c.txt", &to, Body::empty()).await.status, 201);
    assert_eq!(place.files(), ["a", "d", "d/e"]);
    assert_eq!(place.put("/up/f", "three").await, 201);
    let to = [("destination", "http://example.com:8080/up/d/e"), ("overwrite", "F")];
    assert_eq!(place.send("MOVE", "/up/f", &to, Body::empty()).await.status, 412);
    assert_eq!(place.send("MOVE", "/up/f", &to[..1], Body::empty()).await.status, 204);
    assert_eq!(fs::read_to_string(place.at("d/e")).unwrap(), "three");
    for (path, status) in [("/up/d", 204), ("/up/none", 204), ("/up/", 403), ("/up", 403)] {
        let answer = place.send("DELETE", path, &[], Body::empty()).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(place.files(), ["a"]);
    for (method, path, status) in
        [("COPY", "/up/a", 501), ("GET", "/up/a", 404), ("PUT", "/a", 404)]
    {
        assert_eq!(place.send(method, path, &[], Body::empty()).await.status, status, "{method}");
    }
}

#[test]
fn the_folder_is_known_as_one_that_clients_write_to() {
    let folder = tempfile::tempdir().unwrap();
    let lines = format!("upload /up {{\nto {}\nyes_without_tls\n}}", folder.path().display());
    let site = testing::site("upload", setup, &lines).unwrap();
    assert!(site.foreign.holds_path(folder.path()));
}

#[tokio::test]
async fn what_is_never_served_is_neither_replaced_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let lines = format!("upload /up {{\nto {}\nyes_without_tls\n}}", folder.path().display());
    let mut site = testing::site("upload", setup, &lines).unwrap();
    site.hidden.extend([at("Caddyfile"), at("conf/users")]);
    let place = Place { site: site.build(), folder: tempfile::tempdir().unwrap() };
    fs::create_dir(at("conf")).unwrap();
    for name in ["Caddyfile", "conf/users", "own"] {
        fs::write(at(name), "kept").unwrap();
    }
    for path in ["/up/Caddyfile", "/up/conf/users"] {
        let to = [("destination", path)];
        let moved = place.send("MOVE", "/up/own", &to, Body::empty()).await.status;
        let removed = place.send("DELETE", path, &[], Body::empty()).await.status;
        assert_eq!([place.put(path, "x").await, moved, removed], [403; 3], "{path}");
    }
    let away = [("destination", "/up/away")];
    assert_eq!(place.send("MOVE", "/up/conf", &away, Body::empty()).await.status, 403);
    assert_eq!(place.send("DELETE", "/up/conf", &[], Body::empty()).await.status, 403);
    for name in ["Caddyfile", "conf/users", "own"] {
        assert_eq!(fs::read_to_string(at(name)).unwrap(), "kept", "{name}");
    }
    assert_eq!(place.put("/up/conf/other", "x").await, 201);
}

#[tokio::test]
async fn nothing_leaves_the_folder() {
    let place = Place::new("");
    let outside = place.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "kept").unwrap();
    symlink(&outside, place.at("link")).unwrap();
    symlink(outside.join("file"), place.at("name")).unwrap();
    for (path, status) in [
        ("/up/link/file", 403),
        ("/up/link/new", 403),
        ("/up/a/%2e%2e/%2e%2e/%2e%2e/x", 404),
        ("/up/a%00b", 422),
        ("/up/a/.hidden", 422),
        ("/up/a%0ab", 422),
        ("/up/a%5cb", 422),
        ("/up/", 403),
    ] {
        assert_eq!(place.put(path, "x").await, status, "{path}");
    }
    // A link in the place of a file is replaced and not followed.
    assert_eq!(place.put("/up/name", "new").await, 204);
    for (path, to, status) in [
        ("/up/name", "/up/link/name", 403),
        ("/up/link/file", "/up/stolen", 403),
        ("/up/name", "/up/../outside/name", 400),
        ("/up/name", "/elsewhere/name", 400),
        ("/up/name", "http://other.example/up/name", 400),
        ("/up/name", "/up/.name", 409),
    ] {
        let to = [("destination", to)];
        let answer = place.send("MOVE", path, &to, Body::empty()).await;
        assert_eq!(answer.status, status, "{path} {to:?}");
    }
    let answer = place.send("DELETE", "/up/link/file", &[], Body::empty()).await;
    assert_eq!(answer.status, 403);
    let answer = place.send("DELETE", "/up/link", &[], Body::empty()).await;
    assert_eq!(answer.status, 204, "the link itself");
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(place.files(), ["name"]);
}

const FORM: &str = "multipart/form-data; boundary=b";

/// A part of a form.
fn part(name: &str, text: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"{name}\"\r\n\r\n{text}\r\n"
    )
}

#[tokio::test]
async fn forms() {
    let place = Place::new("promise_download_from /down/");
    let fields = [("content-type", FORM)];
    let text = format!("{}--b\r\n\r\nno file\r\n{}--b--", part("a.txt", "one"), part("d/ä", ""));
    let answer = place.send("POST", "/up/", &fields, text.into()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.place.as_deref(), Some("/down/a.txt"));
    assert_eq!(place.files(), ["a.txt", "d", "d/ä"]);
    for (kind, text, status) in [
        (FORM, part("../../e", "x") + "--b--", 201),
        (FORM, part("e/../f", "x") + "--b--", 422),
        (FORM, part("cut", "x"), 400),
        (FORM, String::new(), 400),
        ("multipart/form-data", part("g", "x") + "--b--", 400),
        ("text/plain", "x".to_owned(), 415),
    ] {
        let answer = place.send("POST", "/up/", &[("content-type", kind)], text.into()).await;
        assert_eq!(answer.status, status, "{kind}");
    }
    assert_eq!(place.files(), ["a.txt", "d", "d/ä", "e"]);
    // Without a type it is one file.
    assert_eq!(place.send("POST", "/up/h", &[], "x".to_owned().into()).await.status, 201);
}

#[tokio::test]
async fn what_is_too_large_or_breaks_off_leaves_no_file() {
    let place = Place::new("max_filesize 4\nmax_transaction_size 6B");
    assert_eq!(place.put("/up/a", "12345").await, 413);
    let fields = [("content-type", FORM)];
    for (text, status) in [
        (part("a", "12345") + "--b--", 413),
        (part("a", "1234") + &part("b", "123") + "--b--", 413),
        (part("a", "1234") + &part("b", "12") + "--b--", 201),
    ] {
        assert_eq!(place.send("POST", "/up/", &fields, text.into()).await.status, status);
    }
    assert_eq!(place.files(), ["a", "b"]);
    let body = pieces(&["12"], true);
    assert_eq!(place.send("PUT", "/up/c/d", &[], body).await.status, 400);
    assert_eq!(place.files(), ["a", "b"]);
}

/// Content of unknown length, which breaks off if it is to.
fn pieces(texts: &[&'static str], breaks_off: bool) -> Body {
    let whole = texts.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    let end = breaks_off.then(|| Err(std::io::ErrorKind::ConnectionReset.into()));
    let all: Vec<Result<_, std::io::Error>> = whole.chain(end).collect();
    Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(all)))
}

#[tokio::test]
async fn names_are_held_to_the_rules() {
    let place = Place::new("filenames_form NFC\nfilenames_in u0020-u007E u00C0–u00FF");
    for (path, status) in [("/up/%C3%A4", 201), ("/up/a%CC%88", 422), ("/up/%D0%B6", 422)] {
        assert_eq!(place.put(path, "x").await, status, "{path}");
    }
    let place = Place::new("random_suffix_len 8\npromise_download_from /files");
    let answer = place.send("PUT", "/up/a.png", &[], "x".to_owned().into()).await;
    let told = answer.place.unwrap();
    let name = told.strip_prefix("/files/").unwrap();
    assert_eq!((place.files(), name.len()), (vec![name.to_owned()], "a_12345678.png".len()));
}

#[tokio::test]
async fn a_random_part_makes_no_name_too_long() {
    let place = Place::new("random_suffix_len 8");
    let name = |length: usize| format!("/up/{}", "a".repeat(length));
    assert_eq!(place.put(&name(247), "x").await, 422);
    assert_eq!(place.files(), Vec::<String>::new());
    assert_eq!(place.put(&name(246), "x").await, 201);
    assert_eq!(place.files()[0].len(), 255);
}

#[tokio::test]
async fn folders_within_one_another_are_bounded() {
    let place = Place::new("");
    let deep = |count: usize| vec!["d"; count].join("/");
    assert_eq!(place.put(&format!("/up/{}", deep(UPLOAD_NAMES + 1)), "x").await, 422);
    assert_eq!(place.put(&format!("/up/{}", deep(UPLOAD_NAMES)), "x").await, 201);
    let moved = async |from: &str, to: &str| {
        let to = format!("/up/{to}");
        place.send("MOVE", from, &[("destination", &to)], Body::empty()).await.status
    };
    assert_eq!(moved("/up/d", "e/f").await, 507, "it would be too deep");
    assert_eq!(moved("/up/d", "e").await, 201);
    fs::create_dir_all(place.at("x").join(deep(UPLOAD_NAMES))).unwrap();
    for (path, status) in [("/up/x", 507), ("/up/x/d", 507), ("/up/e", 204)] {
        assert_eq!(place.send("DELETE", path, &[], Body::empty()).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn who_does_not_sign_is_refused_or_not_noticed() {
    for (options, method, status) in [
        ("hmac_keys_in a=eXVp", "PUT", 401),
        ("hmac_keys_in a=eXVp", "DELETE", 401),
        ("hmac_keys_in a=eXVp\nsilent_auth_errors", "PUT", 404),
        ("disable_webdav", "DELETE", 405),
        ("disable_webdav", "MOVE", 405),
        ("disable_webdav\nsilent_auth_errors", "MOVE", 404),
        ("disable_webdav", "PUT", 201),
    ] {
        let place = Place::new(options);
        let answer = place.send(method, "/up/a", &[], "x".to_owned().into()).await;
        assert_eq!(answer.status, status, "{options} {method}");
        assert_eq!(place.files().len(), usize::from(status == 201), "{options} {method}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("upload {\nto /\n}", "Wrong argument count or unexpected line ending after 'upload'"),
        ("upload /up", "upload: no directory is named that uploads go to"),
        ("upload /up {\nto /none/of/this\n}", "upload: '/none/of/this' is no directory"),
        (
            "upload /up {\nto /\n}",
            "upload: the site is without TLS: who is on the way reads and changes uploads",
        ),
        ("upload /up {\nfilenames_form NFKC\n}", "unknown form 'NFKC'"),
        (
            "upload /up {\nhmac_keys_in a\n}",
            "hmac_keys_in must be NAME=KEY with the key in Base64, and a word has no name",
        ),
        (
            "upload /up {\ntimestamp_tolerance 33\n}",
            "timestamp_tolerance must be a whole number from 0 to 32, not '33'",
        ),
        (
            "upload /up {\nfilenames_in latin\n}",
            "filenames_in must be a range of characters such as u0000-u007F, not 'latin'",
        ),
    ] {
        let error = testing::site("upload", setup, lines).err();
        assert_eq!(error.as_deref(), Some(message), "{lines}");
    }
    let open = "upload /up {\nto /\nyes_without_tls\n}";
    assert_eq!(testing::site("upload", setup, open).unwrap().warnings.len(), 1);
    let signed = "upload /up {\nto /\nyes_without_tls\nhmac_keys_in a=eXVp\n}";
    assert!(testing::site("upload", setup, signed).unwrap().warnings.is_empty());
}
