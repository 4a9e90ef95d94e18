//! What `log` lines and blocks say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::arguments;
use crate::caddyfile::{self, Args, ConfigError, Repeat, Usage, rotation};
use crate::http::paths::Prefix;
use crate::http::sink::{Roll, Sink, SinkTarget};
use crate::site::SiteBuilder;
use crate::warning::Warning;

use super::format::Format;

/// The options, as they are written.
const OPTIONS: &[Usage] = &[
    ("rotate { size MB, age DAYS, keep N }", Repeat::LastWins),
    ("rotate_size MB", Repeat::LastWins),
    ("rotate_age DAYS", Repeat::LastWins),
    ("rotate_keep N", Repeat::LastWins),
    ("rotate_compress", Repeat::Accumulates),
    ("rotate_disable", Repeat::Accumulates),
    ("except PATH...", Repeat::Accumulates),
    ("ipmask MASK [MASK]", Repeat::Accumulates),
];

/// All logs of one path prefix.
pub(super) struct Rule {
    pub(super) path: Prefix,
    pub(super) entries: Vec<Arc<Entry>>,
}

/// One log.
pub(super) struct Entry {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) format: Format,
    pub(super) options: Options,
}

/// Which requests a log leaves out, and what it leaves out of an address.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) except: Vec<Prefix>,
    pub(super) mask_v4: Option<Ipv4Addr>,
    pub(super) mask_v6: Option<Ipv6Addr>,
}

impl Options {
    /// Whether a request for this path is left out.
    pub(super) fn leave_out(&self, path: &str) -> bool {
        self.except.iter().any(|prefix| prefix.holds(path))
    }

    /// The address as this log may know it.
    pub(super) fn mask(&self, client: IpAddr) -> IpAddr {
        match (client.to_canonical(), self.mask_v4, self.mask_v6) {
            (IpAddr::V4(ip), Some(mask), _) => (ip & mask).into(),
            (IpAddr::V6(ip), _, Some(mask)) => (ip & mask).into(),
            (ip, ..) => ip,
        }
    }
}

/// Reads all `log` lines of a site and opens what they write to.
pub(super) fn parse(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<Vec<Rule>, ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let (path, output, format) = match args.remaining()[..] {
            [] => ("/", "access.log", ""),
            [output] => ("/", output, ""),
            [path, output] => (path, output, ""),
            [path, output, format] => (path, output, format),
            [path, output, format, ..] => {
                site.warnings.push(args.warning(format!(
                    "log: only '{format}' is the format, what follows it is ignored; \
                     a format with spaces needs quotes"
                )));
                (path, output, format)
            }
        };
        let path = if !path.starts_with('/') && output.contains('{') {
            let message = format!("log: '{output}' is read as the file, and '{path}' as a path");
            let hint = format!("for one format of all requests write: log / {path} {output}");
            site.warnings.push(args.error_at(output, message).hint(hint).warning());
            Prefix::new(path)
        } else {
            arguments::prefix(args, path, &mut site.warnings)?
        };
        if let Some(first) = rules.iter().find(|rule| rule.path.holds(path.as_str()))
            && first.path != path
        {
            let message = format!("log {path} gets nothing: log {} is before it", first.path);
            let hint = "write the longer path first";
            site.warnings.push(args.error(message).hint(hint).warning());
        }
        let (options, roll) = block(args, &mut site.warnings)?;
        let target = SinkTarget::parse(output, roll);
        let sink = site
            .sinks
            .open(&target)
            .map_err(|e| args.error(format!("log: cannot open '{output}': {e}")))?;
        let entry = Arc::new(Entry { sink, format: Format::parse(format), options });
        match rules.iter_mut().find(|rule| rule.path == path) {
            Some(rule) => rule.entries.push(entry),
            None => rules.push(Rule { path, entries: vec![entry] }),
        }
    }
    Ok(rules)
}

fn block(args: &mut Args<'_>, warnings: &mut Vec<Warning>) -> Result<(Options, Roll), ConfigError> {
    let mut options = Options::default();
    let mut roll = Roll::default();
    let mut known = caddyfile::Options::new(OPTIONS);
    while args.next_block()? {
        let word = args.val();
        known.entry(args, |args| match word {
            "rotate" => {
                roll = Roll::of_0_9();
                rotation(args, |word, values| roll.set(word, values))
            }
            "except" => {
                let paths = args.one_or_more()?;
                options.except.extend(arguments::prefixes(args, &paths, warnings)?);
                Ok(())
            }
            "ipmask" => ipmask(args, &mut options),
            word => roll.set(word, &args.remaining()).map_err(|error| args.error(error)),
        })?;
    }
    warnings.append(&mut known.warnings);
    Ok((options, roll))
}

fn ipmask(args: &mut Args<'_>, options: &mut Options) -> Result<(), ConfigError> {
    let masks = args.remaining();
    if masks.is_empty() || masks.len() > 2 {
        return Err(args.arg_error());
    }
    for mask in masks {
        match mask.parse() {
            Ok(IpAddr::V4(mask)) => options.mask_v4 = Some(mask),
            Ok(IpAddr::V6(mask)) => options.mask_v6 = Some(mask),
            Err(_) => return Err(args.error(format!("IP Mask not valid IP Mask Format: {mask}"))),
        }
    }
    Ok(())
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
        let options = Options {
            mask_v4: Some(Ipv4Addr::new(255, 255, 0, 0)),
            mask_v6: "ffff:ffff::".parse().ok(),
            ..Options::default()
        };
        for (client, bare, masked) in [
            ("192.0.2.7", "192.0.2.7", "192.0.0.0"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.0.0"),
            ("2001:db8:1::1", "2001:db8:1::1", "2001:db8::"),
        ] {
            let client = client.parse().unwrap();
            assert_eq!(Options::default().mask(client).to_string(), bare);
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
        let rules = super::parse(&mut Args::new(&parsed.blocks[0].directives[0]), &mut site)
            .map_err(|e| e.message)?;
        Ok((rules, site.warnings.len()))
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
        let options = &rules[1].entries[1].options;
        assert_eq!(options.except, ["/a/b", "/a/c"].map(Prefix::new));
        assert_eq!(options.mask_v4, Some(Ipv4Addr::new(255, 0, 0, 0)));
        assert_eq!(options.mask_v6, "ffff::".parse().ok());
    }

    #[test]
    fn a_path_that_is_none_is_told() {
        for (text, warnings) in [
            ("log a.log {combined}", 1),
            ("log a b c d", 2),
            ("log / a.log\nlog /a b.log", 1),
            ("log /a a.log\nlog / b.log\nlog /A c.log", 0),
            ("log / a.log {combined}", 0),
            ("log a.log", 0),
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
            ("log x {\n rotate_size\n}", "rotate_size requires one number"),
            ("log x {\n rotate_keep 1 2\n}", "rotate_keep requires one number"),
            ("log x {\n rotate_age old\n}", "rotate_age: 'old' is not a number"),
            ("log x {\n rotate_compress yes\n}", "takes no argument, got 'yes'"),
            ("log x {\n rotate {\n weight 1\n}\n}", "unknown property 'weight'"),
            ("log x {\n except\n}", "Wrong argument count"),
            ("log x {\n ipmask 255\n}", "255"),
        ] {
            let message = read(text).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
