//! What the page says of failures, the network, upstreams, certificates and `quic_report`.

use super::*;
use crate::metrics::{HandshakeFailure, Path, Transport, UpstreamFailure, UpstreamNumber};

/// A service in which much has failed.
fn troubled(name: &Arc<str>) -> Report {
    let worker = WorkerMetrics::begin();
    let traffic = worker.upstream(UpstreamNumber::of(name));
    for (again, failure) in [
        (false, Some(UpstreamFailure::Closed)),
        (true, Some(UpstreamFailure::Connect)),
        (true, Some(UpstreamFailure::Connect)),
        (false, None),
    ] {
        traffic.begin(again);
        traffic.reuse();
        failure.into_iter().for_each(|why| traffic.fail(why));
        traffic.end();
    }
    traffic.begin(false);
    worker.handshakes(Transport::Quic).failed(HandshakeFailure::Alert);
    worker.files().hit();
    worker.files().hit();
    worker.files().stale();
    worker.quic().count(&Path {
        packets_sent: 1000,
        packets_lost: 15,
        datagrams_received: 1,
        bytes_lost: 18_000,
        rtt: Duration::from_millis(40),
        window: 30_000,
        ..Path::default()
    });
    let mut report = report_of(&Counted {
        metrics: [worker].into_iter().collect(),
        history: History::default(),
    });
    let state = UpstreamState { ejections: 3, queued: 2, ..upstream(name, None) };
    report.upstreams = vec![state];
    let failure = RenewalFailure { at: 0, error: "the CA is closed".to_owned(), next: 0 };
    report.certificates = vec![
        certificate("good.example", Some(60)),
        CertificateState { failure: Some(failure), ..certificate("bad.example", Some(9)) },
    ];
    report.lines_lost = 7;
    report
}

#[test]
fn what_fails_and_why_and_the_paths_of_quic_are_shown() {
    let name: Arc<str> = "http://what-fails.example".into();
    let report = troubled(&name);
    let html = html(&report);
    let requests = row(&html, "upstream-requests", &name);
    assert_eq!(
        requests,
        ["5", "2 not connected, 1 closed before the response", "2", "3", "1", "2", "80.00%"]
    );
    for (section, name, cells) in [
        ("errors", "log lines", vec!["lost", "7"]),
        ("errors", "QUIC handshakes", vec!["the client sent an alert", "1"]),
        ("errors", "requests to upstreams", vec!["not connected", "2"]),
        ("quic", "RTT, median", vec!["41 ms"]),
        ("quic", "Packets lost", vec!["1.50%"]),
        ("quic", "Bytes sent again", vec!["18 000"]),
        ("quic", "Congestion window, half within", vec!["32.8 kB"]),
        ("files", "From memory", vec!["2", "66.67%"]),
    ] {
        let found: Vec<_> = row(&html, section, name);
        let found: Vec<_> = found.iter().map(|cell| cell.replace('\u{202f}', " ")).collect();
        assert_eq!(found, cells, "{section} {name}");
    }
    let good = row(&html, "certificates", "good.example");
    assert_eq!((good[1].as_str(), good[3].as_str()), ("60", "none"), "{good:?}");
    let bad = row(&html, "certificates", "bad.example");
    assert!(bad[3].ends_with(": the CA is closed"), "{bad:?}");
    let json: serde_json::Value = serde_json::from_str(&report::json(&report)).unwrap();
    assert_eq!(json["upstreams"]["requests"][0]["failures"]["connect"], 2);
    assert_eq!(json["quic"]["packets_lost"], 15);
    assert_eq!(json["errors"][0]["count"], 7);
    assert_eq!(json["files"]["hits"], 2);
}

#[test]
fn the_findings_of_quic_report_have_numbers_and_pictures() {
    let mut report = report();
    report.experiments = (0..6)
        .map(|n| crate::experiment::tests::reported(&format!("https://{n}.example"), 900))
        .collect();
    let page = html(&report);
    assert_eq!(page.matches("<svg class=\"quic-report\"").count(), 4);
    assert!(page.contains("<p>And 2 more sites: caddy -quic-report shows all."), "{page}");
    let (without, with) = (html(&self::report()).len(), page.len());
    assert!(with <= without + 4 * 12 * 1024, "{} bytes for each", (with - without) / 4);
    let (_, part) = page.split_once("<section id=\"quic-report\"").unwrap();
    assert!(
        part.contains("<strong>HTTP/3 pays off: the median of the wait is 50 % shorter"),
        "{part}"
    );
    let arms = report.experiments[0].report().arms;
    let visits = row(&page, "quic-report", "Visits");
    assert_eq!(visits[..2], arms.map(|arm| compact(arm.counts.visitors)));
    let median = row(&page, "quic-report", "Wait, median");
    assert_eq!((&*median[0], &*median[1]), ("100 ms", "200 ms"));
    assert!(median[2].starts_with("+50.0% (+50.0 to +50.0)"), "{median:?}");
    report.experiments = vec![crate::experiment::tests::reported("https://few.example", 4)];
    let few = html(&report);
    assert!(few.contains("<strong>Not enough visits yet: about "), "{few}");
}
