//! (stub)
pub fn render(_f: super::Fault, _h: bool) -> http::Response<super::Body> {
    http::Response::new(super::Body::empty())
}
pub fn no_such_site(_h: &str, _v: http::Version) -> http::Response<super::Body> {
    http::Response::new(super::Body::empty())
}
