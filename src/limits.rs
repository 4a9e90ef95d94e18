//! Every limit and timeout that a user can meet: one that ends in a status, a closed connection, a
//! refused Caddyfile or a lost line. `limits`, `timeouts`, `proxy` and others change some of them.
//! Sizes of buffers and the like, which nobody can meet, stand where they are used.
//!
//! A row is a constant, its unit, and its line in docs/default-limits.md, which a test compares.

use std::time::Duration;

const KB: usize = 1024;
const MB: usize = 1024 * KB;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

macro_rules! limits {
    (
        $(
            $(#[doc = $doc:literal])*
            $name:ident: $type:ty = $value:expr, $unit:ident $line:literal;
        )*
    ) => {
        $(
            #[doc = concat!("`", stringify!($unit), "`: ", $line, ".")]
            $(#[doc = $doc])*
            pub const $name: $type = $value;
        )*

        /// Each limit's name, its line in the documentation, and its value as shown there.
        #[cfg(test)]
        static TABLE: &[(&str, &str, fn() -> String)] =
            &[$((stringify!($name), $line, || tests::$unit($name))),*];
    };
}

limits! {
    // Requests.
    /// As RFC 9113 section 6.5.2 counts them.
    HEADER_BYTES: usize = 16 * KB, bytes "header fields: names and values, and 32 bytes for each";
    HEADER_COUNT: usize = 100, count "header fields in number; each part of a cookie counts";
    /// With more the connection is closed before the head is taken in.
    HEADER_EXCESS: usize = 64 * KB,
        bytes "excess of the fields that still gets 431, HTTP/3";
    /// Beyond it hyper answers 431 itself.
    H2_HEADER_EXCESS: usize = 32 * KB, bytes "excess of the fields that still gets 431, HTTP/2";
    URI_BYTES: usize = 8 * KB, bytes "request target";
    /// Nobody uses them, so more is an attack.
    CHUNK_EXTENSION_BYTES: usize = 16 * KB, bytes "chunk extensions of one body";
    FILE_RANGES: usize = 16, count "ranges of one request for a file";
    INTERNAL_REDIRECTS: usize = 10, count "redirects of one request by `internal`";
    PATTERN_BYTES: usize = 256 * KB,
        bytes "a regular expression that is made from a request, compiled";
    REALIP_HOPS: usize = 5, count "proxies that `realip` looks behind";

    // Clients.
    /// From accept.
    PROXY_HEADER: Duration = secs(5), time "header of the PROXY protocol, where one is expected";
    /// The longest that the protocol has.
    PROXY_LINE_BYTES: usize = 107, bytes "its length, version 1";
    /// Load balancers send some hundred at most.
    PROXY_BINARY_BYTES: usize = 4 * KB,
        bytes "its length, version 2, behind the first 16 bytes";
    TLS_HANDSHAKE: Duration = secs(10), time "TLS handshake, from the connection or that header on";
    HEADER_READ: Duration = secs(10), time "request head, from its first byte to its end";
    BODY_IDLE: Duration = secs(60),
        time "silence within a request's body, while no response moves either";
    /// Seen over [`BODY_IDLE`].
    MINIMUM_RATE: u64 = 240,
        rate "least rate of a request's body that says its length, over 60 s, until the response begins; not of gRPC";
    WRITE_IDLE: Duration = secs(60), time "silence of a client that takes a response";
    KEEP_ALIVE_IDLE: Duration = secs(75), time "connection without a request";
    QUIC_IDLE: Duration = secs(30), time "HTTP/3 connection without packets";
    QUIC_ALIVE: Duration = secs(10),
        time "between PINGs that keep an HTTP/3 connection while a request or a tunnel is under way";
    QUIC_IDLE_MOST: Duration = secs(3600), time "longest idle time that `timeouts` can set for an HTTP/3 connection";
    /// It is taken in and dropped before the stream is reset.
    UNREAD_BYTES: u64 = MB as u64, bytes "upload that is read after its response, HTTP/2";
    UNREAD_TIME: Duration = secs(30), time "time for that";
    UNREAD_SILENCE: Duration = secs(5), time "silence of the client within that time";
    /// It is read and dropped.
    QUIC_LINGER: Duration = secs(30), time "between looks whether an upload keeps 240 bytes/s after its response, HTTP/3";
    QUIC_LINGER_SILENCE: Duration = secs(5), time "silence of an upload after its response, HTTP/3";
    /// Closing at once could destroy what was sent last (RFC 9112 section 9.6).
    LINGERING_CLOSE: Duration = secs(2),
        time "upload that is read before an HTTP/1.1 connection closes";
    UPGRADE_AHEAD_BYTES: usize = 16 * KB,
        bytes "bytes that a client sends before its upgrade is answered";
    TUNNEL_IDLE: Duration = secs(3600), time "silence, both ways, of a WebSocket or another tunnel";
    REST_AFTER: Duration = Duration::from_millis(500),
        time "idle HTTP/1.1 connection before its memory is freed, and before it may be closed for another client";

    // Connections.
    /// Each may need another descriptor, to an upstream or of a file.
    CONNECTION_SHARE: u64 = 50,
        percent "client connections, of the open-files limit less what the service itself has open; then new ones wait";
    /// The kernel's `net.core.somaxconn` may be less.
    BACKLOG: i32 = 4096, count "connections of one listener that wait to be accepted";
    STREAMS: u32 = 100, count "requests at once on an HTTP/2 or HTTP/3 connection";
    /// Over HTTP/2 as many requests more wait for their turn.
    TUNNELS: u32 = 256,
        count "WebSockets on it besides, in streams of their own; more count as requests";
    STREAM_WINDOW: u32 = 256 * KB as u32, bytes "flow-control window of a stream";
    H2_CONNECTION_WINDOW: u32 = MB as u32, bytes "window of an HTTP/2 connection";
    QUIC_CONNECTION_WINDOW: u32 = 2 * MB as u32, bytes "window of an HTTP/3 connection";
    QUIC_SEND_WINDOW: u64 = 4 * MB as u64,
        bytes "unacknowledged response bytes of an HTTP/3 connection";
    SEND_BUFFER: usize = 64 * KB,
        bytes "unsent bytes of an HTTP/1.1 or HTTP/2 connection, in the server";
    /// What is under way is not counted, so that long roads stay filled.
    UNSENT_BYTES: u32 = 128 * KB as u32, bytes "the same, in the kernel (`TCP_NOTSENT_LOWAT`)";
    H2_PENDING_RESETS: usize = 20, count "HTTP/2 streams a client reset before they were answered";
    /// Over the connection's life.
    H2_LOCAL_RESETS: usize = 1024, count "HTTP/2 streams a client made the server reset";
    /// Or that turn out malformed behind their heads.
    QUIC_BROKEN_OFF: u32 = 200,
        count "HTTP/3 requests a client may break off at once; more end the connection (`H3_EXCESSIVE_LOAD`)";
    QUIC_BROKEN_OFF_RATE: u32 = 25, each_second "HTTP/3 requests that it may break off besides";
    /// There are about ten.
    QUIC_SETTINGS: usize = 64,
        count "settings of an HTTP/3 client; more end the connection (`H3_EXCESSIVE_LOAD`)";
    /// By Retry.
    QUIC_RETRY_ABOVE: usize = 256,
        count "HTTP/3 handshakes under way before clients must prove their address";
    QUIC_INCOMING: usize = 1024, count "HTTP/3 handshakes under way before new ones are refused";
    /// Each has a stack and a heap, hence there are not many.
    BLOCKING_THREADS: usize = 32, count "threads of a worker that read files and look up names";

    // Upstreams.
    UPSTREAM_CONNECT: Duration = secs(3), time "connecting, TLS included";
    /// From the end of the request.
    UPSTREAM_FIRST_BYTE: Duration = secs(60), time "waiting for the response's head";
    UPSTREAM_BODY_IDLE: Duration = secs(60),
        time "silence within the response, while no request body moves either";
    /// The upstream may not know of it (RFC 9110 section 10.1.1).
    CONTINUE_WAIT: Duration = secs(1), time "waiting for 100 (Continue)";
    RESPONSE_HEAD_BYTES: usize = 64 * KB, bytes "head of a response, also of FastCGI; more is 502";
    RESPONSE_FIELDS: usize = 128, count "its fields; more are 502";
    RESPONSE_TRAILERS: usize = 64, count "its trailers; more break the response off";
    INFORMATIONAL: u8 = 32, count "1xx responses before it; more are 502";
    /// To another upstream.
    RETRY_BODY: u64 = MB as u64, bytes "request body kept to be sent again";
    RETRY_WINDOW: usize = 10,
        seconds "period over which requests are counted for the next line";
    /// After an upstream has had them.
    RETRY_SHARE: u64 = 20, percent "share of requests that are sent again";
    RETRY_FLOOR: u64 = 10, each_second "requests that are sent again however few there are";
    UPSTREAM_QUEUE: Duration = secs(30), time "waiting in a `queue`";
    UPSTREAM_WEIGHT: u32 = 256, count "largest `weight`; a larger one is refused";
    HEALTH_INTERVAL: Duration = secs(30), time "between health checks";
    /// From connecting to the end of the body.
    HEALTH_TIMEOUT: Duration = secs(60), time "a health check";
    HEALTH_BODY: usize = MB, bytes "part of its response that is searched";
    NAME_TTL_MIN: Duration = secs(1), time "shortest time for which an answer of DNS is used";
    NAME_TTL_MAX: Duration = secs(3600), time "longest time for which an answer of DNS is used";
    NAME_RETRY: Duration = secs(5), time "pause before a name that failed is looked up again";
    UPSTREAM_IDLE: Duration = secs(60), time "idle connection";
    UPSTREAM_KEEPALIVE: usize = 32, count "idle connections kept for each upstream and worker";
    UPSTREAM_STREAMS: usize = 100,
        count "requests at once on an HTTP/2 connection to a server; more open another";
    UPSTREAM_STREAM_WINDOW: u32 = 512 * KB as u32, bytes "flow-control window of one of them";
    /// With requests in flight.
    UPSTREAM_PING: Duration = secs(20), time "silence of such a connection before a PING";
    UPSTREAM_PONG: Duration = secs(10), time "answer to a PING";
    UPSTREAM_HTTP1: Duration = secs(300),
        time "pause before HTTP/2 is offered again to a server that chose HTTP/1.1";
    FASTCGI_SILENCE: Duration = secs(60),
        time "silence of a FastCGI responder; also how long it may take nothing of a request";
    FASTCGI_AVOIDED: Duration = secs(10),
        time "time for which a FastCGI responder that could not be reached is tried last";
    SPOOL_BYTES: u64 = 256 * MB as u64,
        bytes "body without a length that is kept until its length is known, for FastCGI; more is 413";

    // Programs.
    WEBSOCKET_MESSAGE: usize = 10 * MB,
        bytes "message between a client and a program of `websocket`, each way";
    WEBSOCKET_PING: Duration = secs(54), time "between PINGs to the client";
    WEBSOCKET_SILENCE: Duration = secs(60), time "silence of the client";
    WEBSOCKET_CLOSE: Duration = secs(5), time "time for the client to read the last frame";
    PROGRAM_END: Duration = secs(1), time "time for a program to end between SIGINT and SIGKILL";
    STDERR_BYTES: usize = 16 * KB,
        bytes "standard error of a program or a FastCGI responder in the errors log, for one request";
    STDERR_LINE: usize = 4 * KB, bytes "one line of it";

    // Logs.
    LOG_QUEUE_BYTES: usize = 4 * MB,
        bytes "lines of one log file that wait to be written; more are lost and counted";
    LOG_QUEUE_RECORDS: usize = 8192,
        count "records that wait for syslog; more are lost and counted";
    LOG_VALUE_BYTES: usize = 8 * KB, bytes "one value in a line of the access log";
    REQUEST_BODY_BYTES: usize = 100 * KB, bytes "`{request_body}`";
    /// More does not fit everywhere into one datagram.
    SYSLOG_BYTES: usize = 8 * KB, bytes "one message to syslog";
    SYSLOG_TIMEOUT: Duration = secs(5), time "connecting to syslog, and one write to it";
    /// As v1 since 0.10; so are the next two.
    LOG_ROLL_MB: u32 = 100, megabytes "size at which a log file is rolled";
    LOG_ROLL_AGE: Duration = secs(14 * 24 * 3600), time "age at which a rolled file is removed";
    LOG_ROLL_KEEP: usize = 10, count "rolled files kept";

    // Certificates.
    ACME_ATTEMPT: Duration = secs(300), time "one attempt to get a certificate from a CA";
    CA_TIMEOUT: Duration = secs(10), time "one request to a CA (`-catimeout`)";
    /// A chain is a few KB.
    CA_ANSWER_BYTES: usize = MB,
        bytes "one answer of a CA or another HTTPS service that certificates need";
    DNS_CHALLENGE: Duration = secs(120),
        time "a name server or a program that sets a DNS challenge";
    OCSP_TIMEOUT: Duration = secs(10), time "an OCSP responder's answer";
    ON_DEMAND_WAITING: usize = 500,
        count "handshakes of one site that wait for a certificate on demand; more are refused";
    ON_DEMAND_NAMES: usize = 10_000,
        count "names with a certificate on demand, and names that failed, in memory";
    ON_DEMAND_FAILED: i64 = 300, seconds "time for which a name that failed is refused";
    /// A folder that links to itself ends there.
    CERTIFICATE_FOLDERS: usize = 16,
        count "depth of the folders that `load` of `tls` searches; deeper ones are passed over";

    // Caddyfile.
    /// Some that import one another would grow without end long before they loop.
    CADDYFILE_IMPORTS: usize = 10_000, count "imports of one Caddyfile; more are refused";
    CADDYFILE_TOKENS: usize = 1_000_000,
        count "words of one Caddyfile with all that it imports; more are refused";
    /// Each wrong password costs about a second of a core.
    BCRYPT_COST: u32 = 14, count "cost of a bcrypt hash; a dearer one is refused";

    // Stopping.
    DRAIN: Duration = secs(30), time "requests in flight (`-grace`)";
    /// Where nobody is in a hurry.
    DRAIN_IDLE: Duration = secs(5),
        time "idle HTTP/1.1 connections after a reload or an upgrade that closes them";
    /// Its client would take a close for a failure.
    FIRST_REQUEST: Duration = secs(1),
        time "the first request on a connection that has just been made";
    TUNNEL_GOODBYE: Duration = secs(1), time "WebSockets that have been told to close, after `-grace`";
    STOP_WORKERS: Duration = secs(10),
        time "time for workers to end, beyond `-grace`";
    UPGRADE_READY: Duration = secs(30),
        time "time for the new process of an upgrade to be ready; else the old one stays";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Display;

    use super::*;

    pub(super) fn bytes(n: impl TryInto<usize>) -> String {
        match n.try_into().unwrap_or(usize::MAX) {
            n if n % MB == 0 => format!("{} MB", n / MB),
            n if n % KB == 0 => format!("{} KB", n / KB),
            n => format!("{n} bytes"),
        }
    }

    pub(super) fn megabytes(n: u32) -> String {
        format!("{n} MB")
    }

    pub(super) fn count(n: impl TryInto<u64>) -> String {
        match n.try_into().unwrap_or(u64::MAX) {
            n @ ..10_000 => n.to_string(),
            n @ ..1_000_000 => format!("{},{:03}", n / 1000, n % 1000),
            n => format!("{},{:03},{:03}", n / 1_000_000, n / 1000 % 1000, n % 1000),
        }
    }

    pub(super) fn time(time: Duration) -> String {
        match time.as_secs() {
            0 => format!("{} ms", time.as_millis()),
            n if n % 86_400 == 0 => format!("{} days", n / 86_400),
            n if n % 3600 == 0 => format!("{} h", n / 3600),
            n if n % 60 == 0 && n > 60 => format!("{} min", n / 60),
            n => format!("{n} s"),
        }
    }

    pub(super) fn seconds(n: impl TryInto<u64>) -> String {
        time(secs(n.try_into().unwrap_or(u64::MAX)))
    }

    pub(super) fn percent(n: u64) -> String {
        format!("{n} %")
    }

    pub(super) fn each_second(n: impl Display) -> String {
        format!("{n} each second")
    }

    pub(super) fn rate(n: u64) -> String {
        format!("{n} bytes/s")
    }

    /// The page's lines about limits: what is limited, without links, and the default.
    fn documented() -> Vec<(String, String)> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/default-limits.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows =
            page.lines().filter(|line| line.starts_with("| ") && !line.contains("| default |"));
        rows.map(|row| {
            let mut cells = row.split('|').map(|cell| unlinked(cell.trim()));
            (cells.nth(1).unwrap(), cells.next().unwrap())
        })
        .collect()
    }

    /// `[text](target)` as `text`.
    fn unlinked(cell: &str) -> String {
        let mut text = String::new();
        let mut rest = cell;
        while let Some((before, after)) = rest.split_once('[') {
            let (inside, after) = after.split_once("](").unwrap();
            text.extend([before, inside]);
            rest = after.split_once(')').unwrap().1;
        }
        text + rest
    }

    #[test]
    fn the_documentation_lists_the_table() {
        let documented = documented();
        let mut shown: BTreeMap<_, _> =
            documented.iter().map(|(line, value)| (line.as_str(), value.as_str())).collect();
        assert_eq!(shown.len(), documented.len(), "a line stands in the page twice");
        for (name, line, value) in TABLE {
            let default = shown.remove(line).unwrap_or_else(|| panic!("{name}: no line {line:?}"));
            // Behind a semicolon the page may say more.
            let default = default.split("; ").next().unwrap();
            assert_eq!(default, value(), "{name}: {line}");
        }
        // What has no default of ours.
        let _ = shown.remove("body").filter(|value| *value == "no limit").unwrap();
        assert!(shown.is_empty(), "lines of no limit: {shown:?}");
    }
}
