//! The limits of what several machines do as one (`-fleet`).

use std::time::Duration;

limits! {
    FLEET_ANSWER: Duration = Duration::from_secs(5), time "answer of the engine of `-fleet`, and the connection to it";
    FLEET_POLL: Duration = Duration::from_secs(5), time "between two questions to the engine of `-fleet`";
    FLEET_BEAT: Duration = Duration::from_secs(15), time "between two signs of life of a machine of `-fleet`";
    FLEET_GONE: Duration = Duration::from_secs(45), time "without a sign of life before a machine of `-fleet` is shown no more";
    FLEET_SHOWN: usize = 256, count "machines of `-fleet` that the metrics of each machine describe; in a larger fleet, itself only";
    FLEET_NUMBER: Duration = Duration::from_secs(86_400), time "without a sign of life before a machine's number in `-fleet` is free";
    FLEET_PACKETS: u32 = 50_000, count "QUIC packets that a machine of `-fleet` hands over to others in one second";
    FLEET_AGAIN: Duration = Duration::from_secs(30), time "between attempts to reach the engine of `-fleet`, at most";
    FLEET_ALONE: Duration = Duration::from_secs(10), time "time without the engine of `-fleet` before a certificate is obtained alone";
    /// A Sentinel waits for 30 s by default.
    FLEET_FAILOVER: Duration = Duration::from_secs(90), time "the same with Sentinels, or of a machine that has been connected before: another server takes over meanwhile";
    /// Whoever was away for longer may bring back what was removed.
    FLEET_REMOVED: Duration = Duration::from_secs(30 * 86_400), time "memory of an entry of `-fleet` that was removed, and an order or a failure that nothing has followed";
    /// No certificate is valid for longer (398 days).
    FLEET_REVOKED: Duration = Duration::from_secs(400 * 86_400), time "the same of a certificate that was removed";
    FLEET_TICKETS: Duration = Duration::from_secs(6 * 3600), time "use of a key of session tickets with `-fleet`";
    FLEET_PAGES: Duration = Duration::from_secs(300), time "between two exchanges of `quic_report`, with `-fleet`";
    FLEET_TELL: Duration = Duration::from_secs(1), time "between two messages of a machine about what `ratelimit` has counted, with `-fleet`";
    RATELIMIT_TOLD: usize = 256, count "clients in one message to the other machines of `-fleet`";
    RATELIMIT_COMMON: usize = 1 << 16, count "clients that `ratelimit` keeps count of over all machines of `-fleet`";
}
