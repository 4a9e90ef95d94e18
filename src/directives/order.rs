//! The table keeps the order of Caddy 1.0.5, in which a site's directives run, but for the
//! exceptions that are named here.

use super::DIRECTIVES;

/// The list of Caddy 1.0.5, plugins included.
const V1: &str = "root index bind limits timeouts tls startup shutdown on supervisor request_id \
    realip git proxyprotocol locale log cache rewrite ext minify gzip header geoip errors authz \
    filter ipfilter ratelimit recaptcha expires forwardproxy basicauth redir status cors \
    s3browser nobots mime login reauth extauth jwt permission jsonp upload multipass internal \
    pprof expvar push datadog prometheus templates proxy pubsub fastcgi cgi websocket \
    filebrowser webdav markdown browse mailout awses awslambda grpc gopkg restic wkd dyndns";

/// What stands elsewhere, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("minify", "before `gzip` it had content that was compressed already, and left it as it was"),
    ("cache", "before `basicauth` it sent to anyone what was kept for those who were let in"),
];

/// The words of the table and of v1 that both have, without those left out.
fn both(without: &[&str]) -> [Vec<&'static str>; 2] {
    let ours: Vec<_> = DIRECTIVES.iter().map(|row| row.name).collect();
    let v1: Vec<_> = V1.split_whitespace().collect();
    let kept = |of: &[&'static str], in_: &[&str]| {
        let words = of.iter().copied();
        words.filter(|word| in_.contains(word) && !without.contains(word)).collect()
    };
    [kept(&ours, &v1), kept(&v1, &ours)]
}

#[test]
fn directives_run_in_the_order_of_v1() {
    let excepted: Vec<_> = EXCEPTIONS.iter().map(|(word, _)| *word).collect();
    let [ours, v1] = both(&excepted);
    assert!(ours.len() >= 40, "{ours:?}");
    assert_eq!(ours, v1, "left the table, right the order of v1");
    for (word, why) in EXCEPTIONS {
        let others: Vec<_> = excepted.iter().copied().filter(|other| other != word).collect();
        let [ours, v1] = both(&others);
        assert_ne!(ours, v1, "{word} is no exception any more: {why}");
    }
}
