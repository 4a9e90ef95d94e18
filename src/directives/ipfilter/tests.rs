//! Who gets in, and where.

use std::rc::Rc;

use http_body_util::BodyExt;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::site::Site;

fn site(lines: &str) -> Result<Site, String> {
    let mut site = testing::site("ipfilter", setup, lines)?;
    site.push(testing::Answer(|_: &mut Request| Ok(Response::new(Body::empty()))));
    Ok(site.build())
}

async fn status(site: &Site, path: &str, client: &str) -> u16 {
    let mut req = request("GET", path);
    let ip: IpAddr = client.parse().unwrap();
    Rc::get_mut(&mut req.peer).unwrap().remote = (ip, 1).into();
    // Only `realip` may believe this.
    req.head.headers.append("x-forwarded-for", "192.0.2.1".parse().unwrap());
    site.handle(&mut req).await.map_or_else(|fault| fault.status, |r| r.status()).as_u16()
}

#[tokio::test]
async fn rules_by_address() {
    let allow = "ipfilter / {\nrule allow\nip 192.0.2.1 10 2001:db8::/32\n}";
    let block = "ipfilter / {\nrule block\nip 192.0.2.1\nip 10.0.0.7-9\n}";
    for (lines, client, expected) in [
        (allow, "192.0.2.1", 200),
        (allow, "::ffff:192.0.2.1", 200),
        (allow, "10.255.0.1", 200),
        (allow, "2001:db8::1", 200),
        (allow, "192.0.2.2", 403),
        (allow, "::1", 403),
        (block, "192.0.2.1", 403),
        (block, "::ffff:10.0.0.9", 403),
        (block, "10.0.0.10", 200),
        ("ipfilter / {\nip 192.0.2.1\nstrict\n}", "10.0.0.1", 403),
        ("ipfilter / {\nip 192.0.2.1\nstrict\n}", "192.0.2.1", 200),
    ] {
        assert_eq!(status(&site(lines).unwrap(), "/x", client).await, expected, "{lines} {client}");
    }
}

#[tokio::test]
async fn the_longest_path_decides_in_every_reading() {
    let lines = "ipfilter / {\nrule allow\nip 10.0.0.1\n}\n\
                 ipfilter /hook /in/deep {\nrule allow\nip 10.0.0.2\n}\n\
                 ipfilter /in {\nrule block\nip 10.0.0.1\n}";
    let site = site(lines).unwrap();
    for (path, client, expected) in [
        ("/", "10.0.0.1", 200),
        ("/", "10.0.0.2", 403),
        ("/hook", "10.0.0.2", 200),
        ("/HOOK/x", "10.0.0.2", 200),
        ("/hook", "10.0.0.1", 403),
        ("/in/x", "10.0.0.1", 403),
        ("/in/x", "10.0.0.3", 200),
        ("/in/deep", "10.0.0.3", 403),
        ("/in/deep", "10.0.0.2", 200),
        ("/%69n/x", "10.0.0.1", 403),
        // Some servers take it for a hook, others do not.
        ("/hook/../x", "10.0.0.2", 403),
        ("/x/../hook", "10.0.0.1", 403),
        ("/x/../hook", "10.0.0.2", 403),
        ("/hook/./x", "10.0.0.2", 200),
        ("/in/../x", "10.0.0.1", 403),
    ] {
        assert_eq!(status(&site, path, client).await, expected, "{path} {client}");
    }
}

#[tokio::test]
async fn equal_paths_go_by_the_last_block() {
    let lines =
        "ipfilter / {\nrule allow\nip 10.0.0.1\n}\nipfilter / {\nrule block\nip 10.0.0.1\n}";
    let site = site(lines).unwrap();
    assert_eq!(status(&site, "/", "10.0.0.1").await, 403);
    assert_eq!(status(&site, "/", "10.0.0.2").await, 200);
}

#[tokio::test]
async fn files_name_clients_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let site = site(&format!("ipfilter / {{\nrule block\nprefix_dir {}\n}}", path.display()));
    let site = site.unwrap();
    assert_eq!(status(&site, "/", "192.0.2.7").await, 200);
    std::fs::create_dir_all(path.join("2001/db8")).unwrap();
    std::fs::create_dir_all(path.join("198/51")).unwrap();
    for file in ["192.0.2.7", "::1", "198/51/198.51.100.7", "2001/db8/2001:db8::7"] {
        std::fs::write(path.join(file), "").unwrap();
    }
    for (client, expected) in [
        ("192.0.2.7", 403),
        ("::ffff:192.0.2.7", 403),
        ("192.0.2.8", 200),
        ("198.51.100.7", 403),
        ("2001:db8::7", 403),
        ("2001:db8::8", 200),
        ("::1", 403),
    ] {
        assert_eq!(status(&site, "/", client).await, expected, "{client}");
    }
    std::fs::remove_dir_all(path).unwrap();
    assert_eq!(status(&site, "/", "192.0.2.7").await, 500, "the directory is gone");
}

#[tokio::test]
async fn a_page_for_those_outside() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, "<p>no").unwrap();
    let lines = format!("ipfilter / {{\nrule allow\nip 10.0.0.1\nblockpage {}\n}}", page.display());
    let response = site(&lines).unwrap().handle(&mut request("GET", "/")).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (StatusCode::FORBIDDEN, &"text/html; charset=utf-8".parse().unwrap())
    );
    let content = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(content, "<p>no");
}

#[test]
fn what_is_refused_and_what_is_doubted() {
    for (lines, message) in [
        ("ipfilter", "Wrong argument count or unexpected line ending after 'ipfilter'"),
        ("ipfilter / {\nrule block\n}", "ipfilter: no addresses, countries or directory"),
        ("ipfilter / {\nrule deny\nip ::1\n}", "unknown rule 'deny'"),
        ("ipfilter / {\nip 1.2.3.4.5\n}", "ipfilter: '1.2.3.4.5' is not a range of addresses"),
        ("ipfilter / {\nip 1.2.3.9-4\n}", "ipfilter: '1.2.3.9-4' is not a range of addresses"),
        ("ipfilter / {\ncountry US\n}", "ipfilter: countries are looked up in a database"),
        ("ipfilter / {\ncountry USA\n}", "country must be a code of two letters such as US"),
        ("ipfilter / {\nip ::1\ndatabase /none\n}", "ipfilter: cannot use the database '/none'"),
        ("ipfilter / {\nip ::1\ndatabase /etc/passwd\n}", "ipfilter: cannot use the database"),
        ("ipfilter / {\nprefix_dir /none\n}", "ipfilter: cannot use the directory '/none'"),
        ("ipfilter / {\nprefix_dir /etc/passwd\n}", "ipfilter: cannot use the directory"),
        ("ipfilter / {\nip ::1\nblockpage /none\n}", "ipfilter: cannot read the page '/none'"),
        ("ipfilter a.test:80 {\nip ::1\n}", "'a.test:80' is not a path"),
    ] {
        let error = testing::site("ipfilter", setup, lines).err().expect(lines);
        assert!(error.starts_with(message), "{lines}: {error}");
    }
    let lines = "ipfilter / {\nip 10.0.0.1\n}\nipfilter /open {\nrule block\n}";
    let site = testing::site("ipfilter", setup, lines).unwrap();
    let warnings: Vec<_> = site.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("it lets everyone in"), "{warnings:?}");
}
