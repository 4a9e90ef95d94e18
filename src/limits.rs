//! Every default limit and timeout, each named once. `limits` and `timeouts` change them.

use std::time::Duration;

/// Bytes of a request's field section, counted as names + values + 32 each (RFC 9113 6.5.2).
pub const HEADER_BYTES: usize = 16 * 1024;
/// Bytes beyond [`HEADER_BYTES`] that an HTTP/3 head may have to be answered with 431; with more
/// the connection is closed before they are taken in.
pub const HEADER_EXCESS: usize = 64 * 1024;
/// The same for an HTTP/2 head, beyond which hyper answers 431 itself.
pub const H2_HEADER_EXCESS: usize = 32 * 1024;
/// Fields of a request, cookie crumbs counted.
pub const HEADER_COUNT: usize = 100;
/// Bytes of a request target; more is 414.
pub const URI_BYTES: usize = 8 * 1024;
/// From the first byte of a request to the end of its head.
pub const HEADER_READ: Duration = Duration::from_secs(10);
/// From accept to the end of the PROXY protocol's header, where one is expected.
pub const PROXY_HEADER: Duration = Duration::from_secs(5);
/// From accept, or that header, to the end of the TLS handshake.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest silence of a client that is sending a body, while no response moves either.
pub const BODY_IDLE: Duration = Duration::from_secs(60);
/// The least that a client must move of a body whose length it has said, in bytes each second, seen
/// over [`BODY_IDLE`], until the response begins.
pub const MINIMUM_RATE: u64 = 240;
/// What an HTTP/2 client still sends behind a complete answer and is taken in before its stream
/// is reset: so many bytes, for so long, with so much silence.
pub const UNREAD_BYTES: u64 = 1024 * 1024;
pub const UNREAD_TIME: Duration = Duration::from_secs(30);
pub const UNREAD_SILENCE: Duration = Duration::from_secs(5);
/// The longest a response may wait for the client to take bytes.
pub const WRITE_IDLE: Duration = Duration::from_secs(60);
/// An HTTP/1.1 or HTTP/2 connection without a request in flight.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(75);
/// A QUIC connection without packets.
pub const QUIC_IDLE: Duration = Duration::from_secs(30);
/// The longest that `idle` keeps such a connection.
pub const QUIC_IDLE_MOST: Duration = Duration::from_secs(3600);
/// How often a QUIC connection with requests under way shows that it is there.
pub const QUIC_ALIVE: Duration = Duration::from_secs(10);
/// Requests at once on one HTTP/2 or HTTP/3 connection.
pub const STREAMS: u32 = 100;
/// Tunnels that it may have beside them.
pub const TUNNELS: u32 = 256;
/// Flow-control window of one stream, HTTP/2 and QUIC.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// Flow-control window of an HTTP/2 connection.
pub const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Flow-control window of a QUIC connection.
pub const QUIC_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Response bytes a QUIC connection keeps for retransmission.
pub const QUIC_SEND_WINDOW: u64 = 4 * 1024 * 1024;
/// Streams reset by an HTTP/2 client before we answered them, waiting to be forgotten.
pub const H2_PENDING_RESETS: usize = 20;
/// Streams that an HTTP/2 client made us reset, over a connection's life.
pub const H2_LOCAL_RESETS: usize = 1024;
/// Requests that a client may cancel, or turn out malformed behind their heads, at once on one
/// HTTP/3 connection; and how many more with each second.
pub const QUIC_BROKEN_OFF: u32 = 200;
pub const QUIC_BROKEN_OFF_RATE: u32 = 25;
/// How long the rest of a request's content is read and dropped after its response over HTTP/3,
/// and the longest silence in it.
pub const QUIC_LINGER: Duration = Duration::from_secs(30);
pub const QUIC_LINGER_SILENCE: Duration = Duration::from_secs(5);
/// Bytes an HTTP/1.1 or HTTP/2 connection may hold unsent.
pub const SEND_BUFFER: usize = 64 * 1024;
/// Bytes that the kernel takes of an HTTP/1.1 or HTTP/2 connection before it sends them. What is
/// under way is not counted, so that long roads stay filled.
pub const UNSENT_BYTES: u32 = 128 * 1024;
/// QUIC handshakes under way beyond which a client must prove its address by Retry.
pub const QUIC_RETRY_ABOVE: usize = 256;
/// QUIC handshakes under way beyond which new ones are refused.
pub const QUIC_INCOMING: usize = 1024;
/// The share of the descriptors not in use at the start that client connections may take, in
/// percent: each may need another one, to an upstream or of a file.
pub const CONNECTION_SHARE: u64 = 50;
/// Threads of a worker for what may block: files that are not in memory, and names. Each has a
/// stack and a heap, hence there are not many.
pub const BLOCKING_THREADS: usize = 32;
/// Upstream TCP (and TLS) connection set-up.
pub const UPSTREAM_CONNECT: Duration = Duration::from_secs(3);
/// From the end of the request to the upstream's response head.
pub const UPSTREAM_FIRST_BYTE: Duration = Duration::from_secs(60);
/// The longest silence of an upstream within its response.
pub const UPSTREAM_BODY_IDLE: Duration = Duration::from_secs(60);
/// An idle pooled upstream connection.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(60);
/// Idle upstream connections kept per upstream and worker.
pub const UPSTREAM_KEEPALIVE: usize = 32;
/// Streams of one HTTP/2 connection to an upstream; more open another connection.
pub const UPSTREAM_STREAMS: usize = 100;
/// Flow-control window of one of them.
pub const UPSTREAM_STREAM_WINDOW: u32 = 512 * 1024;
/// How long nothing comes on an HTTP/2 connection to an upstream, with requests in flight, until
/// it is asked for a sign of life; and how long that may take.
pub const UPSTREAM_PING: Duration = Duration::from_secs(20);
pub const UPSTREAM_PONG: Duration = Duration::from_secs(10);
/// How long an upstream that has chosen HTTP/1.1 is not offered HTTP/2.
pub const UPSTREAM_HTTP1: Duration = Duration::from_secs(300);
/// A connection or stream that has left HTTP, with silence both ways.
pub const TUNNEL_IDLE: Duration = Duration::from_secs(3600);
/// How long tunnels have, when a stop has waited for them, to say goodbye.
pub const TUNNEL_GOODBYE: Duration = Duration::from_secs(1);
/// The longest silence of a FastCGI responder, and the longest that it may take nothing of a
/// request.
pub const FASTCGI_SILENCE: Duration = Duration::from_secs(60);
/// Bytes of a request's content that came without a length and must have one before they are
/// passed on.
pub const SPOOL_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of a request's body kept, so that it can be sent to another upstream.
pub const RETRY_BODY: u64 = 1024 * 1024;
/// Of a hundred requests, how many may be sent once more after an upstream has had them.
pub const RETRY_SHARE: u64 = 20;
/// Such requests each second that are allowed however few requests there are.
pub const RETRY_FLOOR: u64 = 10;
/// How long a request waits for a place at an upstream, where `queue` lets it wait.
pub const UPSTREAM_QUEUE: Duration = Duration::from_secs(30);
/// Between health checks of an upstream.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// One health check, from connecting to the end of the body.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a body that a health check searches.
pub const HEALTH_BODY: usize = 1024 * 1024;
/// The least and the longest time for which an answer about an upstream's name is used, and how
/// long after a failure the name is asked for again.
pub const NAME_TTL_MIN: Duration = Duration::from_secs(1);
pub const NAME_TTL_MAX: Duration = Duration::from_secs(3600);
pub const NAME_RETRY: Duration = Duration::from_secs(5);
/// How long a stop waits for requests in flight (`-grace`).
pub const DRAIN: Duration = Duration::from_secs(30);
