//! The Debian package on a machine without systemd: installed, started, upgraded, purged. And
//! the archive, which holds the same.

use std::process::Command;

use crate::harness::World;

/// Runs a script of `packaging` on the release build.
pub(crate) fn made(script: &str, to: &std::path::Path) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let line = format!("cd '{root}' && packaging/{script} target/release/caddy '{}'", to.display());
    let done = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn installed_started_upgraded_purged() {
    let Some(share) = World::share() else { return };
    let package = made("deb/build.sh", share.path());
    std::fs::rename(package, share.path().join("caddy.deb")).unwrap();
    let world = World::boot("debian", share);
    world.until("test -e /share/ready");
    let before = world.ok("find /run/upper | grep caddy || :");
    assert_eq!(before, "");
    // Other packages may know of it, such as a shell that completes its flags.
    let ours = "find /etc /usr /var /run/caddy -xdev -name '*caddy*' 2>/dev/null || :";
    let there_before = world.ok(ours);

    world.ok("dpkg -i /share/caddy.deb");
    assert_eq!(world.expect("/etc/init.d/caddy status", 3), "caddy is stopped\n");
    // Its usual level is 2.
    let links = "ls -d /etc/rc[2-5].d/S*caddy /etc/rc[016].d/K*caddy | wc -l";
    assert_eq!(world.ok(links), "7\n");
    world.ok("/etc/init.d/caddy start");
    assert_eq!(world.curl(&[], "http://localhost/").split(' ').next(), Some("200"));
    let pid = world.ok("cat /var/run/caddy/caddy.pid");
    assert_eq!(world.ok(&format!("ps -o user= -p {pid}")).trim(), "caddy");
    assert_eq!(world.ok("stat -c '%U %a' /var/lib/caddy"), "caddy 700\n");

    world.ok("dpkg -i /share/caddy.deb");
    assert_ne!(world.ok("cat /var/run/caddy/caddy.pid"), pid);
    assert_eq!(world.curl(&[], "http://localhost/").split(' ').next(), Some("200"));

    world.ok("ln -s caddy /etc/init.d/caddy-two && mkdir /etc/caddy-two");
    world.ok("printf 'http://localhost:81 {\\n status 201 /\\n}\\n' >/etc/caddy-two/Caddyfile");
    world.ok("/etc/init.d/caddy-two start");
    assert_eq!(world.curl(&[], "http://localhost:81/").split(' ').next(), Some("201"));

    world.ok("dpkg -r caddy");
    for port in [80, 81] {
        assert_eq!(world.curl(&[], &format!("http://localhost:{port}/")), "000 0 0");
    }
    world.ok("rm -r /etc/init.d/caddy-two /etc/caddy-two /var/log/caddy-two /var/lib/caddy-two");
    world.ok("test -e /etc/caddy/Caddyfile && test -d /var/log/caddy");
    world.ok("dpkg -P caddy");
    assert_eq!(world.ok(ours), there_before);
}

#[test]
fn lintian_finds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let package = made("deb/build.sh", directory.path());
    let done = Command::new("lintian").args(["--allow-root", &package]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The commands below a heading of the archive's `init/README`.
fn commands(readme: &str, heading: &str) -> String {
    let section = readme.split(&format!("\n{heading}\n")).nth(1).expect(heading);
    let lines = section.lines().skip(2).skip_while(|line| line.is_empty());
    // The next heading has a line of dashes below it.
    let lines = lines.take_while(|line| !line.starts_with("---"));
    lines.filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n")
}

/// A machine of a kind on which the archive is installed by the commands below two headings of its
/// `init/README`: it serves, as its own user. With the text of the README.
fn installed_from_archive(kind: &str, heading: &str) -> Option<(World, String)> {
    let share = World::share()?;
    let archive = made("tarball.sh", share.path());
    std::fs::rename(archive, share.path().join("caddy.tar.gz")).unwrap();
    std::fs::write(share.path().join("bare"), "").unwrap();
    if kind == "openrc" {
        let openrc = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/openrc");
        let copied = Command::new("cp").args(["-a", openrc]).arg(share.path()).status();
        assert!(copied.unwrap().success(), "{openrc} is missing: run tests/setup.sh");
    }
    let world = World::boot(kind, share);
    match kind {
        "systemd" => world.until("systemctl is-system-running | grep -E 'running|degraded'"),
        _ => world.until("test -e /share/ready"),
    };
    world.ok("mkdir /opt/caddy && tar -xzf /share/caddy.tar.gz -C /opt/caddy");
    let said = world.ok("/opt/caddy/caddy -version");
    assert_eq!(said, format!("Caddy {}\n", env!("CARGO_PKG_VERSION")));

    let readme = world.ok("cat /opt/caddy/init/README");
    let install = commands(&readme, "Program, user, Caddyfile");
    let start = commands(&readme, heading);
    assert!(install.contains("useradd") && start.contains(" start"), "{install}\n{start}");
    world.ok(&format!("cd /opt/caddy && set -e\n{install}\n{start}"));
    assert_eq!(world.curl(&[], "http://localhost/").split(' ').next(), Some("200"));
    let owner = world.ok("ps -o user= -p $(pgrep -x caddy)");
    assert_eq!(owner.trim(), "caddy");
    let status = world.ok("/usr/local/bin/caddy -status -control /var/run/caddy/caddy.sock");
    assert!(status.starts_with("serving 1 site, "), "{status}");
    Some((world, readme))
}

#[test]
fn the_archive_is_installed_by_each_init_as_it_says() {
    for (kind, heading, starts_at_boot) in [
        (
            "hold",
            "SysV init: Amazon Linux 2016.09, CentOS 6",
            "chkconfig --list caddy | grep 3:on && service caddy status",
        ),
        ("systemd", "systemd", "systemctl is-enabled caddy && systemctl is-active caddy"),
        (
            "openrc",
            "OpenRC: Alpine (with gcompat), Gentoo",
            "rc-update show default | grep caddy && rc-service caddy status",
        ),
    ] {
        let Some((world, _)) = installed_from_archive(kind, heading) else { return };
        world.ok(starts_at_boot);
    }
}

#[test]
fn the_archive_is_installed_as_it_says() {
    let Some((world, readme)) = installed_from_archive("debian", "SysV init: Debian, Devuan")
    else {
        return;
    };
    let pid = world.ok("cat /var/run/caddy/caddy.pid");
    let upgrade = commands(&readme, "Another version");
    assert!(upgrade.contains("service caddy upgrade"), "{upgrade}");
    world.ok(&format!("cd /opt/caddy && set -e\n{upgrade}"));
    assert_ne!(world.ok("cat /var/run/caddy/caddy.pid"), pid);
    assert_eq!(world.curl(&[], "http://localhost/").split(' ').next(), Some("200"));
    // What the other headings name is there.
    for line in readme.lines().filter_map(|line| line.strip_prefix("    install ")) {
        for file in line.split(' ').filter(|word| word.starts_with("init/")) {
            world.ok(&format!("cd /opt/caddy && ls {file}"));
        }
    }
}
