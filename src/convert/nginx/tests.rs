//! Who is not let in by the original is not let in by the translation, or nobody is.

use crate::convert::tests::{hold, made, site};

#[test]
fn internal_locations_of_nginx() {
    hold(&[
        (
            "server { location /p/ { internal; alias /srv/p/; } }",
            &[("http:///p/", &["status 404 /", "root /srv/p"])],
        ),
        (
            "server { location /a { internal; proxy_pass http://a:1; } }",
            &[("http://", &["internal /a proxy /a a:1"])],
        ),
        (
            "server { location = /a { internal; proxy_pass http://a:1; }\n\
             location /b/ { internal; return 200 x; } location ~ \\.php$ { internal; } }",
            &[(
                "http://",
                &[
                    "if {path} is /a to /@status-404",
                    "if {path} starts_with /b/ if {path} not_match \\.php$ to /@status-404",
                    "if {path} match \\.php$ to /@status-404",
                ],
            )],
        ),
        (
            "server { location /a/ { internal; proxy_pass http://a:1; location /a/b/ {\n\
             proxy_pass http://b:1; } } location ~ \\.css$ { expires 1d; } }",
            &[("http://", &["internal /@location-1", "internal /@location-2"])],
        ),
        (
            "server { error_page 500 /50x.html; location = /50x.html { internal; } }",
            &[("http://", &["if {path} is /50x.html to /@status-404"])],
        ),
    ]);
}

#[test]
fn locations_of_nginx_in_one_another() {
    hold(&[
        (
            "server { location /admin/ { auth_basic x; auth_basic_user_file users;\n\
             proxy_pass http://a:1; location /admin/app/ { proxy_pass http://b:1; }\n\
             location = /admin/one { proxy_pass http://c:1; }\n\
             location ~ \\.php$ { fastcgi_pass unix:/s; } } location ~ \\.css$ { expires 1d; } }",
            &[(
                "http://",
                &[
                    "{ /@location-1 realm x }",
                    "{ /@location-2 realm x }",
                    "{ /@location-3 realm x }",
                    "{ /admin/ realm x }",
                ],
            )],
        ),
        (
            "server { location /u/ { location ~ \\.php$ { deny all; } }\n\
             location ^~ /v/ { location ~ \\.php$ { deny all; } }\n\
             location ~ \\.php$ { fastcgi_pass unix:/s; } }",
            &[(
                "http://",
                &[
                    "if {path} starts_with /u/ if {path} match \\.php$ to /@status-403",
                    "if {path} starts_with /v/ if {path} match \\.php$ to /@status-403",
                    "NOT rewrite { if {path} match \\.php$",
                ],
            )],
        ),
        // What the inner one leaves the outer one takes, with the same pattern.
        (
            "server { location /u/ { location ~ \\.x$ { proxy_pass http://a:1; } }\n\
             location ~ \\.x$ { deny all; } location ^~ /s/ { } location /s/t/ { } }",
            &[(
                "http://",
                &["if {path} match \\.x$ if {path} not_match ^/u/.*(?:\\.x$) to /@status-403"],
            )],
        ),
        // `^~` in another location does not keep the expressions of the server out.
        (
            "server { location /a/ { location ^~ /a/b/ { proxy_pass http://a:1; } }\n\
             location ~ \\.x$ { deny all; } }",
            &[("http://", &["rewrite { if {path} match \\.x$ to /@status-403 }"])],
        ),
        (
            "server { location / { auth_basic x; auth_basic_user_file users; }\n\
             location /b/ { auth_basic y; auth_basic_user_file users; } }",
            &[("http:///b/", &["{ / realm y }"])],
        ),
        (
            "server { deny all; location /x { deny 10.0.0.1; allow all; } }",
            &[
                ("http:///x/", &["ipfilter / { rule block ip 10.0.0.1 }"]),
                ("http://", &["status 403 /"]),
            ],
        ),
    ]);
}

#[test]
fn locations_of_nginx_within_a_site() {
    hold(&[(
        "server { location /m/ { alias /m/; } location /m/p/ { deny all; }\n\
         location = /m/x { deny all; } location /m/i/ { internal; } location /m/r { return 403; }\n\
         location /m/u { auth_basic x; auth_basic_user_file users; }\n\
         location /m/up/ { proxy_pass http://a:1; } location /m/s { proxy_pass http://a:1; }\n\
         location ~ /\\. { deny all; } }",
        &[
            (
                "http:///m/",
                &[
                    "if {path} starts_with /m/p/ if {path} not_match /\\. to /@status-403",
                    "if {path} is /m/x to /@status-403",
                    "if {path} starts_with /m/r if {path} not_match /\\. to /@status-403",
                    "location /m/u: within /m/, which is a site: nobody is let in",
                    "location /m/s: within /m/, which is a site: nobody is let in",
                    "rewrite { if {path} match /\\. to /@status-403 }",
                ],
            ),
            ("http:///m/up/", &["proxy / http://a:1/m/up"]),
            ("http:///m/i/", &["status 404 /"]),
        ],
    )]);
}

#[test]
fn sites_of_nginx_within_a_site() {
    let users = "auth_basic x; auth_basic_user_file users;";
    hold(&[
        (
            &format!(
                "server {{ add_header X-A 1;\n\
                 location /api {{ add_header X-B 1; proxy_pass http://a:1; }}\n\
                 location /api/admin {{ add_header X-C 1; {users} proxy_pass http://a:1; }} }}"
            ),
            &[
                ("http:///api/", &["status 403 /admin "]),
                ("http:///api/admin/", &["basicauth kim", "NOT status 403"]),
                ("http://", &["{ /api/admin realm x }"]),
            ],
        ),
        (
            "server { location /d/ { alias /d/; } location /d/i { internal; alias /i/; } }",
            &[("http:///d/", &["status 404 /i "])],
        ),
        // A rule of the site moves what is asked for.
        (
            &format!(
                "server {{ location /m/ {{ alias /m/; rewrite ^/m/s(.*)$ /m/t$1 break; }}\n\
                 location /m/s {{ alias /s/; {users} }} location /m/p/ {{ deny all; }} }}"
            ),
            &[(
                "http:///m/",
                &[
                    "status 403 /s ",
                    "if {path} starts_with /m/s to /@status-403",
                    "if {path} starts_with /m/p/ to /@status-403",
                ],
            )],
        ),
        // The passwords are those of the server, which the site does not have.
        (
            &format!(
                "server {{ {users} location /o/ {{ alias /o/; auth_basic off; }}\n\
                 location /o/s {{ alias /s/; }} location /o/f {{ }} }}"
            ),
            &[("http:///o/", &["status 403 /s ", "status 403 /f "])],
        ),
    ]);
}

#[test]
fn refusals_of_nginx_come_before_changes_of_the_path() {
    for text in [
        "if (!-e $request_filename) { rewrite ^(.*)$ /index.php last; }",
        "rewrite ^/old/(.*)$ /new/$1 last;",
        "if ($http_a) { rewrite ^/a/(.*)$ /$1; }",
    ] {
        let text = format!("server {{ {text} location ~ /\\.ht {{ deny all; }} }}");
        let made = made(&text).text;
        let body = site(&made, "http://");
        let refusal = body.find("match /\\.ht to /@status-403").unwrap();
        let own = body.match_indices("rewrite ").nth(2).unwrap().0;
        assert!(refusal < own, "{made}");
        // The path that was made is compared, too.
        let is_open = text.contains("/$1") || text.contains("/new");
        assert_eq!(body.contains("if {rewrite_path} match /\\.ht"), is_open, "{made}");
    }
}

#[test]
fn paths_that_rewrites_of_nginx_make() {
    hold(&[
        // Neither a mark nor a site keeps its rules from them.
        (
            "server { location /x/ { rewrite ^/x/(.*)$ /y/$1 last; } location ~ \\.css$ { expires 1d; }\n\
             location /y/ { auth_basic x; auth_basic_user_file users; proxy_pass http://a:1; }\n\
             location /z/ { deny all; } }",
            &[(
                "http://",
                &[
                    "{ /@location-3 realm x }",
                    "{ /y/ realm x }",
                    "if {rewrite_path} starts_with /z/ if {rewrite_path} not_match \\.css$",
                ],
            )],
        ),
        (
            "server { rewrite ^/x/(.*)$ /y/$1; root /r; location /y/ { alias /s/;\n\
             auth_basic x; auth_basic_user_file users; } }",
            &[("http://", &["{ /y/ realm x }"]), ("http:///y/", &["{ / realm x }"])],
        ),
    ]);
}

#[test]
fn rules_of_nginx_that_cannot_be_carried_over() {
    hold(&[
        (
            "server { location / { proxy_set_header X-V $ssl_client_verify;\n\
             proxy_pass http://a:1; } }",
            &[("http://", &["header_upstream -X-V"])],
        ),
        (
            "server { location ~ \\.php$ { fastcgi_param HTTP_X_V $ssl_client_verify;\n\
             fastcgi_pass unix:/s; } }",
            &[("http://", &["env HTTP_X_V \"\""])],
        ),
        (
            "server { location /x { proxy_pass http://a:1; return 403; }\n\
             location /y { fastcgi_pass a:1; return 403; } }",
            &[("http://", &["status 403 /x ", "status 403 /y ", "NOT a:1"])],
        ),
        (
            "server { location /a/ { include none; return 200 x; } }",
            &[("http://", &["status 403 /a/", "NOT text"])],
        ),
        ("server { location /a/ { include none; } }", &[("http://", &["status 403 /a/"])]),
        ("server { include none; }", &[("http://", &["status 403 /"])]),
        ("server { include snippets/wp-fastcgi.conf; }", &[("http://", &["status 403 /"])]),
        ("server { include my-options-ssl-nginx.conf; }", &[("http://", &["status 403 /"])]),
        ("server { include snippets/fastcgi-php.conf; }", &[("http://", &["NOT status"])]),
        ("server { include proxy_params; }", &[("http://", &["NOT status"])]),
        ("server { include /etc/nginx/proxy_params; }", &[("http://", &["NOT status"])]),
        ("server { auth_ldap x; }", &[("http://", &["status 403 /"])]),
        ("server { location /a { access_by_lua x; } }", &[("http://", &["status 403 /a"])]),
        // Neither scripts nor what an upstream would answer are sent as files.
        ("server { location /a { uwsgi_pass unix:/x; } }", &[("http://", &["status 403 /a"])]),
        ("server { location /a { proxy_pass http://$a; } }", &[("http://", &["status 403 /a"])]),
        (
            "server { location ~ \\.php$ { fastcgi_pass $a; } }",
            &[("http://", &["if {path} match \\.php$ to /@status-403"])],
        ),
        (
            "server { location /a { return 302 https://b/$foo; } }",
            &[("http://", &["if {path} starts_with /a to /@status-403"])],
        ),
        (
            "server { location ~ \\.php$ { if ($http_a) { return 403; } fastcgi_pass unix:/x; } }",
            &[("http://", &["if {path} match \\.php$ if {>A} not \"\" to /@status-403"])],
        ),
        ("server { location @x { deny all; } }", &[("http://", &["status 403 /@x"])]),
        (
            "server { location / { try_files $uri @x; }\n\
             location @x { rewrite ^/(.*)$ /i?q=$1 break; proxy_pass http://a:1; } }",
            &[("http://", &["in a named location: left out", "NOT to /i"])],
        ),
        (
            "server { location ~ /\\.(?!w) { deny all; } location ~ (?!x)y { deny all; } }",
            &[("http://", &["status 403 /"])],
        ),
        (
            "server { listen 127.0.0.1:81; listen [::1]:81; listen 80; }",
            &[("http://:81", &["bind 127.0.0.1 ::1"]), ("http://", &["NOT bind"])],
        ),
    ]);
}

#[test]
fn files_that_nginx_does_not_send() {
    hold(&[
        (
            "server { location ~ \\.css$ { root /srv; } }",
            &[(
                "http://",
                &["root /srv", "rewrite { if {path} not_match \\.css$ to /@status-404 }"],
            )],
        ),
        (
            "server { location /a/ { proxy_pass http://a:1; } }",
            &[("http://", &["root /var/empty"])],
        ),
        // The files of the server are not below that of `/`.
        (
            "server { root /srv; location / { root /srv/public; } location /i/ { }\n\
             location ~ \\.php$ { fastcgi_pass a:1; } location ~ \\.css$ { expires 1d; } }",
            &[
                ("http://", &["root /srv/public", "root /srv }", "a site has one root"]),
                ("http:///i/", &["root /srv/i"]),
            ],
        ),
        (
            "server { root /srv; location / { alias /srv/public/; } }",
            &[("http://", &["root /srv/public", "NOT write a site"])],
        ),
        (
            "server { root /srv; location / { root /srv/$host; } }",
            &[("http://", &["root /var/empty"])],
        ),
        (
            "server { root /srv; location /a/ { alias /b/$host/; } }",
            &[("http:///a/", &["root /var/empty"])],
        ),
        (
            "server { location / { } location ~ \\.css$ { root /srv; } }",
            &[("http://", &["root /var/empty"])],
        ),
        ("server { root /srv/$host; }", &[("http://", &["root /var/empty"])]),
        ("server { location /a/ { alias /b/$host/; } }", &[("http:///a/", &["root /var/empty"])]),
        ("server { location / { proxy_pass http://a:1; } }", &[("http://", &["NOT root"])]),
    ]);
}
