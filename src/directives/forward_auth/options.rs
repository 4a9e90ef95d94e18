//! Reads a line of `forward_auth`.

use std::time::Duration;

use http::uri::PathAndQuery;

use super::{Copied, Rule};
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::http::hop;
use crate::http::paths::Prefix;
use crate::limits::FORWARD_AUTH;
use crate::upstream::exchange::one_server::{OneServer, Terms};
use crate::upstream::exchange::trust::Trust;
use crate::upstream::rewrite::header_rules::HeaderRule;

pub(in crate::directives) static OPTIONS: Options<Line> = Options::new(&[
    option("uri URI, such as: uri /api/authz/forward-auth", Forbidden, |line, args| {
        let word = args.required()?;
        let is_path = word.starts_with('/') && !word.contains('#');
        let uri = PathAndQuery::try_from(word).ok().filter(|_| is_path);
        let wrong = || args.error_at(word, format!("'{word}' is not a path and query"));
        line.uri = Some(uri.ok_or_else(wrong)?);
        Ok(())
    }),
    option(
        "copy_headers FIELD..., such as: copy_headers Remote-User",
        Accumulates,
        |line, args| {
            line.copied.extend(args.each(|args, word| copied(args, word))?);
            Ok(())
        },
    ),
    option("except PATH..., such as: except /static", Accumulates, |line, args| {
        let from = line.from.clone();
        line.except.extend(arguments::excepted(args, &from)?);
        Ok(())
    }),
    option("timeout DURATION, such as: timeout 5s", Forbidden, |line, args| {
        args.positive_duration().map(|limit| line.limit = limit)
    }),
    templated(
        "header_upstream [+|-]NAME [VALUE], such as: header_upstream Host {host}",
        Accumulates,
        |line, args| {
            let words = args.one_or_more()?;
            let rule = HeaderRule::parse(&words).map_err(|message| args.error(message))?;
            line.fields.push(rule.ok_or_else(|| args.arg_error())?);
            Ok(())
        },
    ),
    option("ca_certificates FILE...", Accumulates, |line, args| {
        line.authorities.extend(args.one_or_more()?.into_iter().map(str::to_owned));
        Ok(())
    }),
    option("insecure_skip_verify", Accumulates, |line, args| {
        line.any_certificate = true;
        args.no_more()
    }),
]);

/// A line as far as it has been read.
pub(in crate::directives) struct Line {
    from: Prefix,
    uri: Option<PathAndQuery>,
    copied: Vec<Copied>,
    except: Vec<Prefix>,
    limit: Duration,
    fields: Vec<HeaderRule>,
    authorities: Vec<String>,
    any_certificate: bool,
}

/// Reads the block of a line.
pub(super) fn read(args: &mut Args<'_>, from: Prefix, to: &str) -> Result<Rule, ConfigError> {
    let mut line = Line {
        from,
        uri: None,
        copied: Vec::new(),
        except: Vec::new(),
        limit: FORWARD_AUTH,
        fields: Vec::new(),
        authorities: Vec::new(),
        any_certificate: false,
    };
    OPTIONS.read(&mut line, args)?;
    let trust = match (line.any_certificate, line.authorities.is_empty()) {
        (true, _) => Trust::Anything,
        (false, false) => Trust::Files(line.authorities),
        (false, true) => Trust::System,
    };
    let terms = Terms { trust, limit: line.limit, fields: line.fields };
    let mut server = OneServer::new(to, terms).map_err(|message| {
        args.error_at(to, format!("forward_auth: {message}"))
            .hint("write one server, such as: forward_auth / authelia:9091")
    })?;
    if let Some(uri) = line.uri {
        server = server.at(uri).map_err(|own| {
            args.error_at(to, format!("forward_auth: both '{own}' and uri name the path to ask"))
                .hint("leave one of them out")
        })?;
    }
    Ok(Rule { from: line.from, except: line.except, server, copied: line.copied })
}

/// `FIELD`, or `FIELD>NAME` for another name in the request.
fn copied(args: &Args<'_>, word: &str) -> Result<Copied, ConfigError> {
    let (from, to) = word.split_once('>').unwrap_or((word, word));
    let wrong = |error: ConfigError| {
        error.hint("write the names of response fields, or FIELD>NAME to give one another name")
    };
    let [from, to] = [arguments::field_name(args, from), arguments::field_name(args, to)];
    let (from, to) = (from.map_err(wrong)?, to.map_err(wrong)?);
    let describes_message = hop::is_hop_by_hop(&to)
        || to.as_str().starts_with("content-")
        || matches!(to.as_str(), "host" | "expect" | "set-cookie");
    if describes_message {
        let message = format!("{to} cannot be copied: it belongs to the message, not to the user");
        return Err(args.error_at(word, message).hint("copy fields such as Remote-User"));
    }
    Ok(Copied { from, to })
}
