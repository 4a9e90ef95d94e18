//! The life of the RPM on a machine of Red Hat's kind with SysV init: installed, booted, reloaded,
//! upgraded under load, erased.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{World, package};

/// HTTP/3 on 443, a slow download, and plain HTTP on 80.
const SITES: &str = "https://localhost {\n tls self_signed\n status 203 /\n}\n\
                     http://localhost:80 {\n root /srv/site\n}\n";

fn machine() -> Option<World> {
    let share = World::share()?;
    for release in [1, 2, 3] {
        package(share.path(), release);
    }
    std::fs::write(share.path().join("Caddyfile"), SITES).unwrap();
    let world = World::boot("hold", share);
    world.until("test -e /share/ready");
    world.ok("rpm -i /share/base.rpm");
    Some(world)
}

/// Runs rpm; what it said.
fn rpm(world: &World, line: &str) -> String {
    told(&world.ok(&format!("rpm {line}")))
}

/// What rpm said, without Debian's advice not to use it.
fn told(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.starts_with("rpm: "));
    lines.collect::<Vec<_>>().join("\n")
}

fn pid(world: &World) -> String {
    world.ok("cat /var/run/caddy/caddy.pid").trim().to_owned()
}

#[test]
fn installed_booted_reloaded_upgraded_erased() {
    let Some(world) = machine() else { return };
    let before = world.ok("find /run/upper | sort");
    installs(&world);
    boots(&world);
    reloads(&world);
    upgrades_under_load(&world);
    a_bad_caddyfile_keeps_the_old_process(&world);
    erases(&world, &before);
}

fn installs(world: &World) {
    assert_eq!(rpm(world, "-i /share/caddy-1.rpm"), "");
    let list = world.ok("chkconfig --list caddy");
    let states: Vec<_> = list.split_whitespace().skip(1).collect();
    assert_eq!(states, ["0:off", "1:off", "2:off", "3:on", "4:on", "5:on", "6:off"]);
    let links = world.ok("cd /etc/rc.d && ls -d rc?.d/*caddy");
    let numbers = "rc0.d/K80caddy\nrc1.d/K80caddy\nrc2.d/K80caddy\nrc3.d/S20caddy\n\
                   rc4.d/S20caddy\nrc5.d/S20caddy\nrc6.d/K80caddy\n";
    assert_eq!(links, numbers);
    assert_eq!(rpm(world, "-V caddy"), "");
    let account = world.ok("getent passwd caddy");
    assert!(account.contains(":/var/lib/caddy:/sbin/nologin"), "{account}");
    assert_eq!(
        world.ok("stat -c '%U %G %a' /var/lib/caddy /var/log/caddy"),
        "caddy caddy 700\ncaddy caddy 750\n"
    );
    assert_eq!(world.expect("service caddy status", 3), "caddy is stopped\n");
    world.ok("man -w 8 caddy && man -w 5 caddyfile");
    world.ok("grep -q aws-lc-rs /usr/share/doc/caddy/LICENSES");
    world.ok("logrotate -d /etc/logrotate.d/caddy");
    // What the package brings is served as it stands.
    world.ok("service caddy start");
    assert_eq!(world.curl(&[], "http://localhost/").split(' ').next(), Some("200"));
    world.ok("service caddy stop");
}

fn boots(world: &World) {
    world.ok(
        "cp /share/Caddyfile /etc/caddy/ && mkdir -p /srv/site && truncate -s 30M /srv/site/big",
    );
    world.ok("echo NOFILE=16384 >>/etc/sysconfig/caddy");
    let said = world.ok("/etc/rc.d/rc 3");
    assert!(said.contains("Starting caddy:") && said.contains("[  OK  ]"), "{said}");
    world.ok("test -e /var/lock/subsys/caddy");
    assert_eq!(world.curl(&["--http1.1"], "https://localhost/"), "203 1.1 0");
    assert_eq!(world.curl(&["--http2"], "https://localhost/"), "203 2 0");
    assert_eq!(world.h3_status(443, "/"), 203);
    let status = world.ok("service caddy status");
    let expected = format!("caddy (pid {}) is running for 0:00:", pid(world));
    let ports = ": HTTP on port 80, HTTP/1.1 HTTP/2 HTTP/3 on port 443";
    let (first, second) = status.split_once('\n').unwrap();
    assert!(first.starts_with(&expected) && first.ends_with(ports), "{status}");
    assert!(second.starts_with("serving ") && second.contains(" requests/s"), "{status}");
    let seen = world.ok("su -s /bin/bash nobody -c '/etc/init.d/caddy status'");
    assert!(seen.starts_with(&expected), "{seen}");
    let uid = world.ok(&format!("ps -o user= -p {}", pid(world)));
    assert_eq!(uid.trim(), "caddy");
    let limit = world.ok(&format!("grep 'open files' /proc/{}/limits", pid(world)));
    assert!(limit.contains(" 16384 "), "{limit}");
    // Entering the level again starts nothing.
    let before = pid(world);
    world.ok("/etc/rc.d/rc 3");
    assert_eq!(pid(world), before);
}

fn reloads(world: &World) {
    let before = pid(world);
    world.ok("sed -i s/203/202/ /etc/caddy/Caddyfile && service caddy reload");
    world.until("[ $(curl -sko /dev/null -w '%{http_code}' https://localhost/) = 202 ]");
    world.ok("cp /etc/caddy/Caddyfile /tmp/good && printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    let said = world.expect("service caddy reload", 6);
    assert!(said.contains("the running configuration is unchanged"), "{said}");
    world.ok("cp /tmp/good /etc/caddy/Caddyfile");
    assert_eq!((world.h3_status(443, "/"), pid(world)), (202, before));
}

/// Downloads that are under way run to their end, no request fails, and new ones are served by the
/// new program.
fn upgrades_under_load(world: &World) {
    let (before, old) = (pid(world), world.ok("sha256sum /usr/bin/caddy"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let slow = ["--limit-rate", "12M", "--http1.1"];
        let download = scope.spawn(move || world.curl(&slow, "http://localhost/big"));
        let load = scope.spawn(|| {
            let mut answers = vec![];
            while !stop.load(Ordering::Relaxed) {
                answers.push(world.curl(&["--http2", "--retry", "0"], "https://localhost/"));
            }
            answers
        });
        thread::sleep(Duration::from_millis(500));
        let (code, said) = world.run("rpm -U /share/caddy-2.rpm");
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        let answers = load.join().unwrap();
        assert_eq!((code, told(&said).as_str()), (0, ""));
        assert_eq!(download.join().unwrap(), format!("200 1.1 {}", 30 << 20));
        assert!(answers.len() > 10 && answers.iter().all(|one| one == "202 2 0"), "{answers:?}");
    });
    assert_ne!(pid(world), before);
    assert_ne!(world.ok("sha256sum /usr/bin/caddy"), old);
    let program = world.ok(&format!("readlink /proc/{}/exe", pid(world)));
    assert_eq!(program, "/usr/bin/caddy\n", "the new one runs");
    assert_eq!(world.h3_status(443, "/"), 202, "the Caddyfile is the edited one");
    assert_eq!(rpm(world, "-q --qf %{release} caddy"), "2");
    let changed = world.run("rpm -V caddy 2>/dev/null").1;
    let changed: Vec<_> = changed.lines().filter_map(|line| line.split("  c ").nth(1)).collect();
    assert_eq!(changed, ["/etc/caddy/Caddyfile", "/etc/sysconfig/caddy"]);
}

fn a_bad_caddyfile_keeps_the_old_process(world: &World) {
    let before = pid(world);
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    let said = rpm(world, "-U /share/caddy-3.rpm");
    assert!(
        said.contains("Caddyfile:") && said.contains("the running configuration is unchanged"),
        "{said}"
    );
    assert!(said.contains("the upgrade failed; the old process keeps running"), "{said}");
    assert_eq!((pid(world), world.h3_status(443, "/")), (before, 202));
    world.ok("service caddy status");
    world.ok("cp /tmp/good /etc/caddy/Caddyfile && service caddy restart");
}

fn erases(world: &World, before: &str) {
    let last = pid(world);
    let said = rpm(world, "-e caddy");
    assert!(said.lines().all(|line| line.contains("rpmsave")), "{said}");
    world.expect(&format!("test -e /proc/{last}"), 1);
    assert_eq!(world.curl(&[], "http://localhost/"), "000 0 0");
    let left = world.ok("find /run/upper | sort");
    let new = left.lines().filter(|line| !before.lines().any(|old| old == *line));
    let ours = new.filter(|line| line.contains("caddy")).map(|line| line.replace("/run/upper", ""));
    // The edited files, the log and the store are the administrator's.
    let expected = [
        "/etc/caddy",
        "/etc/caddy/Caddyfile.rpmsave",
        "/etc/sysconfig/caddy.rpmsave",
        "/var/log/caddy",
        "/var/log/caddy/caddy.log",
    ];
    assert_eq!(ours.collect::<Vec<_>>(), expected);
    world.expect("ls /run/caddy /run/lock/subsys/caddy 2>/dev/null", 2);
}

#[test]
fn rpmlint_finds_no_error() {
    let directory = tempfile::tempdir().unwrap();
    package(directory.path(), 1);
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("caddy-{version}-1.{}.rpm", std::env::consts::ARCH);
    let package = directory.path().join(name);
    std::fs::rename(directory.path().join("caddy-1.rpm"), &package).unwrap();
    let done = std::process::Command::new("rpmlint")
        .args(["-c", "packaging/rpm/rpmlint.toml", "packaging/rpm/caddy.spec"])
        .arg(package)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains(" 0 errors, 0 warnings"), "{said}");
}
