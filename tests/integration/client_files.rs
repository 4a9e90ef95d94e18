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
