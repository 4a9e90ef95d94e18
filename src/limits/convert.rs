//! The limits of `-convert`.

use super::MB;

limits! {
    CONVERT_FILES: usize = 256, count "lines with `include` in a configuration of nginx, and in what they include";
    CONVERT_LINES: usize = 20_000, count "lines of a Caddyfile of Caddy 2 with those that imports add, each as often as it is imported";
    CONVERT_INCLUDES: usize = 10, count "depth of includes and imports";
    CONVERT_BLOCKS: usize = 32, count "depth of blocks in a text that is translated";
    /// Settings that sites share are written in each.
    CONVERT_BYTES: usize = 16 * MB, bytes "translated text; a site that begins below it is whole";
}
