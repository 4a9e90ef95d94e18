//! The unit as an operator meets it: by the init script, its settings, what is tried again after a
//! failure, the journal, and several instances.

use crate::deb::made;
use crate::harness::World;
use crate::systemd::{booted, machine, pid, serves};

/// The init script of the RPM.
const SCRIPT: &str = "/etc/rc.d/init.d/caddy";

#[test]
fn the_init_script_drives_the_unit_without_functions_and_with() {
    let Some(world) = machine(&[1], &[]) else { return };
    drives_the_unit(&world, SCRIPT);
    world.ok("cp /run/world/functions-systemd /etc/rc.d/init.d/functions");
    drives_the_unit(&world, SCRIPT);
    settings_of_the_script_alone_are_named(&world);
}

#[test]
fn service_drives_the_unit_on_debian() {
    let Some(share) = World::share() else { return };
    let package = made("deb/build.sh", share.path());
    std::fs::rename(package, share.path().join("caddy.deb")).unwrap();
    std::fs::write(share.path().join("Caddyfile"), crate::systemd::SITES).unwrap();
    let world = booted(share);
    // Where another unit has failed, Debian's service does not wait for a reload.
    drives_the_unit(&world, "systemctl reset-failed; service caddy");
}

/// Every action does what it does with SysV init, and there is one server, the unit's.
fn drives_the_unit(world: &World, script: &str) {
    let run = |action: &str, code| world.expect(&format!("{script} {action} 2>&1"), code);
    let alone = || {
        assert_eq!(world.ok("pgrep -x caddy"), format!("{}\n", pid(world)), "one server");
    };
    let first = pid(world);
    assert!(run("status", 0).contains("active (running)"));
    run("start", 0);
    run("configtest", 0);
    assert_eq!(pid(world), first);
    run("restart", 0);
    assert_ne!(pid(world), first);
    alone();
    reloads_with_the_truth(world, script);
    upgrades(world, script);
    alone();
    run("stop", 0);
    world.expect("pgrep -x caddy", 1);
    run("status", 3);
    // Debian's service hands a reload to systemctl, which has a code of its own.
    assert!([1, 7].contains(&world.run(&format!("{script} reload")).0));
    run("upgrade", 7);
    run(
        "condrestart",
        if script.starts_with('/') { 0 } else { world.run("service caddy condrestart").0 },
    );
    world.expect("systemctl is-active --quiet caddy", 3);
    run("start", 0);
    alone();
    serves(world, 203);
}

fn reloads_with_the_truth(world: &World, script: &str) {
    let before = pid(world);
    let reload = format!("{script} reload 2>&1");
    world.ok("cp -p /etc/caddy/Caddyfile /tmp/good");
    world.ok("sed -i s/203/202/ /etc/caddy/Caddyfile");
    world.ok(&reload);
    serves(world, 202);
    // The verdict is that of the running service, with its rights.
    for (spoil, says) in [
        ("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile", "Unknown directive 'nope'"),
        ("chmod 600 /etc/caddy/Caddyfile", "permission denied"),
        (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
             -keyout /etc/caddy/key -out /etc/caddy/crt 2>/dev/null && chmod 600 /etc/caddy/key && \
             sed -i 's|self_signed|/etc/caddy/crt /etc/caddy/key|' /etc/caddy/Caddyfile",
            "Permission denied",
        ),
        (
            "printf 'http://localhost:81 {\\n status 200 /\\n log /etc/access.log\\n}\\n' \
             >>/etc/caddy/Caddyfile",
            "/etc/access.log",
        ),
    ] {
        world.ok(spoil);
        let (code, said) = world.run(&reload);
        let by_systemctl = !script.starts_with('/');
        assert_eq!(code, if by_systemctl { 1 } else { 6 }, "{spoil}: {said}");
        if by_systemctl {
            let journal = "journalctl -u caddy -n 30 -o cat --no-pager";
            world.until(&format!("{journal} | grep -F \"{says}\""));
        } else {
            assert!(said.contains(says), "{spoil}: {said}");
        }
        world.ok("cp -p /tmp/good /etc/caddy/Caddyfile && chmod 644 /etc/caddy/Caddyfile");
        serves(world, 202);
    }
    assert_eq!(pid(world), before);
    world.ok(&reload);
    serves(world, 203);
}

fn upgrades(world: &World, script: &str) {
    let before = pid(world);
    world.ok(&format!("{script} upgrade"));
    assert_ne!(pid(world), before);
    world.until(&format!("! test -e /proc/{before}"));
    let good = "cp /tmp/good /etc/caddy/Caddyfile";
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    let before = pid(world);
    for action in ["upgrade", "configtest"] {
        let said = world.expect(&format!("{script} {action} 2>&1"), 6);
        assert!(said.contains("Unknown directive 'nope'"), "{said}");
    }
    assert_eq!(pid(world), before);
    world.ok(good);
}

fn settings_of_the_script_alone_are_named(world: &World) {
    world.ok("printf 'USER=nobody\\nNOFILE=12\\n' >>/etc/sysconfig/caddy");
    let said = world.ok(&format!("{SCRIPT} configtest 2>&1"));
    assert!(said.contains("systemd does not read USER NOFILE: systemctl edit caddy"), "{said}");
}

#[test]
fn settings_failures_and_the_journal() {
    let Some(world) = machine(&[1], &[]) else { return };
    one_settings_file(&world);
    priorities(&world);
    a_bad_caddyfile_fails_once(&world);
    a_busy_port_is_tried_again(&world);
}

fn one_settings_file(world: &World) {
    world.ok("cp /etc/caddy/Caddyfile /etc/caddy/other && sed -i s/203/202/ /etc/caddy/other");
    world.ok("sed -i 's/^OPTIONS=.*/OPTIONS=\"-quic -grace 11s\"/' /etc/sysconfig/caddy");
    world.ok("echo CADDYFILE=/etc/caddy/other >>/etc/sysconfig/caddy");
    world.ok("systemctl restart caddy");
    serves(world, 202);
    let line = world.ok(&format!("tr '\\0' ' ' </proc/{}/cmdline", pid(world)));
    assert!(line.contains("-conf /etc/caddy/other ") && line.contains(" -grace 11s"), "{line}");
    world.ok("sed -i /^CADDYFILE/d /etc/sysconfig/caddy && systemctl restart caddy");
    serves(world, 203);
}

fn priorities(world: &World) {
    let journal =
        |what: &str| world.ok(&format!("journalctl --no-pager -o cat _PID={} {what}", pid(world)));
    world.ok("cp /etc/caddy/Caddyfile /tmp/good");
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    world.expect("systemctl reload caddy 2>/dev/null", 1);
    world.ok("cp /tmp/good /etc/caddy/Caddyfile");
    world.until(&format!("journalctl -q _PID={} -p err | grep nope", pid(world)));
    let (errors, all) = (journal("-p err"), journal(""));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("[ERROR] control socket: "), "no time of its own: {errors}");
    assert!(all.contains("[INFO] https://localhost\n"), "{all}");
}

fn a_bad_caddyfile_fails_once(world: &World) {
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile");
    world.expect("systemctl restart caddy 2>/dev/null", 1);
    // Longer than RestartSec.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let shown = world.ok("systemctl show -p ActiveState -p NRestarts -p ExecMainStatus caddy");
    assert_eq!(shown, "NRestarts=0\nExecMainStatus=6\nActiveState=failed\n");
    let said = world.expect(&format!("{SCRIPT} start 2>&1"), 6);
    assert!(said.contains("Unknown directive 'nope'"), "{said}");
    world.ok("cp /tmp/good /etc/caddy/Caddyfile && systemctl start caddy");
    serves(world, 203);
}

fn a_busy_port_is_tried_again(world: &World) {
    world.ok("systemctl stop caddy");
    let hold = "import socket, time; s = socket.create_server(('::', 443), family=socket.AF_INET6); \
                open('/tmp/held', 'w'); time.sleep(300)";
    world.ok(&format!("nohup python3 -c \"{hold}\" >/dev/null 2>&1 & echo $! >/tmp/holder"));
    world.until("test -e /tmp/held");
    let said = world.expect(&format!("{SCRIPT} start 2>&1"), 1);
    assert!(said.contains("address already in use"), "{said}");
    world.until("[ $(systemctl show --value -p NRestarts caddy) -ge 1 ]");
    world.ok("kill $(cat /tmp/holder)");
    world.until("systemctl is-active --quiet caddy");
    serves(world, 203);
}

#[test]
fn instances_live_beside_one_another() {
    let Some(world) = machine(&[1, 2], &[]) else { return };
    world.ok("mkdir /etc/caddy-two && printf 'http://localhost:81 {\\n status 201 /\\n}\\n' \
              >/etc/caddy-two/Caddyfile && echo 'OPTIONS=\"-grace 7s\"' >/etc/sysconfig/caddy-two");
    let unit = "/usr/lib/systemd/system/caddy@.service";
    assert_eq!(world.ok(&format!("systemd-analyze verify --man=no {unit}")), "");
    world.ok("ln -s caddy /etc/rc.d/init.d/caddy-two && /etc/rc.d/init.d/caddy-two start");
    let two = || world.curl(&[], "http://localhost:81/");
    assert_eq!(two().split(' ').next(), Some("201"));
    serves(&world, 203);
    let main = || world.ok("systemctl show --value -p MainPID caddy@two").trim().to_owned();
    let line = world.ok(&format!("tr '\\0' ' ' </proc/{}/cmdline", main()));
    assert!(line.contains("/etc/caddy-two/Caddyfile") && line.contains("-grace 7s"), "{line}");
    world.ok("sed -i s/201/200/ /etc/caddy-two/Caddyfile && systemctl reload caddy@two");
    assert_eq!(two().split(' ').next(), Some("200"));
    let (one_before, two_before) = (pid(&world), main());
    world.ok("rpm -U /share/caddy-2.rpm");
    assert!(pid(&world) != one_before && main() != two_before, "both were upgraded");
    world.ok("systemctl stop caddy");
    assert_eq!(two().split(' ').next(), Some("200"));
    world.ok("rpm -e caddy 2>/dev/null");
    assert_eq!(two(), "000 0 0");
}
