//! The script for OpenRC, run by Debian's OpenRC: started, reloaded, upgraded, stopped.

use std::path::Path;
use std::process::Command;

use crate::harness::{NOT_CONFIGURED, World};

fn machine() -> Option<World> {
    let share = World::share()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let openrc = root.join("target/tools/openrc");
    assert!(openrc.exists(), "{} is missing: run tests/setup.sh", openrc.display());
    for (from, to) in [
        (openrc, "openrc"),
        (root.join("target/release/caddy"), "caddy"),
        (root.join("openrc/caddy"), "script"),
        (root.join("packaging/sysconfig/caddy"), "settings"),
    ] {
        let copied = Command::new("cp").arg("-a").arg(from).arg(share.path().join(to)).status();
        assert!(copied.unwrap().success(), "{to}");
    }
    let world = World::boot("openrc", share);
    world.until("test -e /share/ready");
    world.ok("set -e; install -m 0755 /share/caddy /usr/local/bin/caddy
         useradd -r -d /var/lib/caddy -s /sbin/nologin caddy
         install -m 0755 /share/script /etc/init.d/caddy
         install -D -m 0644 /share/settings /etc/conf.d/caddy
         mkdir /etc/caddy && printf 'http://:80 {\n status 202 /\n}\n' >/etc/caddy/Caddyfile");
    Some(world)
}

fn status(world: &World) -> String {
    world.curl(&[], "http://localhost/").split(' ').next().unwrap_or_default().to_owned()
}

fn pid(world: &World) -> String {
    world.ok("cat /run/caddy/caddy.pid").trim().to_owned()
}

#[test]
fn openrc_starts_reloads_upgrades_and_stops_it() {
    let Some(world) = machine() else { return };
    world.ok("rc-update add caddy default && rc-service caddy start");
    let said = world.ok("rc-service caddy status");
    assert!(said.contains("status: started"), "{said}");
    assert!(said.contains("serving 1 site, 0.0 requests/s, 0 connections"), "{said}");
    assert_eq!(status(&world), "202");
    let first = pid(&world);
    assert_eq!(world.ok(&format!("ps -o user= -p {first}")).trim(), "caddy");
    assert_eq!(world.ok("stat -c '%U %a' /var/lib/caddy"), "caddy 700\n");

    // It has been taken when the command returns.
    world.ok("sed -i s/202/203/ /etc/caddy/Caddyfile && rc-service caddy reload");
    assert_eq!(status(&world), "203");
    // What only the running server can know: its user may not read the file.
    world.ok("chmod 600 /etc/caddy/Caddyfile");
    let said = world.expect("rc-service caddy reload", NOT_CONFIGURED);
    assert!(said.contains("/etc/caddy/Caddyfile: permission denied"), "{said}");
    assert!(said.contains("the running configuration is unchanged"), "{said}");
    world.ok("chmod 644 /etc/caddy/Caddyfile");
    // A server that an older script has started has no control socket.
    world.ok("mv /run/caddy/caddy.sock /run/caddy/away && sed -i s/203/204/ /etc/caddy/Caddyfile");
    world.ok("rc-service caddy reload");
    world.until("[ $(curl -so /dev/null -w '%{http_code}' http://localhost/) = 204 ]");
    world.ok("mv /run/caddy/away /run/caddy/caddy.sock && rc-service caddy status");
    world.ok("sed -i s/204/203/ /etc/caddy/Caddyfile && rc-service caddy reload");
    world.ok(
        "cp /etc/caddy/Caddyfile /tmp/good && echo 'http://bad { nope }' >>/etc/caddy/Caddyfile",
    );
    // OpenRC itself returns 1 for a restart that stop_pre has refused.
    for (action, code) in [
        ("reload", NOT_CONFIGURED),
        ("upgrade", NOT_CONFIGURED),
        ("restart", 1),
        ("configtest", NOT_CONFIGURED),
    ] {
        let said = world.expect(&format!("rc-service caddy {action}"), code);
        assert!(said.contains("Caddyfile:4") && said.contains("'nope'"), "{action}: {said}");
        assert_eq!((pid(&world), status(&world).as_str()), (first.clone(), "203"), "{action}");
    }
    world.ok("cp /tmp/good /etc/caddy/Caddyfile");

    world.ok("cp /share/caddy /usr/local/bin/new && mv /usr/local/bin/new /usr/local/bin/caddy");
    world.ok("rc-service caddy upgrade && rc-service caddy status");
    let second = pid(&world);
    assert_ne!(second, first);
    assert_eq!(status(&world), "203");
    world.ok("rc-service caddy restart");
    assert_ne!(pid(&world), second);
    assert_eq!(status(&world), "203");

    world.ok("rc-service caddy stop");
    assert_eq!(status(&world), "000");
    world.expect("rc-service caddy status", 3);
}
