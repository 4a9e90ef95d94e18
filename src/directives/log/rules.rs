//! Reads `log` directives and their blocks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::arguments::{self, ROTATION_0_9, Rotated};
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::http::paths::Prefix;
use crate::http::sink::{Roll, Sink, SinkTarget};
use crate::site::SiteBuilder;

use super::format::{Format, Unusable};

pub(in super::super) static OPTIONS: Options<Block> = Options::<Block>::new(&[
    option("rotate, and its block of size MB, age DAYS and keep N", LastWins, |block, args| {
        block.roll = Roll::of_0_9();
        ROTATION_0_9.read(&mut block.roll, args).map(drop)
    }),
    option("sample 1/N, such as: sample 1/100", Forbidden, |block, args| {
        arguments::one_in(args).map(|one_in| block.sample = Sample(one_in))
    }),
    option("except PATH..., such as: except /health", Accumulates, |block, args| {
        args.each(arguments::prefix).map(|paths| block.privacy.except.extend(paths))
    }),
    option("ipmask MASK [MASK6], such as: ipmask 255.255.255.0", Accumulates, |block, args| {
        block.privacy.read_mask(args.required()?, args)?;
        if args.next_arg() { block.privacy.read_mask(args.val(), args) } else { Ok(()) }
    }),
])
.and(Block::ROTATION);

/// The settings of a log's block.
#[derive(Default)]
pub(in super::super) struct Block {
    privacy: Privacy,
    sample: Sample,
    roll: Roll,
}

impl Rotated for Block {
    fn roll(&mut self) -> &mut Roll {
        &mut self.roll
    }
}

/// All logs of one path prefix.
pub(super) struct Rule {
    pub(super) path: Prefix,
    pub(super) entries: Vec<Arc<Entry>>,
}

/// One log.
pub(super) struct Entry {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) format: Format,
    pub(super) privacy: Privacy,
    pub(super) sample: Sample,
}

/// Of so many requests, one is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample(pub(super) u32);

impl Default for Sample {
    fn default() -> Self {
        Self(1)
    }
}

impl Sample {
    /// Whether to log a request with this status. What the server has failed at always is.
    pub(super) fn takes(self, status: u16) -> bool {
        self.0 == 1 || status >= 500 || fastrand::u32(..self.0) == 0
    }
}

/// The requests that a log excludes, and the bits that it removes from addresses.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    pub(super) except: Vec<Prefix>,
    pub(super) mask_v4: Option<Ipv4Addr>,
    pub(super) mask_v6: Option<Ipv6Addr>,
}

impl Privacy {
    /// Whether a request for this path is excluded.
    pub(super) fn leave_out(&self, path: &str) -> bool {
        self.except.iter().any(|prefix| prefix.holds(path))
    }

    fn read_mask(&mut self, mask: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        match mask.parse() {
            Ok(IpAddr::V4(mask)) => self.mask_v4 = Some(mask),
            Ok(IpAddr::V6(mask)) => self.mask_v6 = Some(mask),
            Err(_) => {
                let message = format!("IP Mask not valid IP Mask Format: {mask}");
                return Err(args.error_at(mask, message).hint("write: ipmask 255.255.255.0"));
            }
        }
        Ok(())
    }

    /// The address as this log may show it.
    pub(super) fn mask(&self, client: IpAddr) -> IpAddr {
        match (client.to_canonical(), self.mask_v4, self.mask_v6) {
            (IpAddr::V4(ip), Some(mask), _) => (ip & mask).into(),
            (IpAddr::V6(ip), _, Some(mask)) => (ip & mask).into(),
            (ip, ..) => ip,
        }
    }
}

/// Reads all `log` directives of a site and opens their outputs.
pub(super) fn parse(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<Vec<Rule>, ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let (path, output, format) = match args.remaining()[..] {
            [] => ("/", "access.log", ""),
            [output] => ("/", output, ""),
            [path, output] => (path, output, ""),
            [path, output, format] => (path, output, format),
            [path, output, format, ..] => {
                args.warn(args.error(format!(
                    "log: only '{format}' is the format, what follows it is ignored; \
                     a format with spaces needs quotes"
                )));
                (path, output, format)
            }
        };
        remark(path, output, format, args);
        let path = if !path.starts_with('/') && output.contains('{') {
            let message = format!("log: '{output}' is read as the file, and '{path}' as a path");
            let hint = format!("for one format of all requests write: log / {path} {output}");
            args.warn(args.error_at(output, message).hint(hint));
            Prefix::new(path)
        } else {
            arguments::prefix(args, path)?
        };
        if let Some(first) = rules.iter().find(|rule| rule.path.holds(path.as_str()))
            && first.path != path
        {
            let message = format!("log {path} has no effect: log {} precedes it", first.path);
            let hint = "write the longer path first";
            args.warn(args.error(message).hint(hint));
        }
        let mut block = Block::default();
        OPTIONS.read(&mut block, args)?;
        let target = SinkTarget::parse(output, block.roll);
        let sink = site
            .sinks
            .open(&target)
            .map_err(|e| args.error(format!("log: cannot open '{output}': {e}")))?;
        let format = read_format(format, &target, args, site.is_traced)?;
        let entry = Entry { sink, format, privacy: block.privacy, sample: block.sample };
        let entry = Arc::new(entry);
        match rules.iter_mut().find(|rule| rule.path == path) {
            Some(rule) => rule.entries.push(entry),
            None => rules.push(Rule { path, entries: vec![entry] }),
        }
    }
    Ok(rules)
}

/// The names of formats as other servers write them, and words that switch a log.
fn remark(path: &str, output: &str, format: &str, args: &mut Args<'_>) {
    let is_format = |word: &str| matches!(word, "json" | "combined" | "common");
    let (word, message, hint) = match (output, format) {
        ("off" | "none" | "on", "") => {
            let message = format!("log: '{output}' is the name of a file");
            (output, message, "without the line there is no log; the file is access.log".to_owned())
        }
        (name, "") if is_format(name) => {
            let file = if path.starts_with('/') { "access.log" } else { path };
            let message = format!("log: '{name}' is the name of a file");
            (output, message, format!("for the format write: log / {file} {{{name}}}"))
        }
        (_, text) if !text.is_empty() && !text.contains('{') => {
            let known = if is_format(text) { text } else { "combined" };
            let message =
                format!("log: the format '{text}' has no placeholder, so every line is the same");
            (format, message, format!("write: log {path} {output} {{{known}}}"))
        }
        _ => return,
    };
    args.warn(args.error_at(word, message).hint(hint));
}

fn read_format(
    text: &str,
    target: &SinkTarget,
    args: &mut Args<'_>,
    is_traced: bool,
) -> Result<Format, ConfigError> {
    let format = Format::parse(text).map_err(|Unusable { message, hint }| {
        args.error_at(text, format!("log: {message}")).hint(hint)
    })?;
    let traced = ["{trace_id}", "{span_id}"].into_iter().find(|name| text.contains(name));
    if let Some(name) = traced.filter(|_| !is_traced) {
        let message = format!("log: {name} is always empty, as requests are not traced");
        args.warn(args.error_at(text, message).hint("add the directive `tracing` to the site"));
    }
    Ok(match target {
        SinkTarget::Syslog(_) => format.for_syslog(),
        SinkTarget::Stdout | SinkTarget::Stderr | SinkTarget::File { .. } => format,
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::http::address::Address;
    use crate::http::sink::OpenSink;

    #[test]
    fn masks() {
        let options = Privacy {
            mask_v4: Some(Ipv4Addr::new(255, 255, 0, 0)),
            mask_v6: "ffff:ffff::".parse().ok(),
            ..Privacy::default()
        };
        for (client, bare, masked) in [
            ("192.0.2.7", "192.0.2.7", "192.0.0.0"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.0.0"),
            ("2001:db8:1::1", "2001:db8:1::1", "2001:db8::"),
        ] {
            let client = client.parse().unwrap();
            assert_eq!(Privacy::default().mask(client).to_string(), bare);
            assert_eq!(options.mask(client).to_string(), masked);
        }
    }

    #[derive(Default)]
    struct Opened(Mutex<Vec<SinkTarget>>);

    struct Nowhere;

    impl Sink for Nowhere {
        fn write_line(&self, _line: &str) {}
    }

    impl OpenSink for Opened {
        fn open(&self, target: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
            if *target == SinkTarget::parse("refused", Roll::default()) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.0.lock().unwrap().push(target.clone());
            Ok(Arc::new(Nowhere))
        }
    }

    fn parsed(text: &str, sinks: &Arc<Opened>) -> Result<(Vec<Rule>, usize), String> {
        let text = format!("localhost {{\n{text}\n}}\n");
        let parsed = crate::caddyfile::parse("Caddyfile", &text, Path::new("."), &["log"]).unwrap();
        let mut site = SiteBuilder::new(Address::default(), ".".into(), sinks.clone());
        let mut args = Args::new(&parsed.blocks[0].directives[0]);
        let rules = super::parse(&mut args, &mut site).map_err(|e| e.message)?;
        Ok((rules, args.finish().unwrap().len()))
    }

    fn read(text: &str) -> Result<(Vec<Rule>, Vec<SinkTarget>), String> {
        let opened = Arc::new(Opened::default());
        let (rules, _) = parsed(text, &opened)?;
        let targets = opened.0.lock().unwrap().clone();
        Ok((rules, targets))
    }

    fn warned(text: &str) -> usize {
        parsed(text, &Arc::default()).unwrap().1
    }

    #[test]
    fn lines_of_one_path_are_one_rule() {
        let (rules, targets) = read(
            "log\n log stdout\n log /a a.log\n log / b.log {combined}\n\
             log /a a.log \"{method} {uri}\" {\n except /a/b /a/c\n ipmask 255.0.0.0 ffff::\n}",
        )
        .unwrap();
        let seen: Vec<_> = rules.iter().map(|r| (r.path.as_str(), r.entries.len())).collect();
        assert_eq!(seen, [("/", 3), ("/a", 2)]);
        let names = ["access.log", "stdout", "a.log", "b.log", "a.log"];
        assert_eq!(targets, names.map(|name| SinkTarget::parse(name, Roll::default())));
        let options = &rules[1].entries[1].privacy;
        assert_eq!(options.except, ["/a/b", "/a/c"].map(Prefix::new));
        assert_eq!(options.mask_v4, Some(Ipv4Addr::new(255, 0, 0, 0)));
        assert_eq!(options.mask_v6, "ffff::".parse().ok());
    }

    #[test]
    fn a_path_that_is_none_is_told() {
        for (text, warnings) in [
            ("log a.log {combined}", 1),
            ("log a b c d", 3),
            ("log / a.log combined", 1),
            ("log off", 1),
            ("log / a.log\nlog /a b.log", 1),
            ("log /a a.log\nlog / b.log\nlog /A c.log", 0),
            ("log / a.log {combined}", 0),
            ("log a.log", 0),
            ("log / a.log \"{trace_id}\"", 1),
            ("log / a.log {json}", 0),
        ] {
            assert_eq!(warned(text), warnings, "{text}");
        }
    }

    #[test]
    fn both_generations_of_rolling() {
        let day = Duration::from_secs(24 * 3600);
        let (size, age, keep) = (Some(1 << 20), day, 3);
        let since_0_10 = Roll { size, age, keep, compress: false };
        for (block, roll) in [
            ("rotate_size 1\n rotate_age 1\n rotate_keep 3", since_0_10.clone()),
            ("rotate {\n size 1\n age 1\n keep 3\n}", since_0_10),
            ("rotate {\n size 1\n}", Roll { size, age: Duration::ZERO, keep: 0, compress: false }),
            ("rotate_compress", Roll { compress: true, ..Roll::default() }),
            ("rotate_disable", Roll { size: None, ..Roll::default() }),
            ("rotate_size 0", Roll { size: None, ..Roll::default() }),
        ] {
            let (_, targets) = read(&format!("log x.log {{\n {block}\n}}")).unwrap();
            assert_eq!(targets, [SinkTarget::parse("x.log", roll)], "{block}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("log refused", "cannot open 'refused'"),
            ("log x {\n colour\n}", "unknown property 'colour'"),
            ("log x {\n rotate_size\n}", "Wrong argument count"),
            ("log x {\n rotate_keep 1 2\n}", "Wrong argument count"),
            (
                "log x {\n rotate_age old\n}",
                "rotate_age must be a whole number of at least 0, not 'old'",
            ),
            ("log x {\n rotate_compress yes\n}", "Wrong argument count"),
            ("log x {\n rotate {\n weight 1\n}\n}", "unknown property 'weight'"),
            ("log x {\n except\n}", "Wrong argument count"),
            ("log x {\n ipmask 255\n}", "255"),
            ("log x {\n sample 100\n}", "sample must be 1/N, such as 1/100, not '100'"),
            ("log x {\n sample 1/2\n sample 1/3\n}", "sample is written twice"),
            ("log / x \"{\\\"a\\\":{uri}\"", "log: the format begins as a JSON object, but at"),
        ] {
            let message = read(text).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
