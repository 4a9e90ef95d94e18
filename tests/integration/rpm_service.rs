//! The service on a machine of Red Hat's kind with SysV init, as an operator meets it: an init
//! script of his own, logs that are rotated or removed, a boot that fails, and several instances.

use crate::harness::{World, package};

const SITES: &str =
    "http://localhost:80 {\n status 203 /\n log / /var/log/caddy/access.log {uri}\n}\n";

fn machine() -> Option<World> {
    let share = World::share()?;
    package(share.path(), 1);
    std::fs::write(share.path().join("Caddyfile"), SITES).unwrap();
    let binary = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/caddy");
    std::fs::copy(binary, share.path().join("caddy")).unwrap();
    let world = World::boot("hold", share);
    world.until("test -e /share/ready");
    world.ok("rpm -i /share/base.rpm");
    Some(world)
}

fn status(world: &World, port: u16) -> String {
    let answer = world.curl(&[], &format!("http://localhost:{port}/"));
    answer.split(' ').next().unwrap().to_owned()
}

#[test]
fn from_an_old_script_to_several_instances() {
    let Some(world) = machine() else { return };
    world.ok("/run/world/syslog /tmp/syslog >/dev/null 2>&1 &");
    world.until("test -S /dev/log");
    an_init_script_of_the_operators_is_kept(&world);
    a_server_of_the_old_script_is_found(&world);
    a_boot_with_a_bad_caddyfile_is_told_everywhere(&world);
    rotation_reloads_nothing(&world);
    a_removed_log_directory_is_told(&world);
    instances(&world);
}

fn an_init_script_of_the_operators_is_kept(world: &World) {
    world.ok("mkdir /opt/caddy && cp /share/caddy /opt/caddy/ && \
              printf 'http://localhost:80 {\\n status 205 /\\n}\\n' >/opt/caddy/Caddyfile && \
              cp /run/world/old-script /etc/rc.d/init.d/caddy && service caddy start");
    world.until("curl -s http://localhost/");
    let said = world.ok("rpm -i /share/caddy-1.rpm 2>&1");
    let pid = world.ok("cat /var/run/caddy.pid");
    let pid = pid.trim();
    assert!(said.contains("the init script that was there is /etc/rc.d/init.d/caddy.rpmorig"));
    assert!(said.contains(&format!("before service caddy start: kill -TERM {pid}")), "{said}");
    world.ok("cmp /etc/rc.d/init.d/caddy.rpmorig /run/world/old-script");
    world.ok("cp /share/Caddyfile /etc/caddy/Caddyfile");
}

fn a_server_of_the_old_script_is_found(world: &World) {
    let pid = world.ok("cat /var/run/caddy.pid");
    let remedy = format!("to stop it: kill -TERM {}", pid.trim());
    for (action, code) in [("status", 3), ("stop", 0), ("start", 1)] {
        let said = world.expect(&format!("service caddy {action} 2>&1"), code);
        assert!(said.contains(&remedy), "{action}: {said}");
    }
    // The old script's stop does not stop it, and the log says what does.
    world.ok("/etc/rc.d/init.d/caddy.rpmorig stop");
    let told =
        format!("SIGHUP reloads and does not stop this server; to stop it: kill -TERM {pid}");
    world.until(&format!("grep -F '{}' /var/log/caddy.log", told.trim()));
    assert_eq!(status(world, 80), "205");
    world.ok(&format!("kill -TERM {pid}"));
    world.until(&format!("! readlink /proc/{}/exe", pid.trim()));
}

fn a_boot_with_a_bad_caddyfile_is_told_everywhere(world: &World) {
    world.ok("printf 'http://bad {\\n nope\\n}\\n' >>/etc/caddy/Caddyfile && /etc/rc.d/rc 3");
    world.expect("service caddy status", 3);
    for log in ["/tmp/syslog", "/var/log/caddy/caddy.log"] {
        world.until(&format!("grep -F \"Unknown directive 'nope'\" {log}"));
    }
    world.ok("cp /share/Caddyfile /etc/caddy/Caddyfile && /etc/rc.d/rc 3");
    assert_eq!(status(world, 80), "203");
}

fn rotation_reloads_nothing(world: &World) {
    world.until("grep / /var/log/caddy/access.log");
    let before = world.ok("grep -c Reloading /var/log/caddy/caddy.log || :");
    // What somebody is still writing.
    world.ok("printf 'http://localhost:82 {\\n status 200 /\\n}\\n' >>/etc/caddy/Caddyfile");
    let rolled = "/var/log/caddy/access-2026-01-01T00-00-00.000.log";
    world.ok(&format!("echo rolled by the server >{rolled}"));
    let said = world.ok("logrotate -f -s /tmp/state /etc/logrotate.d/caddy 2>&1");
    assert_eq!(said, "");
    world.ok(&format!("grep rolled {rolled} && rm {rolled}"));
    world.until("curl -so /dev/null http://localhost/after && test -s /var/log/caddy/access.log");
    world.ok("grep -x / /var/log/caddy/access.log.1 && grep -x /after /var/log/caddy/access.log");
    assert_eq!(world.ok("stat -c %U /var/log/caddy/access.log"), "caddy\n");
    assert_eq!(world.ok("grep -c Reloading /var/log/caddy/caddy.log || :"), before);
    assert_eq!(status(world, 82), "000");
    world.ok("cp /share/Caddyfile /etc/caddy/Caddyfile");
    only_old_words(world);
}

/// A logrotate of version 3.7.8, which Amazon Linux 1 has, knows these; not `su`, for one.
fn only_old_words(world: &World) {
    let known = "weekly rotate compress delaycompress missingok notifempty nocreate";
    let text = world.ok("sed 's/#.*//; s|/[^ ]*||g; s/[{}]//g' /etc/logrotate.d/caddy");
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    words.for_each(|word| assert!(known.split(' ').any(|one| one == word), "{word}"));
}

fn a_removed_log_directory_is_told(world: &World) {
    world.ok("rm -r /var/log/caddy && sleep 1.2");
    world.ok("kill -HUP $(cat /var/run/caddy/caddy.pid)");
    world.until("grep -F 'cannot open /var/log/caddy/caddy.log' /tmp/syslog");
    // The account may not make it in /var/log; root's reload does.
    world.ok("service caddy reload && sleep 1.2 && service caddy reload");
    world.until("grep -E 'lines lost|Reloading' /var/log/caddy/caddy.log");
    assert_eq!(world.ok("stat -c %U /var/log/caddy"), "caddy\n");
}

fn instances(world: &World) {
    world.ok("ln -s caddy /etc/rc.d/init.d/caddy-two && chkconfig --add caddy-two");
    world.ok("mkdir /etc/caddy-two && printf 'http://localhost:81 {\\n status 201 /\\n}\\n' \
              >/etc/caddy-two/Caddyfile && echo 'OPTIONS=\"-grace 7s\"' >/etc/sysconfig/caddy-two");
    world.ok("/etc/rc.d/rc 3");
    assert_eq!((status(world, 80), status(world, 81)), ("203".to_owned(), "201".to_owned()));
    assert!(world.ok("service caddy-two status").starts_with("caddy-two (pid "));
    world.ok("sed -i s/201/200/ /etc/caddy-two/Caddyfile && service caddy-two reload");
    assert_eq!(status(world, 81), "200");
    world.ok("service caddy stop");
    assert_eq!((status(world, 80), status(world, 81)), ("000".to_owned(), "200".to_owned()));
    world.ok("/etc/rc.d/rc 0");
    assert_eq!(status(world, 81), "000");
    // Erasing the package stops what its script has started, by whatever name.
    world.ok("service caddy-two start");
    assert_eq!(status(world, 81), "200");
    world.ok("rpm -e caddy 2>/dev/null");
    assert_eq!(status(world, 81), "000");
    assert_eq!(world.ok("find /etc/rc.d/rc?.d -name '*caddy*'"), "");
}
