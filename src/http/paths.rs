//! Path prefixes and cleaning (stub).

/// Whether `path` lies under `prefix`, on segment boundaries: `/api` holds `/api` and `/api/x`,
/// not `/apifoo`; `/` holds everything; a prefix ending in `/` or `.` is a plain string prefix.
pub fn under(path: &str, prefix: &str) -> bool {
    let _ = (path, prefix);
    true
}

/// `.`/`..`/`//` collapsed.
pub fn clean(path: &str) -> std::borrow::Cow<'_, str> {
    path.into()
}
