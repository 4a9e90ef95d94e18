//! `request_id [FIELD]`: gives each request an ID, for `{request_id}`.

use http::HeaderName;

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::placeholders::RequestId;
use crate::site::SiteBuilder;

/// With an argument, the ID is taken from this request field.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut field = None;
    while args.next() {
        field = match args.remaining().as_slice() {
            [] => None,
            [name] => Some(arguments::field_name(args, name)?),
            _ => return Err(args.arg_error()),
        };
    }
    site.push(Names { field });
    Ok(())
}

struct Names {
    field: Option<HeaderName>,
}

impl Names {
    fn name(&self, req: &Request) -> RequestId {
        let sent = self.field.as_ref().and_then(|field| req.head.headers.get(field));
        let sent = sent.and_then(|value| value.to_str().ok()).filter(|text| is_uuid(text));
        sent.map_or_else(RequestId::random, |text| RequestId(text.to_ascii_lowercase()))
    }
}

impl Handler for Names {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let name = self.name(req);
        req.head.extensions.insert(name);
        next.run(req)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing;
    use crate::http::request::tests::request;

    #[test]
    fn names_are_uuids() {
        let (RequestId(name), RequestId(other)) = (RequestId::random(), RequestId::random());
        assert!(is_uuid(&name) && name != other, "{name}");
        assert_eq!(&name[14..15], "4");
        assert!("89ab".contains(&name[19..20]), "{name}");
    }

    #[test]
    fn a_name_that_comes_along_is_kept_if_it_is_one() {
        let names = Names { field: Some(HeaderName::from_static("x-id")) };
        for (sent, kept) in [
            ("0D9E4A5C-0000-4000-8000-0123456789ab", true),
            ("0d9e4a5c000040008000000123456789abcd", false),
            ("0d9e4a5c-0000-4000-8000-0123456789a\"", false),
            ("", false),
        ] {
            let mut req = request("GET", "/");
            req.head.headers.insert("x-id", sent.parse().unwrap());
            assert_eq!(names.name(&req).0 == sent.to_ascii_lowercase(), kept, "{sent}");
        }
    }

    #[test]
    fn what_is_refused() {
        let refused = |lines| testing::site("request_id", setup, lines).err();
        assert_eq!(refused("request_id a:").as_deref(), Some("'a:' is not a header field name"));
        assert!(refused("request_id a b").is_some() && refused("request_id").is_none());
    }
}
