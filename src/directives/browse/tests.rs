//! Lists of a directory made for the test.

use std::path::Path;

use http_body_util::BodyExt;
use serde_json::Value;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;

fn make(root: &Path) {
    for (name, size) in
        [("a.txt", 3), ("B.txt", 2000), ("q?<&\"'.txt", 0), ("sub/z", 1), ("i/x", 1), (".git/x", 1)]
    {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x".repeat(size)).unwrap();
    }
    std::fs::write(root.join("i/index.html"), "index").unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
    std::os::unix::fs::symlink("sub", root.join("link")).unwrap();
}

/// Status, content and cookies of one request.
async fn ask(lines: &str, target: &str, fields: &[(&'static str, &str)]) -> (u16, String, String) {
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    let mut site = testing::site_in(root.path(), "browse", setup, lines).unwrap();
    site.push(testing::Answer(|_: &mut Request| Err(Fault::status(StatusCode::IM_A_TEAPOT))));
    let (method, target) = target.split_once(' ').unwrap_or(("GET", target));
    let mut req = request(method, target);
    for (name, value) in fields {
        req.head.headers.insert(*name, value.parse().unwrap());
    }
    match site.build().handle(&mut req).await {
        Err(fault) => (fault.status.as_u16(), String::new(), String::new()),
        Ok(response) => {
            let cookies = response.headers().get_all("set-cookie").iter();
            let cookies: Vec<_> = cookies.map(|value| value.to_str().unwrap().to_owned()).collect();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (200, String::from_utf8(bytes.to_vec()).unwrap(), cookies.join(" "))
        }
    }
}

async fn names(target: &str, cookie: &str) -> String {
    let fields = [("accept", "application/json"), ("cookie", cookie)];
    let (_, json, _) = ask("browse", target, &fields).await;
    let list: Vec<Value> = serde_json::from_str(&json).unwrap();
    let names = list.iter().map(|entry| entry["Name"].as_str().unwrap().to_owned());
    names.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn orders() {
    let odd = "q?<&\"'.txt";
    for (target, cookie, expected) in [
        ("/", "", format!("i link sub a.txt B.txt {odd}")),
        ("/?sort=name", "", format!("a.txt B.txt i link {odd} sub")),
        ("/?sort=name&order=desc", "", format!("sub {odd} link i B.txt a.txt")),
        ("/?sort=size&limit=5", "", format!("i link sub {odd} a.txt")),
        ("/?order=desc", "sort=size", format!("B.txt a.txt {odd} sub link i")),
        ("/?sort=evil&limit=-1", "order=x", format!("i link sub a.txt B.txt {odd}")),
        ("/sub/", "", "z".to_owned()),
    ] {
        assert_eq!(names(target, cookie).await, expected, "{target} {cookie}");
    }
}

#[tokio::test]
async fn json_is_v1_s() {
    let (_, json, _) = ask("browse", "/?sort=size", &[("accept", "application/json")]).await;
    let list: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!((&list[0]["IsDir"], &list[0]["URL"]), (&true.into(), &"./i/".into()));
    assert_eq!(list[0]["Mode"].as_u64().unwrap() >> 31, 1);
    assert_eq!((&list[0]["IsSymlink"], &list[1]["IsSymlink"]), (&false.into(), &true.into()));
    assert_eq!(list[3]["URL"], "./q%3F%3C%26%22%27.txt");
    assert_eq!((&list[5]["Name"], &list[5]["Size"]), (&"B.txt".into(), &2000.into()));
    assert!(list[5]["ModTime"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_page_escapes_and_remembers() {
    let (status, page, cookies) = ask("browse", "/?sort=size&order=desc", &[]).await;
    assert_eq!(status, 200);
    for part in [
        "<a href=\"./q%3F%3C%26%22%27.txt\">q?&lt;&amp;&#34;&#39;.txt</a>",
        "<td role=\"cell\">2.0 KiB</td>",
        "aria-sort=\"descending\"",
        "3 folders, 3 files",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("../"), "above the root: {page}");
    assert!(cookies.contains("sort=size; Path=/; SameSite=Lax"), "{cookies}");
    let (_, page, cookies) = ask("browse", "/sub/", &[]).await;
    assert!(page.contains("href=\"../\"") && cookies.is_empty(), "{page}");
    let (_, page, _) = ask("browse /sub", "/sub/", &[]).await;
    assert!(!page.contains("href=\"../\""), "{page}");
}

#[tokio::test]
async fn what_is_left_to_others() {
    for (lines, target, status) in [
        ("browse", "/i/", 418),
        ("browse", "/sub", 418),
        ("browse", "/none/", 418),
        ("browse", "/../i/", 418),
        ("browse /sub", "/", 418),
        ("browse", "POST /", 418),
        ("browse", "PROPFIND /", 501),
        ("browse", "OPTIONS /sub/", 418),
        ("browse", "HEAD /", 200),
    ] {
        assert_eq!(ask(lines, target, &[]).await.0, status, "{lines} {target}");
    }
}

/// What templates of Caddy v1 used.
const OF_V1: &str = r#"[{{.Name}}][{{.Path}}]{{if .CanGoUp}}[up]{{end -}}
[{{.NumDirs}} dirs, {{.NumFiles}} files{{if ne 0 .ItemsLimitedTo}}, first {{.ItemsLimitedTo}}{{end}}]
{{- ""}}[{{.Sort}} {{.Order}}][{{.Method}}]
{{range .Breadcrumbs}}{{.Link}}={{html .Text}} {{end}}
{{range .Items}}{{html .Name}} {{.URL}} {{.HumanSize}} {{slice .Mode 0 3}} {{.IsDir}} {{.IsSymlink}} {{.HumanModTime "2006"}}
{{end}}"#;

#[tokio::test]
async fn a_list_may_be_long() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..30_000 {
        std::fs::write(folder.path().join(format!("file {at}")), "").unwrap();
    }
    let mut site = testing::site_in(folder.path(), "browse", setup, "browse").unwrap();
    site.push(testing::Answer(|_: &mut Request| Err(Fault::status(StatusCode::IM_A_TEAPOT))));
    let response = site.build().handle(&mut request("GET", "/")).await.unwrap();
    let page = response.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains(">file 29999</a>") && page.contains("30000 files"));
}

#[tokio::test]
async fn a_template_of_one_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    std::fs::write(&good, OF_V1).unwrap();
    std::fs::write(&bad, "\n{% for i in items %}{{ i.name }}{% endfor %}").unwrap();
    let own = format!("browse / {}", good.display());
    let (_, page, _) = ask(&own, "/sub/?limit=1", &[]).await;
    let expected = "[sub][/sub/][up][0 dirs, 1 files, first 1][namedirfirst asc][GET]\n\
                    ../=/ =sub \nz ./z 1 B -rw false false YEAR\n";
    let year = chrono::Utc::now().format("%Y").to_string();
    assert_eq!(page.replace(&year, "YEAR"), expected);
    let (_, page, _) = ask(&own, "/", &[]).await;
    assert!(page.contains("\ni ./i/ 0 B drw true false"), "{page}");
    assert!(page.contains("\nlink ./link/ 0 B drw true true"), "{page}");
    for (lines, message) in [
        (
            format!("browse / {}", bad.display()),
            &*format!("browse: invalid template {}: line 2: ", bad.display()),
        ),
        ("browse / /nonexistent/file".to_owned(), "browse: cannot read the template "),
        ("browse /a\nbrowse /a".to_owned(), "duplicate browsing config for /a"),
        ("browse / a b".to_owned(), "Wrong argument count or unexpected line ending after"),
    ] {
        let error = testing::site("browse", setup, &lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
}
