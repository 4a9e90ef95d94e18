//! How a handler that makes other content of a site's files gets them: it asks for a file as it is
//! and learns which file it was. What an upstream answers has no such mark.

use std::path::Path;
use std::sync::Arc;

use super::State;

/// In a request's extensions: a file is answered whole, not compressed and without conditions, and
/// the response has an [`OwnFile`].
#[derive(Debug, Clone, Copy)]
pub struct Raw;

/// In a response's extensions: the content is that of a file of the site.
#[derive(Debug, Clone)]
pub struct OwnFile {
    pub path: Arc<Path>,
    pub state: State,
}
