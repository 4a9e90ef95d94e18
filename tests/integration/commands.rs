//! Commands before the flags: each does what its name says. `fmt` changes no meaning.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{BINARY, Origin, Setup, curl, free_port, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that a command starts in a directory of its own, which has no Caddyfile.
struct Running {
    child: Child,
    dir: tempfile::TempDir,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file.txt"), "a file").unwrap();
        let child = Command::new(BINARY)
            .args(args)
            .current_dir(dir.path())
            .env("CADDYPATH", dir.path().join("store"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    /// The status and content of the first response.
    fn get(&self, args: &[&str], url: &str) -> (u16, String) {
        wait_for(url, PATIENCE, || {
            let answer = curl(args, url);
            (answer.status > 0).then(|| (answer.status, answer.text()))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn reverse_proxy_serves_another_server() {
    let origin = Origin::start();
    let (to, port) = (origin.addr.to_string(), free_port().to_string());
    let site = format!("http://localhost:{port}");
    let running = Running::start(&["reverse-proxy", "--from", &site, "--to", &to]);
    let (status, text) = running.get(&[], &format!("{site}/head"));
    // The upstream sees the client's Host.
    assert!(status == 200 && text.contains(&format!("localhost:{port}")), "{status}: {text}");
    drop(running);

    let site = format!("https://localhost:{}", free_port());
    let running = Running::start(&["reverse-proxy", "--to", &to, "--from", &site, "-quiet"]);
    assert_eq!(running.get(&["-k"], &format!("{site}/head")).0, 200);
}

#[test]
fn file_server_serves_files_and_lists() {
    let port = free_port().to_string();
    let listen = format!(":{port}");
    let url = format!("http://localhost:{port}/");
    let running = Running::start(&["file-server", "--listen", &listen, "--browse"]);
    let (status, list) = running.get(&[], &url);
    assert!(status == 200 && list.contains("file.txt"), "{status}: {list}");
    let root = running.dir.path().to_str().unwrap().to_owned();
    let other = free_port().to_string();
    let second = Running::start(&["file-server", "--root", &root, "-port", &other]);
    let file = format!("http://localhost:{other}/file.txt");
    assert_eq!(second.get(&[], &file), (200, "a file".to_owned()));
    // Without --browse there is no list.
    assert_eq!(second.get(&[], &format!("http://localhost:{other}/")).0, 404);
}

#[test]
fn run_reload_and_stop_a_service() {
    let setup = Setup::new("http://:@PORT@ {\n status 201 /\n}\n");
    let dir = setup.dir().to_owned();
    // It writes the Caddyfile.
    setup.command();
    let caddy = |args: &[&str]| {
        Command::new(BINARY).args(args).current_dir(&dir).stdin(Stdio::null()).output().unwrap()
    };
    // `start` returns when the service answers.
    let started = caddy(&["start", "Caddyfile", "-control", "control", "-log", "log"]);
    assert_eq!(started.status.code(), Some(0), "{}", String::from_utf8_lossy(&started.stderr));
    let url = format!("http://localhost:{}/", setup.ports[0]);
    assert_eq!(curl(&[], &url).status, 201);
    fs::write(dir.join("Caddyfile"), setup.fill("http://:@PORT@ {\n status 202 /\n}\n")).unwrap();
    assert_eq!(caddy(&["reload", "-control", "control"]).status.code(), Some(0));
    assert_eq!(curl(&[], &url).status, 202);
    let stopped = caddy(&["stop", "-control", "control"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", String::from_utf8_lossy(&stopped.stderr));
    // It has ended when the command returns: nothing listens.
    assert!(std::net::TcpStream::connect(("127.0.0.1", setup.ports[0])).is_err());
    let log = fs::read_to_string(dir.join("log")).unwrap();
    assert!(log.contains("control socket: Shutting down"), "{log}");
    assert_eq!(caddy(&["stop", "-control", "control"]).status.code(), Some(7));
}

#[test]
fn fmt_prints_or_writes_the_usual_form() {
    let text = "# sites\nlocalhost:@PORT@   {\nroot .\n    header / X-A \"a  b\" # kept\n}\n";
    let setup = Setup::new(text);
    let path = setup.dir().join("Caddyfile");
    // It writes the Caddyfile.
    setup.command();
    let before = fs::read_to_string(&path).unwrap();
    let want = before.replace("   {", " {").replace("\nroot", "\n\troot").replace("    h", "\th");
    let link = setup.dir().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let caddy = |args: &[&str]| {
        let mut command = Command::new(BINARY);
        let done = command.args(args).current_dir(setup.dir()).stdin(Stdio::null()).output();
        let done = done.unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    for args in [&["fmt"][..], &["-fmt"], &["fmt", "link"], &["-conf", "link", "-fmt"]] {
        assert_eq!(caddy(args), want, "{args:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert_eq!(caddy(&["fmt", "--overwrite", "link"]), "");
    assert_eq!(fs::read_to_string(&path).unwrap(), want);
    let kept = fs::metadata(&path).unwrap();
    assert_eq!(kept.mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // What has its form already is not written.
    let inode = kept.ino();
    assert_eq!(caddy(&["fmt", "-w"]), "");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    let left = fs::read_dir(setup.dir()).unwrap().count();
    assert_eq!(left, 2);
}

#[test]
fn fmt_refuses_what_it_cannot_read() {
    let setup = Setup::new("localhost {\n root \"a\n}\n").arg("-fmt").arg("-overwrite");
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("Caddyfile:2 - Syntax error: Unterminated quote"), "{said}");
    assert_eq!(
        fs::read_to_string(setup.dir().join("Caddyfile")).unwrap(),
        "localhost {\n root \"a\n}\n"
    );
}

/// The examples of the documentation, and the files of other tests, all of whose messages name
/// places: formatted, they get the same messages in the same order.
#[test]
fn what_is_formatted_means_the_same() {
    let mut texts: Vec<String> = Vec::new();
    for table in [include_str!("caddyfiles.txt"), include_str!("mistakes.txt")] {
        let cases = table.split("\n== ").skip(1);
        texts.extend(cases.map(|case| {
            let text = case.split_once('\n').unwrap().1.split("\n--\n").next().unwrap();
            text.replace('§', "") + "\n"
        }));
    }
    for page in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap().flatten() {
        if page.path().extension().is_some_and(|end| end == "md") {
            let page = fs::read_to_string(page.path()).unwrap();
            let examples = page.split("\n```caddyfile\n").skip(1);
            texts
                .extend(examples.map(|text| text.split("\n```").next().unwrap().to_owned() + "\n"));
        }
    }
    assert!(texts.len() > 150, "{}", texts.len());
    let mut formatted = 0;
    for text in texts {
        let setup = Setup::new(&text);
        let messages = || {
            let done = setup.command().arg("-validate").output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let lines = said.lines().filter(|line| line.contains("rror: "));
            let without_place = |line: &str| line.split(" - ").skip(1).collect::<String>();
            let texts: Vec<_> = lines.map(without_place).collect();
            (done.status.code(), texts)
        };
        let before = messages();
        let done = setup.command().args(["-fmt", "-overwrite"]).output().unwrap();
        if done.status.success() {
            formatted += 1;
            assert_eq!(messages(), before, "{text}");
        }
    }
    assert!(formatted > 130, "{formatted}");
}
