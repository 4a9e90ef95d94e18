//! Passwords and addresses of nginx.

use crate::convert::tests::hold;

#[test]
fn users_of_a_server_of_nginx() {
    let server = "auth_basic All; auth_basic_user_file users;";
    let admin = "auth_basic Admin; auth_basic_user_file staff; proxy_pass http://a:1;";
    hold(&[
        (
            &format!(
                "server {{ {server} location / {{ proxy_pass http://a:1; }}\n\
                 location /admin {{ {admin} }} location = /one {{ {admin} }}\n\
                 location /p {{ {admin} location ~ x$ {{ proxy_pass http://a:1; }} }}\n\
                 location @n {{ {admin} }} location /same {{ {server} proxy_pass http://a:1; }} }}"
            ),
            &[
                ("http:///admin/", &["basicauth lee", "NOT basicauth kim"]),
                (
                    "http://",
                    &[
                        "status 403 /admin ",
                        "if {path} is /one to /@status-403",
                        "if {path} starts_with /p if {path} match x$ to /@status-403",
                        "status 403 /@n",
                        "{ /same realm All }",
                        "NOT basicauth lee",
                    ],
                ),
            ],
        ),
        // The users of `/` are others than those of the server.
        (
            &format!("server {{ {server} location / {{ {admin} }} }}"),
            &[("http://", &["status 403 /"])],
        ),
    ]);
}
/// nginx asks for passwords before it looks for files.
#[test]
fn fallbacks_of_nginx_behind_passwords() {
    let users = "auth_basic x; auth_basic_user_file users;";
    let with = |locations: &str| format!("server {{ root /r; {locations} }}");
    let app = "location @app { proxy_pass http://a:1; }";
    hold(&[
        (
            &with(&format!("location /x/ {{ {users} try_files $uri @app; }} {app}")),
            &[("http://", &["{ /x/ realm x }", "{ /@app/x/ realm x }"])],
        ),
        (
            &with(&format!(
                "location /x {{ {users} try_files $uri /index.php; }} location / {{ }}\n\
                 location = /y {{ {users} try_files /z @app; }}\n\
                 location = /w {{ {users} try_files /z /index.php; }} {app}"
            )),
            &[
                ("http:///x/", &["{ / realm x }", "NOT to {path} /index.php"]),
                (
                    "http://",
                    &["{ /x realm x }", "{ /@app/y realm x }", "if {path} is /w to /@status-403"],
                ),
            ],
        ),
        (
            &with(&format!("location /x/ {{ {users} try_files $uri /x/index.php; }}")),
            &[("http://", &["{ /x/ realm x }", "to {path} /x/index.php"])],
        ),
    ]);
}

#[test]
fn clients_of_nginx_behind_a_balancer() {
    let only = "location /a { allow 192.0.2.7; deny all; }";
    let of = |real: &str| format!("server {{ {real} {only} }}");
    let realip = "realip { from 10.0.0.0/8 ::1 header";
    hold(&[
        (
            &of("set_real_ip_from 10.0.0.0/8; set_real_ip_from ::1; set_real_ip_from unix:;"),
            &[("http://", &[&format!("{realip} X-Real-IP maxhops 1 }}"), "ipfilter /a"])],
        ),
        (
            &of("set_real_ip_from 10.0.0.0/8; set_real_ip_from ::1;\n\
                 real_ip_header X-Forwarded-For; real_ip_recursive on;"),
            &[("http://", &[&format!("{realip} X-Forwarded-For maxhops 100 }}"), "ipfilter /a"])],
        ),
        // The address of a balancer is nobody's.
        (
            &of("set_real_ip_from 10.0.0.1; real_ip_header proxy_protocol;"),
            &[("http://", &["status 403 /a ", "NOT ipfilter"])],
        ),
        (&of("set_real_ip_from a.b;"), &[("http://", &["status 403 /a ", "NOT ipfilter"])]),
        (
            "server { set_real_ip_from a.b; if ($remote_addr = 10.0.0.1) { return 403; } }",
            &[("http://", &["rewrite { to /@status-403 }"])],
        ),
        (
            "server { location /a { set_real_ip_from 10.0.0.1; allow 10.0.0.2; deny all; } }",
            &[("http://", &["status 403 /a ", "set_real_ip_from 10.0.0.1: not carried over"])],
        ),
    ]);
}

#[test]
fn addresses_of_nginx_are_compared_in_their_order() {
    // The first rule stands in a file, at a later line than those behind it.
    let text = "server {\nallow 10.0.0.1; deny all;\nlocation /x { deny 10.0.0.2; }\n}";
    hold(&[
        (text, &[("http:///x/", &["rule block ip 10.0.0.2"])]),
        ("server { deny 10.0.0.1; deny all; }", &[("http://", &["status 403 /"])]),
        ("server { allow 10.0.0.1; }", &[("http://", &["NOT ipfilter", "NOT status"])]),
        ("server { allow 10.0.0.1; deny 10.0.0.0/8; }", &[("http://", &["status 403 /"])]),
        ("server { allow 10.0.0.1; deny all; allow all; }", &[("http://", &["rule allow"])]),
    ]);
}
