//! The limits of `-convert`.

use super::MB;

limits! {
    CONVERT_FILES: usize = 256, count "files that a configuration of nginx includes";
    CONVERT_LINES: usize = 20_000, count "lines that imports add to a Caddyfile of Caddy 2";
    CONVERT_INCLUDES: usize = 10, count "files that include one another, and imports within one another";
    CONVERT_BLOCKS: usize = 32, count "blocks within one another in a text that is translated";
    /// Settings that sites share are written in each.
    CONVERT_BYTES: usize = 16 * MB, bytes "translation";
}
