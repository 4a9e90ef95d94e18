//! docs/backup.md, as it stands: the archive of one machine takes its certificates to another,
//! which cannot reach the CA.

use std::time::Duration;

use crate::harness::{Ca, Setup, World, package, wait_for};

/// The commands of the page, block by block.
fn blocks() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backup.md");
    let text = std::fs::read_to_string(page).unwrap();
    text.split("```\n").skip(1).step_by(2).map(str::to_owned).collect()
}

/// A store with a certificate for `www.example.com`, left as `store` in the directory.
fn obtain(ca: &Ca, directory: &std::path::Path) {
    let caddy = Setup::new("www.example.com\nstatus 200 /\n")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg("-agree")
        .arg(&format!("-ca={}", ca.url()))
        .env("CADDYPATH", &directory.join("store").display().to_string())
        .start();
    wait_for("the certificate", Duration::from_secs(30), || {
        caddy.log().contains("www.example.com: certificate obtained").then_some(())
    });
}

/// A machine of Red Hat's kind with the package, which is not started.
fn machine() -> Option<World> {
    let share = World::share()?;
    package(share.path(), 1);
    let world = World::boot("hold", share);
    world.until("test -e /share/ready");
    world.ok("rpm -i /share/base.rpm && rpm -i /share/caddy-1.rpm");
    Some(world)
}

#[test]
fn certificates_move_to_another_machine() {
    let (Some(old), Some(new)) = (machine(), machine()) else { return };
    let [archive, restore, look, ..] = &blocks()[..] else { panic!("{:?}", blocks()) };
    let ca = Ca::start();
    obtain(&ca, &old.path(""));
    assert_eq!(ca.orders().len(), 1);
    let options = format!("OPTIONS=\"-agree -ca {}\"", ca.url());
    old.ok(&format!("echo '{options}' >>/etc/sysconfig/caddy"));
    old.ok("printf 'www.example.com\nstatus 203 /\n' >/etc/caddy/Caddyfile");
    old.ok("cp -R /share/store/. /var/lib/caddy && chown -R caddy: /var/lib/caddy");
    old.ok("service caddy start");
    let certificate = old.ok(look);
    assert!(certificate.contains("serial=") && certificate.contains("notAfter="), "{certificate}");

    old.ok(archive);
    assert_eq!(old.ok("stat -c %a /root/caddy-backup.tar.gz"), "600\n");
    old.ok("cp /root/caddy-backup.tar.gz /share/backup");
    std::fs::copy(old.path("backup"), new.path("backup")).unwrap();
    // Another number of the account there.
    new.ok("usermod -u 4711 caddy && chown -R caddy: /var/lib/caddy /var/log/caddy");
    new.ok("mv /share/backup /root/caddy-backup.tar.gz");
    new.ok(&format!("set -e\n{restore}"));
    assert_eq!(new.ok(look), certificate);
    let here = ["--resolve", "www.example.com:443:127.0.0.1"];
    assert_eq!(new.curl(&here, "https://www.example.com/").split(' ').next(), Some("203"));
    assert_eq!(new.ok("stat -c '%U %a' /var/lib/caddy"), "caddy 700\n");
    assert_eq!(new.ok("find /var/lib/caddy -not -user caddy -o -perm /077"), "");
    let log = new.ok("cat /var/log/caddy/caddy.log");
    assert!(!log.contains("www.example.com: certificate"), "{log}");
    assert_eq!(ca.orders().len(), 1);
}

#[test]
fn an_instance_moves_to_another_machine() {
    let (Some(old), Some(new)) = (machine(), machine()) else { return };
    let [.., look, archive, restore] = &blocks()[..] else { panic!("{:?}", blocks()) };
    let ca = Ca::start();
    obtain(&ca, &old.path(""));
    let options = format!("OPTIONS=\"-agree -ca {}\"", ca.url());
    old.ok("ln -s caddy /etc/rc.d/init.d/caddy-two && mkdir /etc/caddy-two");
    old.ok(&format!("echo '{options}' >/etc/sysconfig/caddy-two"));
    old.ok("printf 'www.example.com\nstatus 203 /\n' >/etc/caddy-two/Caddyfile");
    old.ok("cp -R /share/store /var/lib/caddy-two && chown -R caddy: /var/lib/caddy-two");
    old.ok("service caddy-two start");
    let certificate = old.ok(look);
    assert!(certificate.contains("serial="), "{certificate}");

    old.ok(archive);
    assert_eq!(old.ok("stat -c %a /root/caddy-two-backup.tar.gz"), "600\n");
    old.ok("cp /root/caddy-two-backup.tar.gz /share/backup");
    std::fs::copy(old.path("backup"), new.path("backup")).unwrap();
    new.ok("mv /share/backup /root/caddy-two-backup.tar.gz");
    new.ok(&format!("set -e\n{restore}"));
    assert_eq!(new.ok(look), certificate);
    let here = ["--resolve", "www.example.com:443:127.0.0.1"];
    assert_eq!(new.curl(&here, "https://www.example.com/").split(' ').next(), Some("203"));
    let status = new.ok("service caddy-two status");
    assert!(status.contains("caddy-two (pid "), "{status}");
    assert!(
        status.contains("; next certificate ends in ") && status.contains(": www.example.com"),
        "{status}"
    );
    assert_eq!(ca.orders().len(), 1);
}
