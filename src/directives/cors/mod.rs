//! `cors`: lets pages of other origins read responses (the Fetch standard, section 3.2).

mod origins;
#[cfg(test)]
mod tests;

use std::future::ready;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, ORIGIN,
};
use http::{HeaderValue, Method, Response};

use self::origins::Origins;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::response::add_vary;
use crate::http::{Body, Request};
use crate::site::SiteBuilder;

/// The plugin's.
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

pub(super) static OPTIONS: Options<Rule> = Options::new(&[
    option("origin ORIGIN..., such as: origin https://example.com", Accumulates, |rule, args| {
        args.each(|args, word| rule.origins.add(word, args)).map(drop)
    }),
    option(
        "origin_regexp PATTERN, such as: origin_regexp ^https://[a-z]+\\.example\\.com$",
        Accumulates,
        |rule, args| {
            let word = args.required()?;
            rule.origins.add_pattern(word, args)
        },
    ),
    option("methods METHODS, such as: methods GET,POST", LastWins, |rule, args| {
        rule.methods = list(args, |word| Method::from_bytes(word.as_bytes()).is_ok(), "a method")?;
        Ok(())
    }),
    option("allow_credentials true|false", LastWins, |rule, args| {
        rule.credentials = args.one_of("value", &[("true", true), ("false", false)])?;
        Ok(())
    }),
    option("max_age SECONDS, such as: max_age 3600", LastWins, |rule, args| {
        let seconds: i32 = args.number(..)?;
        rule.max_age = (seconds > 0).then(|| HeaderValue::from(seconds));
        Ok(())
    }),
    option("allowed_headers NAMES|*, such as: allowed_headers X-Token", LastWins, |rule, args| {
        rule.headers = Some(field_names(args)?);
        Ok(())
    }),
    option("exposed_headers NAMES, such as: exposed_headers X-Total", LastWins, |rule, args| {
        rule.exposed = Some(field_names(args)?);
        Ok(())
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let word = if args.next_arg() { args.val() } else { "/" };
        let mut rule = Rule::new(arguments::prefix(args, word)?);
        while args.next_arg() {
            rule.origins.add(args.val(), args)?;
        }
        let written = OPTIONS.read(&mut rule, args)?;
        if rule.credentials && rule.origins.has_any() {
            written.warn_no_effect(
                args,
                "allow_credentials",
                "for all origins: browsers refuse it",
                "name the origins whose pages may send cookies: origin https://example.com",
            )?;
        }
        rules.push(rule);
    }
    site.push(Cors { rules });
    Ok(())
}

/// The words of the line and the members of their lists, as one list.
fn list(
    args: &mut Args<'_>,
    is_one: fn(&str) -> bool,
    what: &str,
) -> Result<HeaderValue, ConfigError> {
    let words = args.each(|args, word| {
        let members: Vec<_> = word.split(',').map(str::trim).filter(|m| !m.is_empty()).collect();
        match members.iter().find(|member| !is_one(member)) {
            Some(wrong) => Err(args.error_at(word, format!("'{wrong}' is not {what}"))),
            None => Ok(members),
        }
    })?;
    HeaderValue::try_from(words.concat().join(", "))
        .map_err(|_| args.error("the list cannot be sent"))
}

fn field_names(args: &mut Args<'_>) -> Result<HeaderValue, ConfigError> {
    list(args, |word| http::HeaderName::try_from(word).is_ok(), "a header field name")
}

struct Cors {
    /// The first one for a path is used.
    rules: Vec<Rule>,
}

pub(super) struct Rule {
    path: Prefix,
    origins: Origins,
    methods: HeaderValue,
    /// Fields that a page may send; `*`: those that it asks for.
    headers: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

impl Rule {
    fn new(path: Prefix) -> Self {
        Self {
            path,
            origins: Origins::default(),
            methods: METHODS,
            headers: None,
            exposed: None,
            credentials: false,
            max_age: None,
        }
    }

    /// The fields for a request, which replace those of inner handlers.
    fn fields(&self, request: &HeaderMap, is_preflight: bool) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let origin = request.get(ORIGIN);
        let named = origin.filter(|origin| {
            (self.credentials || !self.origins.has_any())
                && origin.to_str().is_ok_and(|origin| self.origins.names(origin))
        });
        match named {
            Some(origin) => {
                fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                if self.credentials {
                    fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
                }
            }
            None if self.origins.has_any() => {
                fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            None => return fields,
        }
        if is_preflight {
            self.permissions(request, &mut fields);
        } else if let Some(exposed) = &self.exposed {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        fields
    }

    /// What the page may send.
    fn permissions(&self, request: &HeaderMap, fields: &mut HeaderMap) {
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        let asked = || request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let headers = self.headers.as_ref();
        // With credentials a literal `*` names no field.
        if let Some(headers) =
            headers.and_then(|names| if *names == ANY { asked() } else { Some(names) })
        {
            fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        if let Some(seconds) = &self.max_age {
            fields.insert(ACCESS_CONTROL_MAX_AGE, seconds.clone());
        }
    }

    fn put(&self, fields: HeaderMap, headers: &mut HeaderMap) {
        // Each name has one value here.
        for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name?, value))) {
            headers.insert(name, value);
        }
        if !self.origins.are_all(self.credentials) {
            add_vary(headers, "Origin");
        }
    }
}

impl Handler for Cors {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        drop(route);
        let Some(rule) = rule else { return next.run(req) };
        let headers = &req.head.headers;
        let is_preflight = req.head.method == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let fields = rule.fields(headers, is_preflight);
        if is_preflight {
            let mut response = Response::new(Body::empty());
            rule.put(fields, response.headers_mut());
            return Box::pin(ready(Ok(response)));
        }
        Box::pin(async move {
            let mut reply = next.run(req).await;
            // A page may see why its request failed.
            let headers = match &mut reply {
                Ok(response) => response.headers_mut(),
                Err(fault) => &mut fault.headers,
            };
            rule.put(fields, headers);
            reply
        })
    }
}
