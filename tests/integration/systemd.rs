//! The package under a systemd that is PID 1: it boots, is reloaded, killed, upgraded and shut
//! down.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{World, package};

pub(crate) const SITES: &str = "https://localhost {\n tls self_signed\n status 203 /\n}\n\
                     http://localhost:80 {\n root /srv\n}\n";

/// A machine that systemd has booted, with the service running. `also` are further files of
/// /share, which `tests/world/systemd` looks for.
pub(crate) fn machine(releases: &[u32], also: &[&str]) -> Option<World> {
    let share = World::share()?;
    for release in releases {
        package(share.path(), *release);
    }
    std::fs::copy(share.path().join("caddy-1.rpm"), share.path().join("caddy.rpm")).unwrap();
    std::fs::write(share.path().join("Caddyfile"), SITES).unwrap();
    also.iter().for_each(|name| drop(std::fs::File::create(share.path().join(name)).unwrap()));
    Some(booted(share))
}

pub(crate) fn booted(share: TempDir) -> World {
    let world = World::boot("systemd", share);
    world.until("systemctl is-active caddy.service");
    world.ok("truncate -s 30M /srv/big");
    world
}

pub(crate) fn pid(world: &World) -> String {
    world.ok("systemctl show --value -p MainPID caddy.service").trim().to_owned()
}

/// One row of /proc/PID/status.
fn row(world: &World, name: &str) -> String {
    let row = world.ok(&format!("grep '^{name}:' /proc/{}/status", pid(world)));
    row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

pub(crate) fn serves(world: &World, status: u64) {
    for version in ["--http1.1", "--http2"] {
        let got = world.curl(&[version], "https://localhost/");
        assert!(got.starts_with(&status.to_string()), "{version}: {got}");
    }
    assert_eq!(world.h3_status(443, "/"), status);
}

#[test]
fn boots_reloads_restarts_upgrades_shuts_down() {
    let Some(world) = machine(&[1, 2, 3], &[]) else { return };
    units_are_in_order(&world);
    serves(&world, 203);
    sandboxed(&world);
    reloads(&world);
    comes_back_after_kill(&world);
    upgrades(&world);
    drains_at_shutdown(&world);
}

fn units_are_in_order(world: &World) {
    let units = "/usr/lib/systemd/system/caddy.service /usr/lib/systemd/system/caddy.socket";
    assert_eq!(world.ok(&format!("systemd-analyze verify --man=no {units}")), "");
    world.ok("systemd-analyze security --offline=true --threshold=15 \
              /usr/lib/systemd/system/caddy.service");
}

fn sandboxed(world: &World) {
    let uid = world.ok("id -u caddy");
    assert_eq!(row(world, "Uid"), [uid.trim(); 4].join(" "));
    // CAP_NET_BIND_SERVICE and nothing else, for good.
    for name in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(row(world, name), "0000000000000400", "{name}");
    }
    assert_eq!((row(world, "NoNewPrivs").as_str(), row(world, "Seccomp").as_str()), ("1", "2"));
    world.ok("test -e /run/caddy && test -d /var/lib/caddy");
    assert_eq!(world.ok("stat -c '%U %a' /var/lib/caddy /var/log/caddy"), "caddy 700\ncaddy 750\n");
    let verified = world.run("rpm -V caddy 2>/dev/null").1;
    assert!(verified.lines().all(|line| line.ends_with(" c /etc/caddy/Caddyfile")), "{verified}");
    // What the kernel says of the machine, of which /proc says nothing there.
    world.ok("printf 'http://localhost:88 {\\n header / X-Machine {hostname}\\n status 204 /\\n}\\n\
              https://localhost:89 {\\n tls self_signed\\n root /srv\\n quic_report\\n}\\n' >>/etc/caddy/Caddyfile");
    world.ok("systemctl reload caddy");
    let machine =
        world.ok("curl -si http://localhost:88/ | tr -d '\\r' | sed -n 's/^x-machine: //Ip'");
    assert_eq!(machine, world.ok("uname -n"));
    world.ok("cp /share/Caddyfile /etc/caddy/Caddyfile && systemctl reload caddy");
}

fn reloads(world: &World) {
    let before = pid(world);
    world.ok("sed -i s/203/202/ /etc/caddy/Caddyfile && systemctl reload caddy");
    world.until("[ $(curl -sko /dev/null -w '%{http_code}' https://localhost/) = 202 ]");
    world.ok("cp /etc/caddy/Caddyfile /tmp/good");
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    world.expect("systemctl reload caddy 2>/dev/null", 1);
    world.ok("systemctl is-active caddy");
    world.until(
        "(journalctl -u caddy --no-pager 2>/dev/null || cat /share/console) | \
         grep -F \"Unknown directive 'nope'\"",
    );
    assert_eq!(pid(world), before);
    serves(world, 202);
    world.ok("cp /tmp/good /etc/caddy/Caddyfile");
}

fn comes_back_after_kill(world: &World) {
    let before = pid(world);
    world.ok(&format!("kill -9 {before}"));
    world
        .until("[ $(systemctl show --value -p NRestarts caddy) = 1 ] && systemctl is-active caddy");
    assert_ne!(pid(world), before);
    serves(world, 202);
}

fn upgrades(world: &World) {
    let before = pid(world);
    thread::scope(|scope| {
        let slow = ["--limit-rate", "12M", "--http1.1"];
        let download = scope.spawn(move || world.curl(&slow, "http://localhost/big"));
        thread::sleep(Duration::from_millis(500));
        assert_eq!(upgraded(world, 2), "");
        assert_ne!(pid(world), before);
        serves(world, 202);
        assert_eq!(download.join().unwrap(), format!("200 1.1 {}", 30 << 20));
    });
    assert_eq!(row(world, "CapEff"), "0000000000000400");
    let said = world.ok("systemctl show --value -p StatusText caddy");
    assert!(said.starts_with("serving ") && said.contains(" requests/s"), "{said}");
    assert!(!said.contains("failed"), "{said}");
    world.until("systemctl status --no-pager caddy | grep -E 'Status: .serving .* requests/s'");
    // The new process is the service: systemd sees its end.
    world.until(&format!("! test -e /proc/{before}"));
    let restarts = world.ok("systemctl show --value -p NRestarts caddy");
    assert_eq!(restarts, "1\n", "an upgrade is no restart");
    world.ok(&format!("kill -9 {}", pid(world)));
    world
        .until("[ $(systemctl show --value -p NRestarts caddy) = 2 ] && systemctl is-active caddy");
    serves(world, 202);
    let before = pid(world);
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    let said = upgraded(world, 3);
    assert!(said.contains("/etc/caddy/Caddyfile is not valid"), "{said}");
    assert!(said.contains("the upgrade failed; the old process keeps running"), "{said}");
    assert_eq!(pid(world), before);
    serves(world, 202);
    world.ok("cp /tmp/good /etc/caddy/Caddyfile");
}

/// As docs/operations.md says.
fn upgrades_by_signal(world: &World) {
    let before = pid(world);
    world.ok("systemctl kill -s USR2 --kill-who=main caddy");
    world.until(&format!("[ $(systemctl show --value -p MainPID caddy) != {before} ]"));
    world.ok("systemctl is-active caddy.service");
}

/// What rpm said.
fn upgraded(world: &World, release: u32) -> String {
    let said = world.ok(&format!("rpm -U /share/caddy-{release}.rpm"));
    said.lines().filter(|line| !line.starts_with("rpm: ")).collect::<Vec<_>>().join("\n")
}

fn drains_at_shutdown(world: &World) {
    thread::scope(|scope| {
        let slow = ["--limit-rate", "4M", "--http1.1"];
        let download = scope.spawn(move || world.curl(&slow, "http://localhost/big"));
        world.until("ss -Htni state established '( sport = :80 )' | grep -q bytes_sent:");
        world.run("systemctl --no-block exit");
        assert_eq!(download.join().unwrap(), format!("200 1.1 {}", 30 << 20));
    });
    world.ended();
}

#[test]
fn a_missed_watchdog_restarts_it() {
    let Some(world) = machine(&[1], &[]) else { return };
    let limit = world.ok("systemctl show --value -p WatchdogUSec caddy");
    assert_eq!(limit, "30s\n");
    world.ok("mkdir -p /run/systemd/system/caddy.service.d");
    world.ok("printf '[Service]\nWatchdogSec=10\n' >/run/systemd/system/caddy.service.d/w.conf");
    world.ok("systemctl daemon-reload && systemctl restart caddy");
    upgrades_by_signal(&world);
    let before = pid(&world);
    thread::sleep(Duration::from_secs(22));
    assert_eq!(pid(&world), before, "signs of life keep it, now those of the new process");
    world.ok(&format!("kill -STOP {before}"));
    world
        .until("[ $(systemctl show --value -p NRestarts caddy) = 1 ] && systemctl is-active caddy");
    let said = world.ok("journalctl -u caddy --no-pager");
    assert!(said.contains("Watchdog timeout"), "{said}");
    serves(&world, 203);
}

#[test]
fn the_drop_in_for_old_versions_starts_as_root_and_ends_as_caddy() {
    let Some(world) = machine(&[1], &["old-systemd"]) else { return };
    serves(&world, 203);
    let uid = world.ok("id -u caddy");
    assert_eq!(row(&world, "Uid"), [uid.trim(); 4].join(" "));
    let before = pid(&world);
    world.ok("sed -i s/203/202/ /etc/caddy/Caddyfile && systemctl reload caddy");
    world.until("[ $(curl -sko /dev/null -w '%{http_code}' https://localhost/) = 202 ]");
    assert_eq!(pid(&world), before);
    upgrades_by_signal(&world);
    assert_eq!(row(&world, "Uid"), [uid.trim(); 4].join(" "));
    serves(&world, 202);
}

#[test]
fn socket_activation_keeps_the_ports() {
    let Some(world) = machine(&[1], &["socket"]) else { return };
    serves(&world, 203);
    world.ok("systemctl is-active caddy.socket");
    let before = pid(&world);
    thread::scope(|scope| {
        let restart = scope.spawn(|| world.run("systemctl restart caddy"));
        let mut refused = 0;
        while !restart.is_finished() {
            let code = world.run("curl -sko /dev/null https://localhost/").0;
            refused += usize::from(code == 7);
        }
        assert_eq!((restart.join().unwrap().0, refused), (0, 0));
    });
    assert_ne!(pid(&world), before);
    serves(&world, 203);
    a_udp_socket_for_each_worker(&world);
    upgrades_by_signal(&world);
    (0..6).for_each(|_| serves(&world, 203));
    // A stopped service comes back with the next client.
    world.ok("systemctl stop caddy.service 2>/dev/null");
    world.expect("systemctl is-active caddy.service", 3);
    serves(&world, 203);
    world.ok("systemctl is-active caddy.service");
}

/// As docs/operations.md says.
fn a_udp_socket_for_each_worker(world: &World) {
    let one = world.ok("journalctl --no-pager _PID=$(systemctl show --value -p MainPID caddy)");
    let workers = world.ok("nproc");
    let told = format!("is served by 1 of {} workers", workers.trim());
    assert!(one.contains(&told) || workers.trim() == "1", "{one}");
    world.ok(
        "mkdir -p /etc/systemd/system/caddy.socket.d && cd /etc/systemd/system/caddy.socket.d \
         && printf '[Socket]\\nReusePort=yes\\n' >more.conf \
         && for more in $(seq 2 $(nproc)); do echo ListenDatagram=443 >>more.conf; done",
    );
    world.ok("systemctl stop caddy.service caddy.socket && systemctl daemon-reload");
    world.ok("systemctl start caddy.socket caddy.service");
    (0..6).for_each(|_| serves(world, 203));
    let all = world.ok("journalctl --no-pager _PID=$(systemctl show --value -p MainPID caddy)");
    assert!(!all.contains("is served by"), "{all}");
}

#[test]
fn an_old_systemd_is_not_killed_by_the_call_filter() {
    // A systemd without these groups reads an empty list: of allowed calls it would be fatal.
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/caddy.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let filters = unit.lines().filter(|line| line.starts_with("SystemCallFilter="));
    assert!(filters.clone().count() > 0);
    filters.for_each(|line| assert!(line.starts_with("SystemCallFilter=~"), "{line}"));
}
