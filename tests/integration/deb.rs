//! The Debian package on a machine without systemd: installed, started, upgraded, purged. And
//! the archive, which holds the same.

use std::process::Command;

use crate::harness::World;

/// Runs a script of `packaging` on the release build.
pub(crate) fn made(script: &str, to: &std::path::Path) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let line = format!(
        "cd '{root}' && {{ test -e target/package/LICENSES || make -s licences >&2; }} && \
         packaging/{script} target/release/caddy '{}'",
        to.display()
    );
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

    world.ok("dpkg -r caddy");
    assert_eq!(world.curl(&[], "http://localhost/"), "000 0 0");
    world.ok("test -e /etc/caddy/Caddyfile && test -d /var/log/caddy");
    world.ok("dpkg -P caddy");
    assert_eq!(world.ok(ours), there_before);
}

#[test]
fn the_archive_runs_where_it_is_unpacked() {
    let directory = tempfile::tempdir().unwrap();
    let archive = made("tarball.sh", directory.path());
    let here = directory.path();
    let unpacked = Command::new("tar").args(["-xzf", &archive]).current_dir(here).status();
    assert!(unpacked.unwrap().success());
    for name in [
        "README.txt",
        "CHANGES.txt",
        "LICENSES.txt",
        "init/linux-sysv/caddy",
        "init/linux-sysv/sysconfig",
        "init/linux-systemd/caddy.service",
        "init/linux-systemd/caddy.socket",
        "docs/README.md",
    ] {
        assert!(here.join(name).exists(), "{name}");
    }
    let said = Command::new(here.join("caddy")).arg("-version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        format!("Caddy {}\n", env!("CARGO_PKG_VERSION"))
    );
}
