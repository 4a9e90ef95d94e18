//! `git`: sites from a bare repository, over HTTPS by git's own backend and over SSH by OpenSSH.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Caddy, Setup, certificate, curl, free_port, python_script, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// A bare repository `site.git` with what somebody pushes there.
struct Pushes {
    dir: tempfile::TempDir,
}

impl Pushes {
    fn new(files: &[(&str, &str)]) -> Self {
        let pushes = Self { dir: tempfile::tempdir().unwrap() };
        pushes.run(".", &["init", "-q", "--bare", "-b", "master", "served/site.git"]);
        pushes.run(".", &["clone", "-q", "served/site.git", "work"]);
        pushes.push(files);
        pushes
    }

    fn run(&self, folder: &str, words: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-C"])
            .arg(self.dir.path().join(folder))
            .args(words)
            .output()
            .expect("git");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn push(&self, files: &[(&str, &str)]) {
        for (name, content) in files {
            std::fs::write(self.dir.path().join("work").join(name), content).unwrap();
        }
        self.run("work", &["add", "-A"]);
        self.run("work", &["commit", "-q", "-m", "change"]);
        self.run("work", &["push", "-q", "origin", "HEAD:master"]);
    }

    fn tag(&self, name: &str) {
        self.run("work", &["tag", name]);
        self.run("work", &["push", "-q", "origin", name]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn listens(port: u16) {
    wait_for("a server to listen", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
}

/// `git http-backend` behind TLS, with a certificate of this folder.
fn serve_https(pushes: &Pushes, port: u16) -> Running {
    let (cert, key, _) = certificate(pushes.dir.path(), "10");
    let script = python_script("githttp.py")
        .args([&port.to_string(), &cert, &key])
        .arg(pushes.path("served"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    listens(port);
    Running(script)
}

/// A site whose repository is at `@GIT@`; its log is the process's.
fn site(pushes: &Pushes, url: &str, block: &str) -> Setup {
    let text = format!(
        "http://localhost:@PORT@, http://localhost:@PORT2@ {{\n root www\n\
         log access.log\n git {url} {{\n{block}\n}}\n}}\n"
    );
    let trusted = pushes.path("cert.pem").display().to_string();
    Setup::new(&text).env("GIT_SSL_CAINFO", &trusted).env("PRIVATE_VALUE", "secret")
}

fn page(caddy: &Caddy, wanted: &str) {
    wait_for(&format!("the page '{wanted}'; {}", caddy.log()), PATIENCE, || {
        let answer = curl(&[], &caddy.plain("/"));
        (answer.status == 200 && answer.text() == wanted).then_some(())
    });
}

/// A hook as GitHub sends it; openssl signs it.
fn hook(caddy: &Caddy, body: &str, secret: &str) -> u16 {
    let script = format!("printf '%s' '{body}' | openssl dgst -sha256 -hmac '{secret}' -r");
    let sum = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    let signature = format!("X-Hub-Signature-256: sha256={}", sum.split(' ').next().unwrap());
    let fields =
        ["-A", "GitHub-Hookshot/1", "-H", "X-GitHub-Event: push", "-H", &signature, "-d", body];
    curl(&fields, &caddy.plain("/pushed")).status
}

#[test]
fn a_push_reaches_the_site_over_https() {
    let pushes = Pushes::new(&[("index.html", "one")]);
    let port = free_port();
    let _server = serve_https(&pushes, port);
    let block = "hook /pushed top\nthen sh -c \"env > ../env; ls -l /proc/self/fd > ../files\"\n\
                 then sh -c \"echo run >> ../runs\"\nthen_long sh -c \"echo long >> ../long\"";
    let caddy = site(&pushes, &format!("https://localhost:{port}/site"), block).start();
    page(&caddy, "one");
    pushes.push(&[("index.html", "two")]);
    let master = "{\"ref\":\"refs/heads/master\"}";
    assert_eq!(hook(&caddy, master, "wrong"), 403);
    assert_eq!(hook(&caddy, "{\"ref\":\"refs/heads/other\"}", "top"), 200);
    assert_eq!(hook(&caddy, master, "top"), 200);
    page(&caddy, "two");
    let runs = |name: &str| caddy.read(name).lines().count();
    wait_for("the commands", PATIENCE, || (runs("runs") == 2 && runs("long") == 2).then_some(()));
    // Nothing is new, and a reload is no push.
    caddy.reload();
    assert_eq!(hook(&caddy, master, "top"), 200);
    pushes.push(&[("index.html", "three")]);
    assert_eq!(hook(&caddy, master, "top"), 200);
    page(&caddy, "three");
    wait_for("the commands", PATIENCE, || (runs("runs") == 3).then_some(()));
    let env = caddy.read("env");
    assert!(!env.contains("PRIVATE_VALUE") && env.contains("HOME="), "{env}");
    let files = caddy.read("files");
    for open in ["socket:", "anon_inode:", "access.log", "process.log"] {
        assert!(!files.contains(open), "{files}");
    }
    for path in ["/.git/config", "/.git/HEAD", "/%2egit/config"] {
        assert_eq!(curl(&[], &caddy.plain(path)).status, 404, "{path}");
    }
}

#[test]
fn a_repository_that_is_away_stops_no_start() {
    let pushes = Pushes::new(&[("index.html", "here")]);
    let port = free_port();
    certificate(pushes.dir.path(), "10");
    let url = format!("https://kim:password@localhost:{port}/site");
    let setup = site(&pushes, &url, "hook /pushed top\npath sub").file("www/index.html", "old");
    let caddy = setup.start();
    wait_for("the warning", PATIENCE, || caddy.log().contains("; retrying;").then_some(()));
    let log = caddy.log();
    assert!(log.contains(&format!("git: https://localhost:{port}/site.git: git clone: ")), "{log}");
    assert!(!log.contains("password"), "{log}");
    page(&caddy, "old");
    let _server = serve_https(&pushes, port);
    assert_eq!(hook(&caddy, "{\"ref\":\"refs/heads/master\"}", "top"), 200);
    wait_for("the files", PATIENCE, || {
        (curl(&[], &caddy.plain("/sub/")).text() == "here").then_some(())
    });
}

#[test]
fn the_newest_tag_is_served() {
    let pushes = Pushes::new(&[("index.html", "first")]);
    pushes.tag("v1");
    pushes.push(&[("index.html", "untagged")]);
    let port = free_port();
    let _server = serve_https(&pushes, port);
    let block = "branch {latest}\nhook /pushed top\ninterval 3600";
    let caddy = site(&pushes, &format!("https://localhost:{port}/site"), block).start();
    page(&caddy, "first");
    pushes.push(&[("index.html", "second")]);
    pushes.tag("v2");
    assert_eq!(hook(&caddy, "{\"ref\":\"refs/tags/v2\"}", "top"), 200);
    page(&caddy, "second");
}

#[test]
fn another_branch_and_another_repository() {
    let pushes = Pushes::new(&[("index.html", "master")]);
    pushes.run("work", &["checkout", "-q", "-b", "next"]);
    std::fs::write(pushes.path("work/index.html"), "next").unwrap();
    pushes.run("work", &["commit", "-q", "-a", "-m", "next"]);
    pushes.run("work", &["push", "-q", "origin", "next"]);
    let port = free_port();
    let _server = serve_https(&pushes, port);
    let caddy = site(&pushes, &format!("https://localhost:{port}/site"), "branch @B@");
    let caddy = caddy.set("B", "master").start();
    page(&caddy, "master");
    let text = caddy.read("Caddyfile");
    caddy.rewrite(&text.replace("branch master", "branch next"));
    caddy.reload();
    page(&caddy, "next");
    caddy.rewrite(&text.replace("/site ", "/other "));
    caddy.reload();
    wait_for("the warning", PATIENCE, || {
        caddy.log().contains("has another repository").then_some(())
    });
    page(&caddy, "next");
}

/// OpenSSH's server as `tests/setup.sh` has unpacked it, in a world with the user that it needs.
fn serve_ssh(pushes: &Pushes, port: u16) -> Running {
    assert!(nix::unistd::geteuid().is_root(), "sshd needs root");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/openssh");
    let sshd = tools.join("usr/sbin/sshd");
    assert!(sshd.exists(), "{}: no such file; tests/setup.sh unpacks it", sshd.display());
    let dir = pushes.dir.path().display();
    for name in ["host", "user"] {
        let key = pushes.path(name).display().to_string();
        let words = ["-q", "-t", "ed25519", "-N", "", "-f", &key];
        let made = Command::new("ssh-keygen").args(words).status().unwrap();
        assert!(made.success());
    }
    let conf = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nPidFile none\nUsePAM no\n\
         StrictModes no\nAuthorizedKeysFile {dir}/user.pub\nPermitRootLogin yes\n\
         PasswordAuthentication no\n"
    );
    std::fs::write(pushes.path("sshd.conf"), conf).unwrap();
    let script = format!(
        "set -e\nmount -t tmpfs none /run\nmkdir /run/sshd\n\
         {{ cat /etc/passwd; echo sshd:x:998:65534::/run/sshd:/usr/sbin/nologin; }} > {dir}/passwd\n\
         mount --bind {dir}/passwd /etc/passwd\n\
         exec {} -D -e -f {dir}/sshd.conf 2> {dir}/sshd.log",
        sshd.display()
    );
    let libraries = tools.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env("LD_LIBRARY_PATH", libraries)
        .spawn()
        .unwrap();
    listens(port);
    Running(child)
}

#[test]
fn a_private_repository_comes_over_ssh() {
    let pushes = Pushes::new(&[("index.html", "private")]);
    let port = free_port();
    let _server = serve_ssh(&pushes, port);
    let url = format!("ssh://root@127.0.0.1:{port}{}/site", pushes.path("served").display());
    let block = format!("key {}\nhook /pushed top", pushes.path("user").display());
    // The key of the host is kept in the home.
    let caddy = site(&pushes, &url, &block).world("mount -t tmpfs none /root").start();
    page(&caddy, "private");
    pushes.push(&[("index.html", "new")]);
    assert_eq!(hook(&caddy, "{\"ref\":\"refs/heads/master\"}", "top"), 200);
    page(&caddy, "new");
}
