//! Flags as they are written, and the messages of wrong ones.

use super::*;
use crate::congestion::Congestion;

fn parsed(line: &str) -> Result<Options, String> {
    parse(line.split_whitespace().map(str::to_owned))
}

#[test]
fn go_flag_syntax() {
    for line in ["-conf=x -quic", "--conf x -quic=true", "-conf x --quic=1"] {
        let options = parsed(line).unwrap();
        assert_eq!(options.conf.as_deref(), Some("x"), "{line}");
        assert!(options.quic, "{line}");
    }
    assert!(!parsed("-http2=false").unwrap().http2);
    for (line, quiet) in [
        ("-log-format json -log stdout", true),
        ("-log-format=json -log stderr", false),
        ("-log-format text -log stdout", false),
    ] {
        assert_eq!(parsed(line).unwrap().quiet, quiet, "{line}");
    }
    assert_eq!(parsed("").unwrap().congestion, Congestion::Bbr);
    assert_eq!(parsed("-quic-congestion cubic").unwrap().congestion, Congestion::Cubic);
}

#[test]
fn parsing_stops_at_the_first_word_that_is_no_flag() {
    let options = parsed("-port 8080 browse -quic=false").unwrap();
    assert_eq!(options.lines, ["browse", "-quic=false"]);
    assert!(options.quic);
}

#[test]
fn bad_flags_name_themselves() {
    for (line, message) in [
        ("---conf", "bad flag syntax: ---conf\n"),
        ("-=x", "bad flag syntax: -=x\n"),
        ("-http-port 0", "must be a whole number from 1 to 65535, not '0'\n"),
        ("-log-roll-mb -1", "must be a whole number of at least 0, not '-1'\n"),
        ("-nope", "flag provided but not defined: -nope\n"),
        ("-conf", "flag needs an argument: -conf\n"),
        ("-quic=maybe", "invalid boolean value \"maybe\" for -quic\n"),
        ("-grace 5", "for flag -grace: must be a duration such as 30s, not '5', which has no unit"),
        (
            "-quic-congestion reno",
            "invalid value \"reno\" for flag -quic-congestion: unknown congestion controller; \
            use one of bbr, cubic\n",
        ),
        (
            "-tcp-congestion nope",
            "invalid value \"nope\" for flag -tcp-congestion: the kernel has ",
        ),
        ("-log-format xml", "invalid value \"xml\" for flag -log-format: use text or json\n"),
        (
            "-qlog x -qlog-sample 0.1",
            "for flag -qlog-sample: must be 1/N, such as 1/100, not '0.1'",
        ),
        ("-qlog x -qlog-from 10.0.0.0/8,some", "for flag -qlog-from: write a range such as"),
        ("-qlog-sample 1/5", "-qlog-from and -qlog-sample need -qlog\n"),
        ("-json", "-json needs -status or -quic-report\n"),
        ("-svg", "-svg needs -quic-report, without -json\n"),
        ("-svg -status", "-svg needs -quic-report, without -json\n"),
        ("-svg -json -quic-report", "-svg needs -quic-report, without -json\n"),
        ("-cpu 0%", "invalid CPU value: percentage must be between 1-100\n"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(message), "{line}: {error}");
        assert!(error.contains("Usage of caddy:"), "{line}");
    }
}

#[test]
fn workers_from_percent_and_count() {
    assert_eq!(Cpu::Percent(50).workers(8), 4);
    assert_eq!(Cpu::Percent(1).workers(2), 1);
    assert_eq!(Cpu::Count(16).workers(2), 2);
}
