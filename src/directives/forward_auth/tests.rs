//! What lines are read as, and what a server is asked.

use super::*;
use crate::directives::testing;
use crate::site::Site;
use crate::upstream::testing::{Then, local, ok, origin, request};

fn built(lines: &str) -> Result<Site, String> {
    let mut site = testing::site("forward_auth", setup, lines)?;
    site.push(testing::Answer(|req: &mut Request| {
        let user = req.head.headers.get("remote-user").map(|user| user.to_str().unwrap());
        Ok(Response::new(Body::from(user.unwrap_or_default().to_owned())))
    }));
    Ok(site.build())
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("forward_auth /", "Wrong argument count or unexpected line ending after '/'"),
        ("forward_auth a:80 /", "'a:80' is not a path"),
        ("forward_auth / a b", "Wrong argument count"),
        ("forward_auth / ftp://a", "forward_auth: upstream 'ftp://a': scheme 'ftp'"),
        ("forward_auth / a:80-81", "forward_auth: 'a:80-81' names 2 servers"),
        ("forward_auth / a {\nuri api\n}", "'api' is not a path and query"),
        ("forward_auth / http://a/b {\nuri /c\n}", "forward_auth: both '/b' and uri"),
        ("forward_auth / a {\nuri /a\nuri /b\n}", "uri is written twice"),
        ("forward_auth / a {\ncopy_headers\n}", "Wrong argument count"),
        ("forward_auth / a {\ncopy_headers a:b\n}", "'a:b' is not a header field name"),
        ("forward_auth / a {\ncopy_headers X>Host\n}", "host cannot be copied"),
        ("forward_auth / a {\ncopy_headers Content-Type\n}", "content-type cannot be copied"),
        ("forward_auth / a {\nca_certificates /none\n}", "forward_auth: ca_certificates /none"),
        ("forward_auth / a {\nexcpt /a\n}", "unknown property 'excpt'"),
        ("forward_auth /a a\nforward_auth /A b", "forward_auth: another line asks about /A"),
    ] {
        let lines = lines.replace("/ a {\nca", "/ https://a {\nca");
        let error = built(&lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
}

#[test]
fn the_best_path_decides() {
    local(async {
        let (open, asked) =
            origin(|_| (b"HTTP/1.1 204 No\r\nRemote-User: kim\r\n\r\n".to_vec(), Then::Keep)).await;
        let (shut, _) =
            origin(|_| (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno".to_vec(), Then::Keep))
                .await;
        let lines = format!(
            "forward_auth / {shut} {{\nexcept /free\n}}\n\
             forward_auth /api http://{open}/may?i=1 {{\ncopy_headers Remote-User\nexcept /free\n}}"
        );
        let site = built(&lines).unwrap();
        for (path, expected) in [
            ("/", "403"),
            ("/api/x", "kim"),
            ("/API", "kim"),
            ("/free", ""),
            ("/api/free/x", "403"),
            ("/api/./x", "400"),
        ] {
            let mut req = request("GET", path);
            req.head.headers.insert("remote-user", HeaderValue::from_static("root"));
            let got = match site.handle(&mut req).await {
                Ok(response) if response.status() == 200 => {
                    let user = req.head.headers.get("remote-user");
                    user.map_or(String::new(), |user| user.to_str().unwrap().to_owned())
                }
                Ok(response) => response.status().as_str().to_owned(),
                Err(fault) => fault.status.as_str().to_owned(),
            };
            assert_eq!(got, expected, "{path}");
        }
        let asked = asked.requests.borrow();
        assert!(asked[0].starts_with("GET /may?i=1 HTTP/1.1\r\n"), "{asked:?}");
        assert!(!asked[0].contains("root"), "{asked:?}");
        assert_eq!(asked.len(), 2);
    });
}

#[test]
fn a_connection_is_used_again() {
    local(async {
        let (to, seen) = origin(|_| ok("yes")).await;
        let site = built(&format!("forward_auth / {to}")).unwrap();
        for _ in 0..3 {
            assert!(site.handle(&mut request("GET", "/")).await.is_ok());
        }
        assert_eq!((seen.connections.get(), seen.requests.borrow().len()), (1, 3));
    });
}
