//! The sources of placeholder values.

use std::borrow::Cow;

use http::uri::Uri;

use super::facts::{Captures, ResponseFacts};
use crate::http::Request;
use crate::http::paths::normal;

/// A request, and further values for an expansion.
pub(super) struct Scope<'a> {
    pub(super) req: &'a Request,
    pub(super) resp: Option<&'a ResponseFacts<'a>>,
    pub(super) captures: Option<&'a Captures>,
    /// The URI of `{path}`, `{query}` and `{uri}`.
    pub(super) uri: &'a Uri,
    /// Whether paths are decoded.
    pub(super) decoded: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn of(req: &'a Request) -> Self {
        Self { req, resp: None, captures: None, uri: &req.original_uri, decoded: false }
    }

    /// A path as sent or in normal form, by [`Self::decoded`].
    pub(super) fn path(&self, path: &'a str) -> Cow<'a, str> {
        if self.decoded { normal(path) } else { path.into() }
    }

    /// `{path}` and `{rewrite_path}`.
    pub(super) fn original_path(&self) -> Cow<'a, str> {
        self.path(self.uri.path())
    }

    pub(super) fn current_path(&self) -> Cow<'a, str> {
        self.path(self.req.path())
    }

    /// `{query}`; empty if there is none.
    pub(super) fn query(&self) -> &'a str {
        self.uri.query().unwrap_or("")
    }
}
