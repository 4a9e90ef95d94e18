//! `-tcp-congestion`: accepted connections have the controller that the flag names.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Setup, wait_for};

#[test]
fn accepted_connections_have_the_controller_of_the_flag() {
    let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
    let allowed = allowed.unwrap();
    assert!(allowed.contains("reno"), "the kernel always has it: {allowed}");
    for name in allowed.split_whitespace() {
        let text = "http://localhost:@PORT@ {\n status 200 /\n}";
        let caddy = Setup::new(text).arg("-tcp-congestion").arg(name).start();
        let _client = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
        wait_for("the accepted connection", Duration::from_secs(20), || {
            let port = format!("sport = :{}", caddy.port());
            let shown = Command::new("ss").args(["-Htin", "state", "established", &port]).output();
            let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
            shown.split_whitespace().any(|word| word == name).then_some(())
        });
    }
}
