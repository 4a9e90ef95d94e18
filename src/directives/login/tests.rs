//! What the page answers, and what blocks are read as.

use http_body_util::BodyExt as _;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::site::Site;

fn site(block: &str) -> Result<SiteBuilder, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("users"), "kim:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    std::fs::write(dir.path().join("bad"), "kim:$6$a$b\n").unwrap();
    std::fs::write(dir.path().join("page"), PAGE).unwrap();
    std::fs::write(dir.path().join("jinja"), "\n{{ user }}").unwrap();
    let block = block.replace("DIR", &dir.path().display().to_string());
    testing::site_in(dir.path(), "login", setup, &format!("login {{\n{block}\n}}"))
}

fn built(block: &str) -> Site {
    let mut site = site(block).unwrap();
    site.push(testing::Answer(|req: &mut Request| {
        Ok(Response::new(Body::from(req.user.clone().unwrap_or_default())))
    }));
    site.build()
}

struct Answered {
    status: u16,
    cookie: String,
    location: String,
    text: String,
}

async fn ask(site: &Site, line: &str, fields: &[(&'static str, &str)], content: &str) -> Answered {
    let (method, target) = line.split_once(' ').unwrap();
    asked(site, request(method, target), fields, content).await
}

async fn asked(
    site: &Site,
    mut req: Request,
    fields: &[(&'static str, &str)],
    content: &str,
) -> Answered {
    for (name, value) in fields {
        req.head.headers.append(*name, value.parse().unwrap());
    }
    req.body = Body::from(content.to_owned());
    let (status, headers, body) = match site.handle(&mut req).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            (head.status, head.headers, body.collect().await.unwrap().to_bytes().to_vec())
        }
        Err(fault) => (fault.status, fault.headers, Vec::new()),
    };
    let field = |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let text = String::from_utf8(body).unwrap();
    Answered {
        status: status.as_u16(),
        cookie: field("set-cookie"),
        location: field("location"),
        text,
    }
}

const HTML: (&str, &str) = ("accept", "text/html");

#[tokio::test]
async fn a_user_logs_in_and_out() {
    let site = built("simple max=x\nhtpasswd file=DIR/users\nlogout_url /bye\njwt_refreshes 1");
    let page = ask(&site, "GET /login", &[], "").await;
    assert!(page.status == 200 && page.text.contains("type=\"password\""), "{}", page.text);
    let wrong = ask(&site, "POST /login", &[HTML], "username=%3Ckim&password=wrong").await;
    assert!(wrong.status == 403 && wrong.text.contains("&lt;kim"), "{}", wrong.text);
    let right = ask(&site, "POST /login", &[HTML], "username=kim&password=secret").await;
    assert_eq!((right.status, right.location.as_str()), (303, "/"));
    let (cookie, attributes) = right.cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; Secure; SameSite=Lax");
    let session = [("cookie", cookie)];
    assert_eq!(ask(&site, "GET /a", &session, "").await.text, "kim");
    assert!(ask(&site, "GET /login", &session, "").await.text.contains("Welcome, kim"));
    let json = ask(&site, "GET /login", &[session[0], ("accept", "application/json")], "").await;
    assert!(json.text.contains("\"origin\":\"htpasswd\""), "{}", json.text);
    let out = ask(&site, "DELETE /login", &session, "").await;
    assert_eq!((out.status, out.location.as_str()), (303, "/bye"));
    assert!(out.cookie.starts_with("jwt_token=; Max-Age=0;"), "{}", out.cookie);
    let token = ask(&site, "POST /login", &session, "").await;
    assert_eq!(token.status, 200, "it is renewed once");
    let renewed = format!("jwt_token={}", token.text);
    assert_eq!(ask(&site, "POST /login", &[("cookie", &renewed)], "").await.status, 403);
    for (line, status) in [
        ("GET /login/github", 404),
        ("GET /loginx", 200),
        ("GET /%6Cogin/", 200),
        ("PUT /login", 405),
    ] {
        assert_eq!(ask(&site, line, &[], "").await.status, status, "{line}");
    }
}

#[tokio::test]
async fn another_site_logs_nobody_in() {
    let site = built("simple max=x");
    let body = "username=max&password=x";
    for (fields, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 303),
        (&[("sec-fetch-site", "none")], 303),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("origin", "http://example.com:8080")], 303),
        (&[("origin", "http://example.com.evil:8080")], 403),
        (&[("origin", "null")], 403),
        (&[("referer", "http://evil/")], 403),
    ] {
        let fields = [&[HTML], fields].concat();
        assert_eq!(ask(&site, "POST /login", &fields, body).await.status, status, "{fields:?}");
    }
    let out = ask(&site, "GET /login?logout=true", &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(out.status, 403);
}

#[tokio::test]
async fn where_a_login_leads() {
    let site = built("simple max=x\nsuccess_url /home\ntemplate page");
    for (back, referer, expected) in [
        ("", "", "/home"),
        ("/a?b=c", "", "/a?b=c"),
        ("/a", "http://example.com:8080/x", "/a"),
        ("//evil/a", "", "/home"),
        ("/\\evil", "", "/home"),
        ("https://evil/", "", "/home"),
        ("http://example.com:8080/a", "", "http://example.com:8080/a"),
        ("http://example.com:8080@evil/", "", "/home"),
        ("javascript:alert(1)", "", "/home"),
        ("a", "", "/home"),
    ] {
        let back = percent_encoding::utf8_percent_encode(back, percent_encoding::NON_ALPHANUMERIC);
        let line = format!("/login?backTo={back}");
        let fields = if referer.is_empty() { vec![HTML] } else { vec![HTML, ("referer", referer)] };
        let answer = ask(&site, &format!("POST {line}"), &fields, "username=max&password=x").await;
        assert_eq!(answer.location, expected, "{line}");
    }
    let page = ask(&site, "GET /login?backTo=/a", &[], "").await;
    assert!(page.text.contains("action=\"/login?backTo=%2Fa\""), "{}", page.text);
    let token = ask(
        &site,
        "POST /login",
        &[("content-type", "application/json")],
        "{\"username\":\"max\",\"password\":\"x\"}",
    )
    .await;
    assert_eq!((token.status, token.text.split('.').count()), (200, 3));
    for (kind, content, status) in [
        ("application/json", "[]", 400),
        ("multipart/form-data", "x", 400),
        ("", &"x".repeat(20_000), 413),
    ] {
        let fields = if kind.is_empty() { vec![] } else { vec![("content-type", kind)] };
        assert_eq!(ask(&site, "POST /login", &fields, content).await.status, status, "{kind}");
    }
}

#[tokio::test]
async fn guessing_is_bounded() {
    let site = built("simple guessed=x");
    // The address is not that of other tests, which have the same attempts.
    let login = async |password: &str| {
        let mut req = request("POST", "/login");
        let peer = std::rc::Rc::get_mut(&mut req.peer).unwrap();
        peer.remote.set_ip([192, 0, 2, 1].into());
        asked(&site, req, &[HTML], &format!("username=guessed&password={password}")).await.status
    };
    let mut last = 0;
    for _ in 0..=crate::limits::LOGIN_USER {
        last = login("y").await;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(login("x").await, 429, "the right one is not told apart");
}

#[test]
fn what_is_refused() {
    for (block, message) in [
        ("", "login: nobody may log in"),
        ("simple kim", "login: 'kim' is not USER=PASSWORD"),
        ("htpasswd file=/none", "login: cannot read /none"),
        ("htpasswd file=DIR/bad", "login: invalid password of 'kim'"),
        ("simple a=b\nlogin_path localhost:80", "'localhost:80' is not a path"),
        ("simple a=b\ntemplate none", "login: cannot read "),
        ("simple a=b\ntemplate jinja", "login: invalid template "),
        ("simple a=b\njwt_algo none", "unknown algorithm 'none'"),
        ("simple a=b\njwt_algo RS256\njwt_secret x", "login: RS256 signs with a private key"),
        ("simple a=b\ncookie_name a=b", "login: 'a=b' is not the name of a cookie"),
        ("simple a=b\ncookie_secure maybe", "unknown value 'maybe'"),
        ("google client_id=a", "login: google is not supported"),
        ("osiam a=b", "login: osiam is not supported"),
        ("backend provider=google,client_id=a", "login: google is not supported"),
        ("backend provider=simple,kim", "login: 'kim' is not USER=PASSWORD"),
        ("backend provider=foo", "login: 'provider=foo' names no provider"),
        ("backend kk", "login: 'kk' names no provider"),
        ("user_endpoint_token a", "login: user_endpoint_token is not supported"),
        ("user_endpoint_timeout 1s", "login: user_endpoint_timeout is not supported"),
    ] {
        let error = site(block).err().unwrap_or_default();
        assert!(error.starts_with(message), "{block}: {error}");
    }
    let error = site("simple a=b\ntemplate jinja").err().unwrap_or_default();
    assert!(error.contains("/jinja: line 2: function \"user\" not defined"), "{error}");
}

/// One as the plugin had them: with its parts, and in its language.
const PAGE: &str = r#"{{template "styles" .}}{{if .Error}}E{{end}}{{if .Authenticated -}}
    in as {{.UserInfo.Sub}} by {{.UserInfo.Origin}}{{.UserInfo.Picture}}{{template "userInfo" .}}
{{- else -}}
    at {{.Config.LoginPath}}{{if .Failure}} failed {{.User}}{{end}}{{template "login" .}}
{{- end}}"#;

#[tokio::test]
async fn a_template_of_the_plugin_works() {
    let site = built("simple max=x\ntemplate page\nlogin_path /in");
    let shown = ask(&site, "GET /in?backTo=/a%22b", &[HTML], "").await.text;
    for part in ["<style>", "at /in", "action=\"/in?backTo=%2Fa%22b\"", "type=\"password\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let wrong = ask(&site, "POST /in", &[HTML], "username=%3Cb%3E&password=y").await;
    assert_eq!(wrong.status, 403);
    for part in ["failed &lt;b&gt;", "value=\"&lt;b&gt;\"", "User or password is wrong."] {
        assert!(wrong.text.contains(part), "{part}: {}", wrong.text);
    }
    let right = ask(&site, "POST /in", &[HTML], "username=max&password=x").await;
    let (cookie, _) = right.cookie.split_once(';').unwrap();
    let shown = ask(&site, "GET /in", &[HTML, ("cookie", cookie)], "").await.text;
    for part in ["in as max by simple", "<h1>Welcome, max</h1>", "href=\"/in?logout=true\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
