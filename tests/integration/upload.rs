//! `upload` with curl over every protocol: forms, files, signatures, and clients that go away.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Caddy, Setup, curl, curl_h3, h3_one, pattern, wait_for};

fn site(options: &str) -> Caddy {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root www\n browse /files\n\
                upload /in {\n to @DIR@/www/files\n@OPTIONS@\n}\n}";
    Setup::new(text).set("OPTIONS", options).file("www/files/there", "before").start()
}

fn files(caddy: &Caddy) -> Vec<String> {
    let entries = std::fs::read_dir(caddy.path("www/files")).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    names
}

fn written(caddy: &Caddy, name: &str, content: &[u8]) -> PathBuf {
    let path = caddy.path(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn curl_uploads_files_over_every_protocol() {
    let caddy = site("");
    let content = pattern(3_000_000);
    let local = written(&caddy, "local.bin", &content);
    let local = local.to_str().unwrap();
    for version in ["--http1.1", "--http2"] {
        let name = version.trim_matches(['-', '.']);
        let put = |url: &str| curl(&[version, "-T", local], &caddy.url(url)).status;
        assert_eq!(put(&format!("/in/{name}.bin")), 201, "{}", caddy.log());
        assert_eq!(put(&format!("/in/{name}.bin")), 204);
        let fields = ["-F", "text=no file", "-F"];
        let form = format!("file=@{local};filename={name}.form");
        let sent = curl(&[&[version], &fields[..], &[&form]].concat(), &caddy.url("/in/"));
        assert_eq!((sent.status, sent.error.as_str()), (201, ""), "{}", caddy.log());
        for ending in ["bin", "form"] {
            let got = curl(&[version], &caddy.url(&format!("/files/{name}.{ending}")));
            assert!(got.body == content, "{name}.{ending}: {} bytes", got.len);
        }
    }
    let job = json!({"path": "/in/curl3.bin", "bytes": 3_000_000, "times": 2});
    let sent: Vec<_> = curl_h3(caddy.port(), job).iter().map(|one| one["status"].clone()).collect();
    assert_eq!(sent, [201, 204]);
    let got = std::fs::read(caddy.path("www/files/curl3.bin")).unwrap();
    assert!(got == vec![b'x'; 3_000_000]);
    let form =
        "--b\r\nContent-Disposition: form-data; filename=\"h3.form\"\r\n\r\ntext\r\n--b--\r\n";
    let kind = json!([["content-type", "multipart/form-data; boundary=b"]]);
    let job = json!({"method": "POST", "path": "/in/", "headers": kind, "body": form});
    assert_eq!(h3_one(caddy.port(), job).status, 201);
    assert_eq!(curl(&[], &caddy.url("/files/h3.form")).text(), "text");
    // What a temporary file is called, too.
    assert_eq!(files(&caddy).len(), 7, "{:?}", files(&caddy));
}

#[test]
fn curl_moves_and_removes() {
    let caddy = site("");
    let to = ["-X", "MOVE", "-H", "Destination: /in/moved"];
    assert_eq!(curl(&to, &caddy.url("/in/there")).status, 201);
    assert_eq!(files(&caddy), ["moved"]);
    let job = json!({"method": "DELETE", "path": "/in/moved"});
    assert_eq!(h3_one(caddy.port(), job).status, 204);
    assert!(files(&caddy).is_empty());
}

#[test]
fn a_signature_as_openssl_makes_it() {
    let caddy = site("hmac_keys_in mark=Z2VoZWlt\n promise_download_from /files");
    let script = "time=$(date --utc +%s); printf '%s %s' $time \
                  $(printf ${time}abc | openssl dgst -sha256 -hmac $0 -binary | openssl enc -base64)";
    let signed = |key: &str| -> Answer {
        let done = Command::new("bash").args(["-c", script, key]).output().unwrap();
        let made = String::from_utf8(done.stdout).unwrap();
        let (time, tag) = made.split_once(' ').unwrap();
        let field = format!(
            "Authorization: Signature keyId=\"mark\",algorithm=\"hmac-sha256\",\
             headers=\"timestamp token\",signature=\"{tag}\""
        );
        let time = format!("Timestamp: {time}");
        let fields = ["-H", &field, "-H", &time, "-H", "Token: abc", "-X", "PUT", "-d", "x"];
        curl(&fields, &caddy.url("/in/signed"))
    };
    let answer = signed("geheim");
    assert_eq!((answer.status, answer.header("location")), (201, "/files/signed"), "{answer:?}");
    assert_eq!(signed("another").status, 403);
    let unsigned = curl(&["-X", "PUT", "-d", "x"], &caddy.url("/in/unsigned"));
    assert_eq!((unsigned.status, unsigned.header("www-authenticate")), (401, "Signature"));
    assert_eq!(files(&caddy), ["signed", "there"]);
}

/// Whether the server has a file open that has no name yet.
fn is_writing(caddy: &Caddy) -> bool {
    let folder = caddy.path("www/files").canonicalize().unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", caddy.pid())).unwrap().flatten();
    let mut ways = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    ways.any(|way| way.starts_with(&folder) && way.to_string_lossy().ends_with("(deleted)"))
}

#[test]
fn a_server_that_is_killed_leaves_no_part_of_a_file() {
    let mut caddy = site("");
    let local = written(&caddy, "local.bin", &pattern(900_000));
    let mut client = Command::new("curl")
        .args(["-sk", "--noproxy", "*", "--limit-rate", "100k", "-T"])
        .arg(&local)
        .arg(caddy.url("/in/new/cut.bin"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the file", Duration::from_secs(30), || is_writing(&caddy).then_some(()));
    caddy.kill();
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(files(&caddy), ["there"]);
}

#[test]
fn a_client_that_goes_away_leaves_no_file() {
    let caddy = site("max_filesize 1000000");
    let local = written(&caddy, "local.bin", &pattern(900_000));
    let begun = || is_writing(&caddy).then_some(());
    let gone = || (files(&caddy) == ["there"]).then_some(());
    for version in ["--http1.1", "--http2"] {
        let mut client = Command::new("curl")
            .args(["-sk", "--noproxy", "*", version, "--limit-rate", "100k", "-T"])
            .arg(&local)
            .arg(caddy.url("/in/cut.bin"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the temporary file", Duration::from_secs(30), begun);
        client.kill().unwrap();
        client.wait().unwrap();
        wait_for("its end", Duration::from_secs(30), || (!is_writing(&caddy)).then_some(()));
        assert_eq!(files(&caddy), ["there"]);
    }
    let (port, job) = (
        caddy.port(),
        json!({"method": "PUT", "path": "/in/cut.bin", "held": true,
        "stop_at": 10}),
    );
    let client = std::thread::spawn(move || h3_one(port, job));
    wait_for("the temporary file", Duration::from_secs(30), begun);
    client.join().unwrap();
    wait_for("its end", Duration::from_secs(60), gone);
    let large = written(&caddy, "large.bin", &pattern(1_000_001));
    for version in ["--http1.1", "--http2"] {
        let sent = curl(&[version, "-T", large.to_str().unwrap()], &caddy.url("/in/large.bin"));
        assert_eq!(sent.status, 413, "{version}");
    }
    assert_eq!(files(&caddy), ["there"]);
}
