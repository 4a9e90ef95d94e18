//! The package under a sysvinit that is PID 1: run levels start and stop the service.

use std::thread;

use crate::harness::{World, package};

const SITES: &str = "https://localhost {\n tls self_signed\n status 203 /\n}\n\
                     http://localhost:80 {\n root /srv\n}\n";

#[test]
fn run_levels_start_and_stop_the_service() {
    let Some(share) = World::share() else { return };
    package(share.path(), 1);
    std::fs::rename(share.path().join("caddy-1.rpm"), share.path().join("caddy.rpm")).unwrap();
    std::fs::write(share.path().join("Caddyfile"), SITES).unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let copied = std::process::Command::new("cp")
        .args(["-a", &format!("{root}/target/tools/sysvinit")])
        .arg(share.path())
        .status();
    assert!(copied.unwrap().success(), "tests/setup.sh unpacks sysvinit");

    let world = World::boot("sysvinit", share);
    // The lock is there when start has returned.
    let started = "service caddy status && [ -e /var/lock/subsys/caddy ]";
    world.until(started);
    assert_eq!(world.ok("cat /proc/1/comm"), "init\n");
    assert_eq!(world.curl(&["--http2"], "https://localhost/"), "203 2 0");
    assert_eq!(world.h3_status(443, "/"), 203);
    world.ok("telinit 1");
    world.until("! service caddy status && [ ! -e /var/lock/subsys/caddy ]");
    world.ok("telinit 3");
    world.until(started);
    assert_eq!(world.h3_status(443, "/"), 203);

    world.ok("truncate -s 30M /srv/big");
    thread::scope(|scope| {
        let slow = ["--limit-rate", "4M", "--http1.1"];
        let world = &world;
        let download = scope.spawn(move || world.curl(&slow, "http://localhost/big"));
        world.until("ss -Htni state established '( sport = :80 )' | grep -q bytes_sent:");
        world.ok("telinit 0");
        assert_eq!(download.join().unwrap(), format!("200 1.1 {}", 30 << 20));
    });
    world.until("test -e /share/halted");
    world.expect("service caddy status", 3);
}
