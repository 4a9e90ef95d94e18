//! Where a request has its token.

use http::header::AUTHORIZATION;

use crate::caddyfile::{Args, ConfigError};
use crate::http::placeholders::Template;
use crate::http::{Request, cookies};

pub(super) enum Source {
    /// `Authorization`, with a scheme.
    Header(String),
    Cookie(String),
    Query(Template),
}

impl Source {
    /// Those that are looked at if none are named.
    pub(super) fn defaults() -> Vec<Self> {
        let cookie = Self::Cookie("jwt_token".to_owned());
        vec![Self::Header("Bearer".to_owned()), cookie, Self::query("token")]
    }

    fn query(name: &str) -> Self {
        Self::Query(Template::parse(&format!("{{?{name}}}")))
    }

    /// Reads `header [SCHEME]`, `cookie NAME` or `query_param NAME`.
    pub(super) fn read(args: &mut Args<'_>) -> Result<Self, ConfigError> {
        #[derive(Clone, Copy)]
        enum Kind {
            Header,
            Cookie,
            Query,
        }
        let kinds =
            [("header", Kind::Header), ("cookie", Kind::Cookie), ("query_param", Kind::Query)];
        let source = match args.one_of("source", &kinds)? {
            Kind::Header if args.next_arg() => Self::Header(args.val().to_owned()),
            Kind::Header => Self::Header("Bearer".to_owned()),
            Kind::Cookie => Self::Cookie(args.required()?.to_owned()),
            Kind::Query => Self::query(args.required()?),
        };
        args.no_more()?;
        Ok(source)
    }

    pub(super) fn token(&self, req: &Request) -> Option<String> {
        let token = match self {
            Self::Header(scheme) => {
                let value = req.head.headers.get(AUTHORIZATION)?.to_str().ok()?;
                let (named, token) = value.split_once(' ')?;
                named.eq_ignore_ascii_case(scheme).then(|| token.trim().to_owned())?
            }
            Self::Cookie(name) => cookies::first(&req.head.headers, name)?.into_owned(),
            Self::Query(template) => template.expand(req, None, ""),
        };
        (!token.is_empty()).then_some(token)
    }
}
