//! What site addresses lead clients to: those that go to an IP address name no host and are shown
//! the certificate of the site of that address, over TCP and QUIC; names in any script are found.

use std::process::{Command, Stdio};

use crate::harness::{Caddy, Setup, curl, python_script};

/// What openssl finds in the certificate that it is shown.
fn over_tcp(address: &str, port: u16) -> String {
    let shown = format!(
        "openssl s_client -connect {address}:{port} -noservername 2>/dev/null </dev/null | \
         openssl x509 -noout -ext subjectAltName"
    );
    let done = Command::new("sh").args(["-c", &shown]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn over_quic(address: &str, port: u16) -> String {
    let done =
        python_script("h3cert.py").args([address, &port.to_string()]).output().expect("python");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn check(caddy: &Caddy, addresses: &[(&str, &str)]) {
    for (address, shown) in addresses {
        let tcp = over_tcp(&address.replace("::1", "[::1]"), caddy.port());
        assert!(tcp.contains(&format!("IP Address:{shown}")), "{address}: {tcp}");
        let plain = shown.replace("0:0:0:0:0:0:0:1", "::1");
        assert_eq!(over_quic(address, caddy.port()), plain, "{address}");
    }
}

#[test]
fn each_address_has_its_own_certificate() {
    let text = "https://127.0.0.1:@PORT@, https://[::1]:@PORT@, https://127.0.0.2:@PORT@, \
                https://a.example:@PORT@ {\n tls self_signed\n root .\n}\n";
    let one = ("127.0.0.1", "127.0.0.1");
    let all = [one, ("::1", "0:0:0:0:0:0:0:1"), ("127.0.0.2", "127.0.0.2")];
    check(&Setup::new(text).start(), &all);
    // Sites that differ in their TLS, and an address that no site has: as before, the first one's.
    let other =
        "https://b.example:@PORT@ {\n tls self_signed {\n protocols tls1.3\n}\n root .\n}\n";
    let caddy = Setup::new(&format!("{text}{other}")).start();
    check(&caddy, &all);
    check(&caddy, &[("127.0.0.3", "127.0.0.1")]);
}

#[test]
fn a_name_in_any_script_is_found_by_what_browsers_send() {
    let site = "https://Bücher.example:@PORT@ {\n tls self_signed\n root .\n}\n\
                https://other.example:@PORT@ {\n tls self_signed\n status 404 /\n}\n";
    let caddy = Setup::new(site).file("a.txt", "here").start();
    for protocol in ["--http1.1", "--http2"] {
        let resolve = format!("xn--bcher-kva.example:{}:127.0.0.1", caddy.port());
        let url = format!("https://xn--bcher-kva.example:{}/a.txt", caddy.port());
        let got = curl(&["-k", protocol, "--resolve", &resolve], &url);
        assert_eq!((got.status, &*got.body), (200, &b"here"[..]), "{protocol}");
    }
    let tcp = Command::new("sh")
        .args([
            "-c",
            &format!(
                "openssl s_client -connect 127.0.0.1:{} -servername xn--bcher-kva.example \
             2>/dev/null </dev/null | openssl x509 -noout -ext subjectAltName",
                caddy.port()
            ),
        ])
        .output()
        .unwrap();
    let tcp = String::from_utf8_lossy(&tcp.stdout);
    assert!(tcp.contains("DNS:xn--bcher-kva.example"), "{tcp}");
}
