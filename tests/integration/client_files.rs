//! What clients write is not executed, and what is not served they neither read nor replace: with
//! `upload` and `webdav` of one site and of another.

use crate::harness::{Caddy, Setup, curl};

/// One site executes templates, and clients write to two folders of its root: by `upload` of this
/// site, and by `webdav` of one that stands behind it in the Caddyfile.
fn site() -> Caddy {
    let text = "http://localhost:@PORT@ {\n root @DIR@/www\n templates\n upload /in {\n\
                to @DIR@/www/in\n yes_without_tls\n }\n}\n\
                http://localhost:@PORT@/edit {\n webdav {\n scope @DIR@/www/edit\n }\n}";
    let files = ["in/there", "edit/there", "secret.inc"].map(|name| format!("www/{name}"));
    let setup = files.iter().fold(Setup::new(text), |setup, name| setup.file(name, "{{.Method}}"));
    let page = "{{.Include `secret.inc`}} {{.Include `in/x.html`}} {{.Include `edit/x.html`}}";
    setup.file("www/page.html", page).start()
}

fn url(caddy: &Caddy, path: &str) -> String {
    format!("http://localhost:{}{path}", caddy.port())
}

fn put(caddy: &Caddy, path: &str, text: &str) -> u16 {
    curl(&["-X", "PUT", "--data-binary", text], &url(caddy, path)).status
}

#[test]
fn what_clients_wrote_is_not_executed() {
    let caddy = site();
    let text = "{{.Env.PATH}}{{.Include `/secret.inc`}}";
    for path in ["/in/x.html", "/edit/x.html"] {
        assert_eq!(put(&caddy, path, text), 201, "{path}: {}", caddy.log());
    }
    // The path of the other site is its own: this one reaches the folder by a link.
    std::os::unix::fs::symlink("edit", caddy.path("www/link")).unwrap();
    for path in ["/in/x.html", "/link/x.html"] {
        assert_eq!(curl(&[], &url(&caddy, path)).text(), text, "{path}");
    }
    let page = curl(&[], &url(&caddy, "/page.html")).text();
    assert_eq!(page, format!("GET {text} {text}"));
    let told = "templates: files that clients may write are sent as they are";
    assert_eq!(caddy.log().matches(told).count(), 1, "{}", caddy.log());
}

#[test]
fn a_template_that_clients_may_write_is_an_error() {
    for (line, message) in [
        ("markdown {\n template in/page.html\n }", "markdown: clients may write the template"),
        ("browse / www/in/page.html", "browse: clients may write the template"),
    ] {
        let text = format!(
            "http://localhost:@PORT@ {{\n root www\n upload /in {{\n to www/in\n yes_without_tls\n \
             }}\n {line}\n}}"
        );
        let done = Setup::new(&text).file("www/in/page.html", "{{.Doc.body}}").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(message), "{line}: {said}");
    }
}

/// Of this site and of another: a file of passwords, the secret of tokens, and the Caddyfile.
#[test]
fn what_is_never_served_is_out_of_reach() {
    let text = "http://localhost:@PORT@/dav {\n webdav {\n scope @DIR@\n }\n}\n\
                http://localhost:@PORT@ {\n root @DIR@/www\n basicauth /x kim htpasswd=.htpasswd\n\
                jwt {\n path /y\n secret @DIR@/www/secret\n }\n}";
    let users = "kim:$2y$04$eQtFPG46BP3hh..JAdKerORjfEsu7Nyuw3f3cknzrCp52ruZy7gae";
    let caddy = Setup::new(text)
        .file("www/.htpasswd", users)
        .file("www/secret", "0123456789abcdef0123456789abcdef")
        .file("www/own", "own")
        .start();
    let files = ["www/.htpasswd", "www/secret", "Caddyfile"];
    let kept = files.map(|name| caddy.read(name));
    for (name, path) in files.iter().map(|name| (name, format!("/dav/{name}"))) {
        let to = format!("Destination: {path}");
        let from = "Destination: /dav/out";
        for (args, path) in [
            (&["-X", "GET"][..], &*path),
            (&["-X", "PUT", "-d", "x"], &path),
            (&["-X", "DELETE"], &path),
            (&["-X", "MOVE", "-H", from], &path),
            (&["-X", "COPY", "-H", from], &path),
            (&["-X", "MOVE", "-H", &to], "/dav/www/own"),
            (&["-X", "COPY", "-H", &to], "/dav/www/own"),
        ] {
            assert_eq!(curl(args, &url(&caddy, path)).status, 403, "{args:?} {name}");
        }
    }
    let away = ["-X", "MOVE", "-H", "Destination: /dav/away"];
    for args in [&away[..], &["-X", "COPY", "-H", away[3]], &["-X", "DELETE"]] {
        assert_eq!(curl(args, &url(&caddy, "/dav/www")).status, 403, "{args:?}");
    }
    assert_eq!(files.map(|name| caddy.read(name)), kept);
    assert_eq!(put(&caddy, "/dav/www/own", "new"), 204);
}

/// What git runs at the next pull is in a file that nobody writes.
#[test]
fn nobody_writes_to_a_folder_of_git() {
    let text = "http://localhost:@PORT@/dav {\n webdav {\n scope @DIR@/www/repo\n }\n}\n\
                http://localhost:@PORT@ {\n root @DIR@/www\n templates\n browse\n}";
    let caddy = Setup::new(text)
        .file("www/repo/.git/config", "token")
        .file("www/repo/own", "[core]\nfsmonitor = true")
        .file("www/page.html", "{{.Include `/repo/.git/config`}}")
        .file("www/list.html", "{{.Files `/repo`}}")
        .start();
    let to = ["-X", "MOVE", "-H", "Destination: /dav/.git/config"];
    assert_eq!(curl(&to, &url(&caddy, "/dav/own")).status, 403);
    assert_eq!(put(&caddy, "/dav/.GIT/config", "x"), 403);
    assert_eq!(caddy.read("www/repo/.git/config"), "token");
    let page = curl(&[], &url(&caddy, "/page.html"));
    assert!(page.status == 500 && !page.text().contains("token"), "{}", page.text());
    assert_eq!(curl(&[], &url(&caddy, "/list.html")).text(), "[own]");
    let listed = curl(&[], &url(&caddy, "/repo/")).text();
    assert!(listed.contains("./own") && !listed.contains(".git"), "{listed}");
}
