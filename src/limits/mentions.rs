//! Where other pages than docs/default-limits.md say a limit. `UPDATE_DOCS=1 cargo test --lib
//! limits` writes the values of the table there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::tests::{bytes, count, percent, time};
use super::*;

/// A page, the text of a line around a value, which `{}` stands for, and the value.
type Mention = (&'static str, &'static str, fn() -> String);

static MENTIONS: &[Mention] = &[
    ("docs/automatic-https.md", "| `-catimeout DURATION` | `{}` |", || brief(CA_TIMEOUT)),
    ("docs/caddyfile.md", "in JSON or XML, up to {} of it", || bytes(REQUEST_BODY_BYTES)),
    ("docs/command-line.md", "| `-catimeout DURATION` | `{}` |", || brief(CA_TIMEOUT)),
    ("docs/command-line.md", "| `-grace DURATION` | `{}` |", || brief(DRAIN)),
    ("docs/command-line.md", "| `-log-roll-mb N` | `{}` |", || LOG_ROLL_MB.to_string()),
    ("docs/command-line.md", "0: never. At most {} old files", || LOG_ROLL_KEEP.to_string()),
    ("docs/command-line.md", "old files of at most {} are kept |", || time(LOG_ROLL_AGE)),
    ("docs/extauth.md", "question to the head of the response | {} |", || brief(EXTAUTH)),
    ("docs/fastcgi.md", "`connect_timeout DURATION` | for connecting | {} |", || {
        brief(UPSTREAM_CONNECT)
    }),
    ("docs/fastcgi.md", "before and within the response | {} |", || brief(FASTCGI_SILENCE)),
    ("docs/fastcgi.md", "upstream reads nothing of a request | {} |", || brief(FASTCGI_SILENCE)),
    ("docs/fastcgi.md", "this upstream is tried last for {}. A", || time(FASTCGI_AVOIDED)),
    ("docs/forward_auth.md", "question to the head of the response | {} |", || brief(FORWARD_AUTH)),
    ("docs/limits.md", "Default: {} of header", || bytes(HEADER_BYTES)),
    ("docs/log.md", "a file is rotated; 0: never | {} |", || LOG_ROLL_MB.to_string()),
    ("docs/log.md", "how many old files are kept; 0: all | {} |", || LOG_ROLL_KEEP.to_string()),
    ("docs/log.md", "files are kept; 0: for ever | {} |", || days(LOG_ROLL_AGE)),
    ("docs/migration.md", "`proxy` waits {} for the head", || time(UPSTREAM_FIRST_BYTE)),
    ("docs/migration.md", "may be silent for {} within its upload", || time(BODY_IDLE)),
    ("docs/operations.md", "(connections without a request for {} are closed)", || {
        time(DRAIN_IDLE)
    }),
    ("docs/operations.md", "is not ready within {}, or", || time(UPGRADE_READY)),
    ("docs/operations.md", "a file, rotated at {} (`-log-roll-mb`)", || {
        format!("{LOG_ROLL_MB} MB")
    }),
    ("docs/operations.md", "compressed, with at most {}", || LOG_ROLL_KEEP.to_string()),
    ("docs/operations.md", "old files of at most {}; `stdout`", || time(LOG_ROLL_AGE)),
    ("docs/operations.md", "[status](#status), refreshed every {},", || time(STATUS_INTERVAL)),
    ("docs/operations.md", "does not respond within {},", || time(STATUS_ANSWER)),
    ("docs/proxy.md", "have reached `max_conns` | 0; {} |", || brief(UPSTREAM_QUEUE)),
    ("docs/proxy.md", "for connecting: name resolution, TCP and TLS | {} |", || {
        brief(UPSTREAM_CONNECT)
    }),
    ("docs/proxy.md", "end of the request and the response | {} |", || brief(UPSTREAM_FIRST_BYTE)),
    ("docs/proxy.md", "silence within the response | {} |", || brief(UPSTREAM_BODY_IDLE)),
    ("docs/proxy.md", "DURATION` | time between checks | {} |", || brief(HEALTH_INTERVAL)),
    ("docs/proxy.md", "how long the whole check may take | {} |", || brief(HEALTH_TIMEOUT)),
    ("docs/proxy.md", "one, or after {} without a", || time(CONTINUE_WAIT)),
    ("docs/proxy.md", "no more than {} for a request, with", || count(EARLY_HINTS)),
    ("docs/proxy.md", "a request, with {} of fields", || bytes(EARLY_HINT_BYTES)),
    ("docs/proxy.md", "are limited to {} of the", || percent(RETRY_SHARE)),
    ("docs/proxy.md", "requests of the last {} s plus", || RETRY_WINDOW.to_string()),
    ("docs/proxy.md", "s plus {} per second", || RETRY_FLOOR.to_string()),
    ("docs/proxy.md", "ends (at least {}, at most", || time(NAME_TTL_MIN)),
    ("docs/proxy.md", "at most {}; ", || time(NAME_TTL_MAX)),
    ("docs/proxy.md", "; {} after a failure", || time(NAME_RETRY)),
    ("docs/proxy.md", "before the response is buffered ({})", || bytes(UPGRADE_AHEAD_BYTES)),
    ("docs/proxy.md", "sends a PING every {}, so", || time(QUIC_ALIVE)),
    ("docs/proxy.md", "pending data for {}.", || time(WRITE_IDLE)),
    ("docs/proxy.md", "within {}. A connection that is idle", || time(UPSTREAM_BODY_IDLE)),
    ("docs/proxy.md", "is idle for {} with open requests", || time(UPSTREAM_PING)),
    ("docs/proxy.md", "response does not arrive within {}.", || time(UPSTREAM_PONG)),
    ("docs/proxy.md", "may send {} of a response ahead", || bytes(UPSTREAM_STREAM_WINDOW as usize)),
    ("docs/proxy.md", "window grows up to {} while", || {
        bytes(UPSTREAM_STREAM_WINDOW_MOST as usize)
    }),
    ("docs/proxy.md", "and so all others for {}, per", || time(UPSTREAM_HTTP1)),
    ("docs/proxyprotocol.md", "TIMEOUT (default {});", || brief(PROXY_HEADER)),
    ("docs/proxyprotocol.md", "a line of more than {} bytes", || PROXY_LINE_BYTES.to_string()),
    ("docs/proxyprotocol.md", "bytes, more than {} bytes behind", || {
        PROXY_BINARY_BYTES.to_string()
    }),
    ("docs/timeouts.md", "| the request's head | {} |", || time(HEADER_READ)),
    ("docs/timeouts.md", "a connection without a request | {} |", || time(KEEP_ALIVE_IDLE)),
    ("docs/timeouts.md", "after {} in which neither its", || time(BODY_IDLE)),
    ("docs/timeouts.md", "after {} in which it reads nothing", || time(WRITE_IDLE)),
    ("docs/timeouts.md", "must also average {} bytes/s", || MINIMUM_RATE.to_string()),
    ("docs/websocket.md", "and SIGKILL after {}.", || time(PROGRAM_END)),
    ("docs/websocket.md", "The client gets a PING every {}, and", || time(WEBSOCKET_PING)),
    ("docs/websocket.md", "disconnected after {} without data", || time(WEBSOCKET_SILENCE)),
    ("docs/reauth.md", "`timeout=DURATION` ({}), and", || brief(REAUTH)),
];

fn days(time: Duration) -> String {
    (time.as_secs() / 86_400).to_string()
}

/// As a Caddyfile says it.
fn brief(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// The page with `value` between the two parts of `text`; `None` where no line has both.
fn with_value(page: &str, text: &str, value: &str) -> Option<String> {
    let (before, after) = text.split_once("{}").unwrap();
    let at = page.lines().find_map(|line| {
        let start = line.find(before)? + before.len();
        // A value may end its line.
        let rest = &line[start..];
        let length = if after.is_empty() { rest.len() } else { rest.find(after)? };
        let start = line.as_ptr() as usize - page.as_ptr() as usize + start;
        Some(start..start + length)
    })?;
    Some([&page[..at.start], value, &page[at.end..]].concat())
}

#[test]
fn other_pages_say_the_same() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut pages: BTreeMap<_, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, text, value) in MENTIONS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let page = pages.entry(path).or_insert_with_key(|path| {
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
        });
        let right = with_value(page, text, &value());
        let right = right.unwrap_or_else(|| panic!("{name}: no line {text:?}"));
        if *page != right {
            wrong.push(format!("{name}: {}", text.replace("{}", &value())));
            *page = right;
        }
    }
    if update {
        return pages.iter().for_each(|(path, page)| std::fs::write(path, page).unwrap());
    }
    assert!(
        wrong.is_empty(),
        "run with UPDATE_DOCS=1; limits are otherwise:\n{}",
        wrong.join("\n")
    );
}
