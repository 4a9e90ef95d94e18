//! Every limit and timeout whose effect a user can see: a status, a closed connection, an error in
//! the Caddyfile or a dropped log line. `limits`, `timeouts`, `proxy` and others change some of
//! them. Other constants, such as buffer sizes, are defined where they are used.
//!
//! A row is a constant, its unit, and its line in docs/default-limits.md. A test compares both.

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
        pub(super) static TABLE: &[(&str, &str, fn() -> String)] =
            &[$((stringify!($name), $line, || $crate::limits::tests::$unit($name))),*];
    };
}

mod convert;
mod fleet;

pub use convert::*;
pub use fleet::*;

limits! {
    // Requests.
    /// As RFC 9113 section 6.5.2 counts them.
    HEADER_BYTES: usize = 16 * KB, bytes "size of the header fields: names, values, and 32 bytes per field";
    HEADER_COUNT: usize = 100, count "number of header fields; each part of a cookie counts";
    /// Above it the connection is closed before the head has been read.
    HEADER_EXCESS: usize = 64 * KB,
        bytes "size above that limit that still gets 431, HTTP/3";
    /// Above it hyper responds with 431 itself.
    H2_HEADER_EXCESS: usize = 32 * KB, bytes "size above that limit that still gets 431, HTTP/2";
    URI_BYTES: usize = 8 * KB, bytes "request target";
    /// No client uses them, so more is an attack.
    CHUNK_EXTENSION_BYTES: usize = 16 * KB, bytes "chunk extensions of one body";
    FILE_RANGES: usize = 16, count "ranges in one request for a file";
    INTERNAL_REDIRECTS: usize = 10, count "internal redirects of one request (`internal`)";
    PATTERN_BYTES: usize = 256 * KB,
        bytes "compiled size of a regular expression that contains placeholders";
    RATELIMIT_CLIENTS: usize = 1 << 20, count "clients that `ratelimit` keeps count of";
    /// Of a site's own, so that one page costs no more than a bad one may.
    TEMPLATE_FILE: u64 = 2 * MB as u64, bytes "file that is a template, or Markdown";
    TEMPLATE_TEXT: usize = 16 * MB, bytes "text that a template makes, with what it makes on the way";
    /// A call costs one more for each 256 bytes that it works on.
    TEMPLATE_STEPS: u64 = 1_000_000, count "steps of a template";
    TEMPLATE_BLOCKS: usize = 100, count "blocks and parentheses in the text of a template within one another";
    TEMPLATE_DEPTH: usize = 200, count "templates, blocks, lists and maps within one another as a template runs";
    TEMPLATE_LIST: usize = 10_000, count "entries of a folder that a template lists";
    FILTER_BYTES: usize = 10 * MB, bytes "content that `filter` reads (`max_buffer_size`)";
    FILTER_MADE: usize = 64 * MB, bytes "content that `filter` makes";
    MINIFY_BYTES: usize = 4 * MB, bytes "content that `minify` reads";
    WEBDAV_XML: usize = 64 * KB, bytes "XML of a request to `webdav`";
    WEBDAV_EXPANDED: usize = 256 * KB,
        bytes "names, namespaces and text of that XML, each element with its own";
    WEBDAV_NESTING: usize = 64, count "elements within one another in that XML";
    /// So that trees are not deeper than what walks them can bear.
    WEBDAV_NAMES: usize = 100, count "names in a path below `webdav`";
    WEBDAV_ENTRIES: usize = 10_000, count "entries of a folder that `webdav` lists";
    WEBDAV_LISTING: usize = 32 * MB, bytes "XML of a listing of `webdav`";
    WEBDAV_TREE: usize = 100_000, count "files and folders that one request to `webdav` copies, moves or removes";
    WEBDAV_PROPERTIES: usize = 32 * KB, bytes "properties that clients of `webdav` give a file; ext4 holds 4 KB";
    WEBDAV_LOCKS: usize = 10_000, count "locks that clients of `webdav` hold";
    WEBDAV_OWNER: usize = KB, bytes "XML about the owner of a lock of `webdav`";
    WEBDAV_LOCK_TIME: Duration = secs(3600), time "time after which a lock of `webdav` must be taken again";
    UPLOAD_NAMES: usize = 100, count "names in a path below `upload`";
    UPLOAD_TREE: usize = 100_000, count "files and folders that one request to `upload` moves or removes";
    UPLOAD_PARTS: usize = 1000, count "parts of a form that `upload` takes";
    UPLOAD_PART_HEAD: usize = 8 * KB, bytes "head of such a part, and what comes before the first one";
    UPLOAD_PART_FIELDS: usize = 16, count "fields in the head of such a part";
    REALIP_HOPS: usize = 5, count "proxies that `realip` skips";

    // Clients.
    /// From accept.
    PROXY_HEADER: Duration = secs(5), time "PROXY protocol header, where one is expected";
    /// The maximum of the protocol.
    PROXY_LINE_BYTES: usize = 107, bytes "PROXY protocol header, version 1";
    /// Load balancers send a few hundred at most.
    PROXY_BINARY_BYTES: usize = 4 * KB,
        bytes "PROXY protocol header, version 2, after its first 16 bytes";
    TLS_HANDSHAKE: Duration = secs(10), time "TLS handshake, after the connection or its PROXY protocol header";
    HEADER_READ: Duration = secs(10), time "request head, from its first byte to its last";
    BODY_IDLE: Duration = secs(60),
        time "idle time within a request body while the response is idle too";
    /// Measured over [`BODY_IDLE`].
    MINIMUM_RATE: u64 = 240,
        rate "minimum rate of a request body with a Content-Length, over 60 s, until the response begins; not for gRPC";
    WRITE_IDLE: Duration = secs(60), time "idle time of a client that receives a response";
    KEEP_ALIVE_IDLE: Duration = secs(75), time "idle connection, HTTP/1.1 and HTTP/2";
    QUIC_IDLE: Duration = secs(30), time "idle time of an HTTP/3 connection without packets";
    QUIC_ALIVE: Duration = secs(10),
        time "interval of the PINGs that keep an HTTP/3 connection open while a request or tunnel is in progress";
    QUIC_IDLE_MOST: Duration = secs(3600), time "longest idle time that `timeouts` can set for an HTTP/3 connection";
    /// It is read and discarded before the stream is reset.
    UNREAD_BYTES: u64 = MB as u64, bytes "request body that is read after the response, HTTP/2";
    UNREAD_TIME: Duration = secs(30), time "time to read it, HTTP/2";
    UNREAD_SILENCE: Duration = secs(5), time "idle time of the client meanwhile, HTTP/2";
    /// It is read and discarded.
    QUIC_LINGER: Duration = secs(30), time "period over which an upload must keep 240 bytes/s after the response, HTTP/3";
    QUIC_LINGER_SILENCE: Duration = secs(5), time "idle time of an upload after the response, HTTP/3";
    /// Closing at once could lose the end of the response (RFC 9112 section 9.6).
    LINGERING_CLOSE: Duration = secs(2),
        time "time that a request body is read before an HTTP/1.1 connection closes";
    UPGRADE_AHEAD_BYTES: usize = 16 * KB,
        bytes "data that a client sends before the response to its Upgrade";
    TUNNEL_IDLE: Duration = secs(3600), time "idle time, in both directions, of a WebSocket or another tunnel";
    REST_AFTER: Duration = Duration::from_millis(500),
        time "idle time after which an HTTP/1.1 connection frees its memory and may be closed for another client";
    ROOM_GRACE: Duration = secs(1),
        time "time that an idle HTTP/2 client has to close a connection that must make room for another client";

    // Connections.
    /// Each may need a second descriptor, for an upstream or a file.
    CONNECTION_SHARE: u64 = 50,
        percent "client connections, as a share of the open-files limit minus the files that the service has open; further ones wait";
    /// The kernel's `net.core.somaxconn` may be lower.
    BACKLOG: i32 = 4096, count "connections of one listener that wait to be accepted (backlog)";
    STREAMS: u32 = 100, count "concurrent requests on an HTTP/2 or HTTP/3 connection";
    /// Over HTTP/2 as many further requests are queued.
    TUNNELS: u32 = 256,
        count "additional concurrent WebSocket streams; more count as requests";
    /// The number of streams that a client may have, as RFC 9218 section 7.1 asks.
    H2_PRIORITIES: usize = (STREAMS + TUNNELS) as usize,
        count "HTTP/2 requests in progress and priorities of requests that have not arrived (`PRIORITY_UPDATE`), together; more end the connection (`PROTOCOL_ERROR`)";
    /// Some are of requests that have ended, which looks the same.
    H3_PRIORITIES: usize = 200,
        count "priorities of HTTP/3 requests that have not arrived (`PRIORITY_UPDATE`); the oldest is dropped";
    STREAM_WINDOW: u32 = 256 * KB as u32, bytes "flow-control window of an HTTP/2 stream";
    STREAM_WINDOW_MOST: u32 = 4 * MB as u32,
        bytes "flow-control window of an HTTP/2 stream whose upload fills it and is read quickly";
    H2_CONNECTION_WINDOW: u32 = MB as u32, bytes "flow-control window of an HTTP/2 connection";
    H2_CONNECTION_WINDOW_MOST: u32 = 8 * MB as u32,
        bytes "flow-control window of an HTTP/2 connection with such uploads";
    RECEIVE_CREDIT: u64 = 64 * MB as u64,
        bytes "growth of all flow-control windows of the process; a connection gets at most an eighth of what is left";
    /// quinn sets it once for all streams of a connection.
    QUIC_STREAM_WINDOW: u32 = 1792 * KB as u32,
        bytes "flow-control window of an HTTP/3 stream, within that of its connection";
    QUIC_CONNECTION_WINDOW: u32 = 256 * KB as u32,
        bytes "flow-control window of an HTTP/3 connection";
    QUIC_CONNECTION_WINDOW_MOST: u32 = 8 * MB as u32,
        bytes "flow-control window of an HTTP/3 connection with uploads that fill it, or with content that is not read";
    QUIC_UNREAD: Duration = Duration::from_millis(200),
        time "time that content is not read before the window grows for the other requests of the connection";
    UNREAD_CREDIT: u64 = 24 * MB as u64,
        bytes "part of this growth for HTTP/3 connections with content that is not read";
    QUIC_SEND_WINDOW: u64 = 256 * KB as u64,
        bytes "unacknowledged and unsent response data of an HTTP/3 connection";
    QUIC_SEND_WINDOW_MOST: u64 = 16 * MB as u64,
        bytes "unacknowledged and unsent response data of an HTTP/3 connection whose congestion window requires more";
    SEND_CREDIT: u64 = 128 * MB as u64,
        bytes "growth of this data for all connections of the process; a connection gets at most an eighth of what is left";
    SEND_BUFFER: usize = 64 * KB,
        bytes "unsent response data of an HTTP/1.1 or HTTP/2 connection, in the server";
    /// Data in flight is not counted, so that connections with a long round trip stay full.
    UNSENT_BYTES: u32 = 128 * KB as u32, bytes "unsent response data of such a connection, in the kernel (`TCP_NOTSENT_LOWAT`)";
    H2_PENDING_RESETS: usize = 20, count "HTTP/2 requests that a client cancelled before the server began with them";
    /// Over the connection's life.
    H2_LOCAL_RESETS: usize = 1024, count "HTTP/2 streams that a client made the server reset";
    /// Or that turn out to be malformed after their heads.
    CANCELLED: u32 = 200,
        count "HTTP/2 or HTTP/3 requests of a connection that a client may cancel in a burst; more end it (`ENHANCE_YOUR_CALM`, `H3_EXCESSIVE_LOAD`)";
    CANCELLED_RATE: u32 = 25, each_second "requests of such a connection that a client may cancel in addition";
    QUIC_SETTINGS: usize = 64,
        count "settings of an HTTP/3 client; more end the connection (`H3_EXCESSIVE_LOAD`)";
    /// By Retry.
    QUIC_RETRY_ABOVE: usize = 256,
        count "HTTP/3 handshakes in progress above which clients must prove their address (Retry)";
    QUIC_INCOMING: usize = 1024, count "HTTP/3 handshakes in progress above which new ones are refused";
    /// Each has a stack and a heap.
    BLOCKING_THREADS: usize = 32, count "threads per worker for file access and name lookups";

    // Upstreams.
    UPSTREAM_CONNECT: Duration = secs(3), time "connecting to an upstream, including TLS";
    /// From the end of the request.
    UPSTREAM_FIRST_BYTE: Duration = secs(60), time "waiting for the head of the response";
    UPSTREAM_BODY_IDLE: Duration = secs(60),
        time "idle time within the response while the request body is idle too";
    FORWARD_AUTH: Duration = secs(10), time "answer of the service that decides, `forward_auth`; 504";
    EXTAUTH: Duration = secs(30), time "answer of the service that decides, `extauth`; 504";
    REAUTH: Duration = secs(60), time "answer of an upstream that knows the users, `reauth`; 504";
    LOGIN_BYTES: usize = 16 * KB, bytes "content of a request to the page of `login`; more is 413";
    LOGIN_ADDRESS: u32 = 10, count "wrong passwords from an address (IPv6: a /64) in a row; more are 429";
    LOGIN_USER: u32 = 50, count "wrong passwords for a user in a row; more are 429";
    LOGIN_PAUSE: Duration = secs(10), time "pause after which there is one more";
    JWT_KEY_CHECK: Duration = secs(5), time "interval at which `jwt` looks for changed files of keys";
    JWKS_FETCH: Duration = secs(10), time "fetching a set of keys, `jwt`";
    JWKS_REFRESH: Duration = secs(300), time "interval at which a set of keys is fetched";
    JWKS_RETRY: Duration = secs(10), time "the same after a failure, or for a token with an unknown key";
    JWKS_BYTES: usize = 256 * KB, bytes "size of a set of keys";
    JWKS_KEYS: usize = 100, count "keys in a set; with more it is not used";
    /// The upstream may not support it (RFC 9110 section 10.1.1).
    CONTINUE_WAIT: Duration = secs(1), time "waiting for 100 (Continue)";
    RESPONSE_HEAD_BYTES: usize = 64 * KB, bytes "size of a response head, also of FastCGI; more is 502";
    RESPONSE_FIELDS: usize = 128, count "header fields of a response; more are 502";
    RESPONSE_TRAILERS: usize = 64, count "trailer fields of a response; more abort the response";
    INFORMATIONAL: u8 = 32, count "1xx responses before the final one; more are 502";
    EARLY_HINTS: u8 = 8, count "103 responses that a client gets for one request; more are discarded";
    EARLY_HINT_BYTES: usize = 16 * KB, bytes "size of their header fields; what exceeds it is discarded";
    /// To another upstream.
    RETRY_BODY: u64 = MB as u64, bytes "request body kept for retries";
    RETRY_WINDOW: usize = 10,
        seconds "period over which the share of retries is measured";
    /// Of requests that an upstream has received.
    RETRY_SHARE: u64 = 20, percent "retries as a share of the requests";
    RETRY_FLOOR: u64 = 10, each_second "retries that are always allowed";
    UPSTREAM_QUEUE: Duration = secs(30), time "time in a `queue`";
    UPSTREAM_WEIGHT: u32 = 256, count "maximum `weight`; a larger one is an error";
    HEALTH_INTERVAL: Duration = secs(30), time "interval of health checks";
    /// From the start of the connection to the end of the body.
    HEALTH_TIMEOUT: Duration = secs(60), time "timeout of a health check";
    HEALTH_BODY: usize = MB, bytes "part of its response that `health_check_contains` searches";
    NAME_TTL_MIN: Duration = secs(1), time "minimum TTL of a DNS response";
    NAME_TTL_MAX: Duration = secs(3600), time "maximum TTL of a DNS response";
    NAME_RETRY: Duration = secs(5), time "time before a failed DNS lookup is repeated";
    UPSTREAM_IDLE: Duration = secs(60), time "idle time of a connection to an upstream";
    UPSTREAM_KEEPALIVE: usize = 32, count "idle connections per upstream and worker";
    UPSTREAM_STREAMS: usize = 100,
        count "concurrent requests on an HTTP/2 connection to an upstream; more open another connection";
    UPSTREAM_STREAM_WINDOW: u32 = 512 * KB as u32,
        bytes "flow-control window of a response on an HTTP/2 connection to an upstream";
    UPSTREAM_STREAM_WINDOW_MOST: u32 = 8 * MB as u32,
        bytes "flow-control window of such a response that fills it and that the client reads quickly";
    UPSTREAM_WINDOW_GROWTH: u32 = 16 * MB as u32,
        bytes "growth of these windows on one connection";
    /// With requests in flight.
    UPSTREAM_PING: Duration = secs(20), time "idle time of such a connection before a PING";
    UPSTREAM_PONG: Duration = secs(10), time "time for the response to the PING";
    UPSTREAM_HTTP1: Duration = secs(300),
        time "time before HTTP/2 is offered again to an upstream that chose HTTP/1.1";
    FASTCGI_SILENCE: Duration = secs(60),
        time "idle time of a FastCGI responder, both reading and writing";
    FASTCGI_AVOIDED: Duration = secs(10),
        time "time for which an unreachable FastCGI responder is tried last";
    SPOOL_BYTES: u64 = 256 * MB as u64,
        bytes "buffered request body without a Content-Length, for FastCGI; more is 413";

    // Programs.
    WEBSOCKET_MESSAGE: usize = 10 * MB,
        bytes "message between a client and a `websocket` program, in each direction";
    WEBSOCKET_PING: Duration = secs(54), time "interval of the PINGs to the client";
    WEBSOCKET_SILENCE: Duration = secs(60), time "idle time of the client";
    WEBSOCKET_CLOSE: Duration = secs(5), time "time for the client to receive the Close frame";
    CGI_PROGRAMS: usize = 32, count "programs of a site's `cgi` at once; more are 503";
    CGI_TIME: Duration = secs(60), time "run time of a program of `cgi`; 504, or the response breaks off";
    CGI_OUTPUT: u64 = 1024 * MB as u64, bytes "output of a program of `cgi`; more breaks the response off";
    PROGRAM_END: Duration = secs(1), time "time for a program to exit between SIGINT and SIGKILL";
    GIT_INTERVAL: Duration = secs(3600), time "interval at which `git` fetches a repository";
    GIT_DISTANCE: Duration = secs(5), time "time between two fetches of a repository, at least";
    GIT_RETRY: Duration = secs(60), time "time before a fetch that failed is repeated, at most";
    /// A first clone may be large.
    GIT_TIMEOUT: Duration = secs(1800), time "one command of `git`; then it is stopped";
    GIT_HOOK_BYTES: usize = 4 * MB, bytes "request of a hook of `git`; more is 413";
    STDERR_BYTES: usize = 16 * KB,
        bytes "standard error of a program or FastCGI responder in the error log, per request";
    STDERR_LINE: usize = 4 * KB, bytes "one line of standard error in the error log";

    // Logs.
    LOG_QUEUE_BYTES: usize = 4 * MB,
        bytes "queued lines of one log file; more are dropped and counted";
    LOG_QUEUE_RECORDS: usize = 8192,
        count "queued syslog messages; more are dropped and counted";
    LOG_VALUE_BYTES: usize = 8 * KB, bytes "one value in an access log line";
    REQUEST_BODY_BYTES: usize = 100 * KB, bytes "`{request_body}`";
    /// More does not fit into one datagram everywhere.
    SYSLOG_BYTES: usize = 8 * KB, bytes "one message to syslog";
    SYSLOG_TIMEOUT: Duration = secs(5), time "connecting to syslog, and one write to it";
    QLOG_OPEN: usize = 64, count "connections that qlog records at a time; further ones are not recorded";
    QLOG_FILE_BYTES: usize = 10 * MB, bytes "one file of qlog; later events are left out";
    QLOG_FILES: usize = 1000, count "files in the directory of qlog; the oldest are removed";
    QLOG_BYTES: u64 = 256 * MB as u64, bytes "size of all of them; the oldest are removed";
    /// As v1 since 0.10; so are the next two.
    LOG_ROLL_MB: u32 = 100, megabytes "size at which a log file is rotated";
    LOG_ROLL_AGE: Duration = secs(14 * 24 * 3600), time "age at which a rotated file is removed";
    LOG_ROLL_KEEP: usize = 10, count "rotated files kept";

    // Certificates.
    ACME_ATTEMPT: Duration = secs(300), time "one attempt to obtain a certificate from a CA";
    CA_TIMEOUT: Duration = secs(10), time "one request to a CA (`-catimeout`)";
    CA_ANSWER_BYTES: usize = MB,
        bytes "one response of a CA or another HTTPS service that certificates need";
    DNS_CHALLENGE: Duration = secs(120),
        time "setting a DNS record through a name server, a provider or a program";
    DNS_REQUEST: Duration = secs(30), time "one request to a DNS provider";
    DNS_PROPAGATION: Duration = secs(120),
        time "time until all name servers of a zone have a record that a DNS provider has set";
    /// After the start; a machine's network may come later than its services.
    HTTPS_RECORD_DELAY: Duration = secs(5),
        time "time before DNS is asked for the HTTPS records of a new configuration";
    HTTPS_RECORD_CHECK: Duration = secs(24 * 3600), time "interval of that";
    HTTPS_RECORD_RETRY: Duration = secs(3600),
        time "time before it is repeated after a failure";
    HTTPS_RECORD_TTL: u32 = 300, seconds "TTL of an HTTPS record that is published";
    OCSP_TIMEOUT: Duration = secs(10), time "response of an OCSP responder";
    ON_DEMAND_WAITING: usize = 500,
        count "handshakes of one site that wait for an on-demand certificate; more are refused";
    ON_DEMAND_NAMES: usize = 10_000,
        count "names with an on-demand certificate, and failed names, in memory";
    ON_DEMAND_FAILED: i64 = 300, seconds "time for which a failed name is refused";
    /// Bounds a folder that links to itself.
    CERTIFICATE_FOLDERS: usize = 16,
        count "depth of folders that `tls { load }` searches; deeper ones are ignored";

    // `quic_report`.
    QUIC_REPORT_QUEUE: usize = 4096,
        count "measurements of `quic_report` that wait to be entered, per site; more are lost";
    QUIC_REPORT_VISITORS: usize = 65_536,
        count "visitors of one day that `quic_report` measures, per site";
    QUIC_REPORT_SAVE: Duration = secs(300),
        time "interval at which the state of `quic_report` is written";
    QUIC_REPORT_DAYS: u32 = 28, count "days that `quic_report` keeps what it measured (`keep`)";
    QUIC_REPORT_BEACON_BYTES: usize = KB, bytes "one beacon of `quic_report`";
    QUIC_REPORT_BEACONS: u64 = 50,
        each_second "beacons of `quic_report` that are read, per site; more get 429";
    QUIC_REPORT_ANSWER: Duration = secs(30),
        time "time that `-quic-report` waits for the answer of the service";

    // `cache`.
    CACHE_BYTES: usize = 128 * MB,
        bytes "responses in memory, of all `cache` directives without `memory` together";
    CACHE_DISK: u64 = 1024 * MB as u64, bytes "content of a `cache` with `path` in its directory";
    CACHE_ON_DISK: usize = 64 * KB, bytes "content that such a `cache` keeps there; less stays in memory";
    CACHE_OBJECT: usize = 8 * MB, bytes "content of one of them; a larger one is not stored";
    CACHE_VARIANTS: usize = 16,
        count "responses of one path that differ by request fields (`Vary`); the oldest is removed";
    CACHE_WAIT: Duration = secs(5),
        time "time that a request waits for the response to another one for the same path";
    CACHE_STALLED: Duration = secs(5), time "client that takes nothing of what is to be kept";
    CACHE_LIFETIME: Duration = secs(300),
        time "lifetime of responses by `match_path` and `match_header` that state none";
    CACHE_HEURISTIC: Duration = secs(24 * 3600),
        time "longest lifetime that is estimated from Last-Modified";

    // Caddyfile.
    CADDYFILE_BYTES: u64 = 16 * MB as u64, bytes "text of a Caddyfile; a longer one is an error";
    /// Imports of each other can grow exponentially without a cycle.
    CADDYFILE_IMPORTS: usize = 10_000, count "imports in one Caddyfile; more are an error";
    CADDYFILE_TOKENS: usize = 1_000_000,
        count "tokens in one Caddyfile including its imports; more are an error";
    /// Each wrong password costs about one second of CPU time.
    BCRYPT_COST: u32 = 14, count "cost of a bcrypt hash; a higher one is an error";

    // Stopping.
    DRAIN: Duration = secs(30), time "requests in flight (`-grace`)";
    /// Applies where nothing waits for the process to stop.
    DRAIN_IDLE: Duration = secs(5),
        time "idle HTTP/1.1 connections, after a reload or upgrade that closes them";
    /// The client would treat a close as a failure.
    FIRST_REQUEST: Duration = secs(1),
        time "the first request on a new connection";
    TUNNEL_GOODBYE: Duration = secs(1), time "WebSockets that were sent a Close frame, after `-grace`";
    STOP_WORKERS: Duration = secs(10),
        time "time for workers to stop, after `-grace`";
    UPGRADE_READY: Duration = secs(30),
        time "time for the new process of an upgrade to be ready; then the upgrade is cancelled";
    /// Longer than a reload takes: names of addresses to listen on may have to be looked up.
    CONTROL_ANSWER: Duration = secs(60),
        time "time that `-reload` waits for the answer of the service";
    /// The service answers at once, also during a reload.
    STATUS_ANSWER: Duration = secs(5), time "time that `-status` waits for the answer of the service";
    /// A rate of the last minute needs no finer samples.
    STATUS_INTERVAL: Duration = secs(10),
        time "interval at which `systemctl status` gets new figures";
    CHANGES_KEPT: usize = 20, count "reloads and failed upgrades that the history shows";
    CONTROL_REQUEST: Duration = secs(2),
        time "time for a request on the control socket to arrive";
}

#[cfg(test)]
mod mentions;

#[cfg(test)]
mod tests;
