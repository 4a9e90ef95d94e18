//! Who is not let in by the original is not let in by the translation, or nobody is.

use crate::convert::tests::hold;

#[test]
fn blocks_of_caddy_2() {
    hold(&[
        (
            ":80 {\nroute /i/* {\nuri strip_prefix /i\nreverse_proxy a:1\n}\nreverse_proxy b:1\n}",
            &[("http://", &["proxy /i/ a:1", "proxy / b:1"])],
        ),
        (
            ":80 {\n@out not remote_ip 10.0.0.0/8\nhandle @out {\nroute {\nbasic_auth {\n\
             k $2a$10$x\n}\n}\n}\nhandle {\nreverse_proxy a\n}\n}",
            &[("http://", &["status 403 /"])],
        ),
        (":80 {\nroute @none {\nrespond 503\n}\n}", &[("http://", &["status 403 /"])]),
        (
            ":80 {\nhandle_path /a/* {\nfile_server\n}\nhandle /a/b/* {\nrespond 403\n}\n\
             handle /a/c {\nrespond 403\n}\n}",
            &[
                ("http:///a/", &["match (?i)^/a/c$ to /@status-403"]),
                ("http:///a/b/", &["status 403 /"]),
            ],
        ),
        (
            ":80 {\nhandle /a* {\nbasic_auth {\nk $2a$10$x\n}\nreverse_proxy b\n}\n\
             handle {\nreverse_proxy b\n}\n}",
            &[("http://", &["status 403 /a"]), ("http:///a/", &["basicauth k"])],
        ),
        (
            ":80 {\nhandle /a/* {\nhandle /a/b/* {\nbasic_auth {\nk $2a$10$x\n}\nfile_server\n}\n\
             file_server\n}\n}",
            &[("http:///a/", &["status 403 /b"])],
        ),
    ]);
}

/// Their requests would get the answers of others.
#[test]
fn blocks_of_caddy_2_that_cannot_be_carried_over() {
    let out = "@out not remote_ip 10.0.0.0/8\n";
    let site = |lines: &str| format!(":80 {{\n{out}{lines}reverse_proxy secret:1\n}}");
    let closed: &[&str] = &["status 403 / "];
    hold(&[
        (
            &site("handle @out {\nroot * /pub\nfile_server\n}\nhandle {\nreverse_proxy b\n}\n"),
            &[("http://", closed)],
        ),
        (&site("route @out {\nreverse_proxy a:1\n}\n"), &[("http://", closed)]),
        (&site("redir @out /login\n"), &[("http://", closed)]),
        (&site("reverse_proxy @out a:1\n"), &[("http://", closed)]),
        (&site("respond @out x\n"), &[("http://", closed)]),
        (&site("respond x {a.b}\n"), &[("http://", closed)]),
        (&site("header @out X-A 1\n"), &[("http://", &["NOT status 403"])]),
        // Blocks before it answer.
        (
            &site("handle /a/* {\nreverse_proxy a:1\n}\nhandle @out {\nreverse_proxy b\n}\n"),
            &[(
                "http://",
                &["if {path} not_match (?i)^/a/ to /@closed", "proxy /a/ a:1", "NOT status 403 / "],
            )],
        ),
    ]);
}

#[test]
fn the_order_of_blocks_of_caddy_2() {
    let get = "@get method GET\nhandle @get {\nreverse_proxy a:1\n}\n";
    let admin = "handle /admin/* {\nrespond 403\n}\n";
    let site = |lines: [&str; 2]| format!(":80 {{\n{}}}", lines.concat());
    let not_admin = "if {method} is GET if {path} not_match (?i)^/admin/ to /@match-1";
    hold(&[
        (&site([admin, get]), &[("http://", &[not_admin, "status 403 /admin/"])]),
        (
            &site([get, admin]),
            &[("http://", &["if {method} is GET to /@match-1", "if {method} not GET to"])],
        ),
        // A named one with one path has its length.
        (
            &site([
                "@a {\npath /a/b/*\nmethod GET\n}\n",
                "handle /a/* {\nreverse_proxy b:1\n}\n\
                   handle @a {\nrespond 403\n}\nhandle {\nreverse_proxy c:1\n}\n",
            ]),
            &[("http://", &["match (?i)(?:^/a/b/) if {method} is GET to /@status-403"])],
        ),
    ]);
}

#[test]
fn what_a_matcher_of_caddy_2_repeats() {
    let site = |lines: &str| format!(":80 {{\n@no {{\n{lines}\n}}\nrespond @no 403\n}}");
    let closed: &[&str] = &["status 403 /"];
    hold(&[
        (
            &site("path /admin/*\npath /wp-login.php\nmethod GET"),
            &[("http://", &["match (?i)(?:^/admin/|^/wp-login\\.php$) if {method} is GET"])],
        ),
        (&site("host a.test\nhost b.test"), &[("http://", &["^(?:a\\.test|b\\.test)$"])]),
        (&site("header X-A 1\nheader x-a 2"), &[("http://", closed)]),
        (
            &site("query a=1\nquery a=2 b=*"),
            &[(
                "http://",
                &["if {query} match (?:^|&)(?:a|%61)(?:=(?:1|%31)|=(?:2|%32))(?:&|$) \
                   if {query} match (?:^|&)(?:b|%62)(?:=[^&]*)?(?:&|$) to /@status-403"],
            )],
        ),
        (
            &site("not query a=x"),
            &[("http://", &["if {query} not_match (?:^|&)(?:a|%61)=(?:x|%78)(?:&|$) to"])],
        ),
        (&site("not query a=x b=x"), &[("http://", closed)]),
        (&site("query a={x}"), &[("http://", closed)]),
        // Clients may send a field several times, too.
        (&site("header X-A 1.0"), &[("http://", &["if {>X-A} match (?:^|,)1\\.0(?:,|$) to"])]),
        (&site("host *.dev.shop.test"), &[("http://", closed)]),
    ]);
}

#[test]
fn lines_of_caddy_2_before_blocks() {
    let files = "handle /admin/* {\nroot * /srv/admin\nfile_server\n}\n";
    let site = |lines: &str| format!(":80 {{\n{lines}{files}}}");
    let admin = "http:///admin/";
    hold(&[
        (
            &site("@no not header Cookie *session=*\nredir @no /login.html\n"),
            &[(admin, &["redir 302 { if {>Cookie} not_has session= / /login.html }"])],
        ),
        (
            &site("redir /x /y\nredir /admin /admin/\nredir /admin/x* /y\n"),
            &[
                (admin, &["match (?i)^/admin/x / /y", "NOT / /admin/", "NOT ^/x"]),
                ("http://", &["redir /admin /admin/ 302"]),
            ],
        ),
        // Where a redirect leads is not known.
        (
            &site("redir /admin/x {http.x}\nredir /admin/y* /y {http.x}\n"),
            &[(admin, &["match (?i)^/admin/x$ to /@closed", "match (?i)^/admin/y to /@closed"])],
        ),
        (
            &site("rewrite /admin/a /admin/b\nrewrite /admin/c /d\nrewrite /e /f\nuri query -x\n"),
            &[(
                admin,
                &[
                    "match (?i)^/admin/a$ to /b }",
                    "match (?i)^/admin/c$ to /@status-403",
                    "NOT ^/e",
                    "NOT rewrite { to",
                ],
            )],
        ),
        (&site("uri strip_suffix .x\n"), &[(admin, &["{path} ends_with .x to /@status-403"])]),
        (
            ":80 {\nuri strip_prefix /api\nhandle /admin/* {\nbasic_auth {\nk $2a$10$x\n}\n\
             reverse_proxy a:1\n}\nhandle {\nreverse_proxy a:1\n}\n}",
            &[("http://", &["status 403 /admin/"]), (admin, &["NOT status 403"])],
        ),
    ]);
}

#[test]
fn users_of_caddy_2() {
    let auth = |matcher: &str, names: &[&str]| {
        let users: String = names.iter().map(|name| format!("{name} $2a$10$x\n")).collect();
        format!("basic_auth {matcher} {{\n{users}}}\n")
    };
    let site = |lines: [String; 2]| format!(":80 {{\n{}file_server\n}}", lines.concat());
    let both = ["NOT basicauth lee", "basicauth kim hash=$2a$10$x { /", "NOT status 403"];
    hold(&[
        // Who is in one of them only is not let in.
        (
            &site([auth("/a/*", &["kim"]), auth("/a/*", &["lee"])]),
            &[("http://", &["status 403 /a/"])],
        ),
        (&site([auth("/a/*", &["kim"]), auth("", &["lee"])]), &[("http://", &["status 403 /a/"])]),
        (&site([auth("", &["lee"]), auth("/a/*", &["kim"])]), &[("http://", &["status 403 /a/"])]),
        (&site([auth("", &["kim"]), auth("/A/*", &["kim", "lee"])]), &[("http://", &both)]),
        (&site([auth("/a/*", &["kim", "lee"]), auth("", &["kim"])]), &[("http://", &both)]),
        (
            &site([
                auth("", &["lee"]),
                format!("handle /a/* {{\n{}file_server\n}}\n", auth("", &["kim"])),
            ]),
            &[("http:///a/", &["status 403 /"])],
        ),
        (
            &site([auth("/a/*", &["lee"]), auth("/b/*", &["kim"])]),
            &[("http://", &["basicauth kim", "basicauth lee", "NOT status 403"])],
        ),
    ]);
}

#[test]
fn files_of_caddy_2() {
    hold(&[
        (
            ":80 {\n@a host a.b\nhandle @a {\nroot * /a\nfile_server\n}\n@c host c.b\n\
             handle @c {\nroot * /c\nfile_server\n}\n}",
            &[(
                "http://",
                &[
                    "if {hostonly} is c.b if {hostonly} not a.b to /@closed",
                    "if {hostonly} not a.b if {hostonly} not c.b to /@status-404",
                ],
            )],
        ),
        (
            ":80 {\nroot * /a\nfile_server /p/*\nreverse_proxy /q/* b\n}",
            &[(
                "http://",
                &["not_match (?i)^/p/ if {path} not_match (?i)^(?:/q/) to /@status-404"],
            )],
        ),
        (
            ":80 {\nroot * /a\nhandle /p/* {\nroot * /b\nfile_server\n}\nfile_server\n}",
            &[("http://", &["root /a"]), ("http:///p/", &["root /b/p"])],
        ),
        (":80 {\nroot * /a\nroot /p/* /b\nfile_server\n}", &[("http://", &["status 403 /p/"])]),
        (
            ":80 {\n@p path *.php\nphp_fastcgi @p a:1\nfile_server\n}",
            &[("http://", &["match (?i)(?:\\.php$) to /@closed"])],
        ),
    ]);
}

#[test]
fn rules_of_caddy_2_that_cannot_be_carried_over() {
    hold(&[
        (
            ":80 {\nrequest_header -X-U\nreverse_proxy a {\nheader_up X-V {tls.x}\n}\n}",
            &[("http://", &["header_upstream -X-V", "header_upstream -X-U"])],
        ),
        (":80 {\nreverse_proxy a {\nheader_up -X-*\n}\n}", &[("http://", &["status 403 /"])]),
        (
            ":80 {\nrequest_header X-U {x.y}\nphp_fastcgi a:1\n}",
            &[("http://", &["env HTTP_X_U \"\""])],
        ),
        (
            "a.b {\ntls k@a.b\ntls {\nclient_auth {\ntrusted_ca_cert_file ca\n}\n}\n}",
            &[("https://a.b", &["tls k@a.b { clients /etc/ca }"])],
        ),
        (
            ":80 {\nauthorize with x\nhandle /a/* {\nfile_server\n}\n}",
            &[("http://", &["status 403 /"]), ("http:///a/", &["status 403 /"])],
        ),
        (":80 {\njwtauth {\nx\n}\nfile_server\n}", &[("http://", &["status 403 /"])]),
        (":80 {\nimport none\nfile_server\n}", &[("http://", &["status 403 /"])]),
        ("a.b\nimport none\nfile_server", &[("https://a.b", &["status 403 /"])]),
        (
            ":80 {\nhandle /a/* {\nimport none\nreverse_proxy b\n}\nreverse_proxy c\n}",
            &[("http:///a/", &["status 403 /"]), ("http://", &["NOT status 403"])],
        ),
        ("&(x) {\nrespond 403\n}\n:80 {\ninvoke x\n}", &[("http://", &["status 403 /"])]),
    ]);
}
