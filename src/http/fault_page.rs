//! The page of a fault, if no `errors` page replaces it: plain text, or HTML for browsers.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};

use super::placeholders::RequestId;
use super::sink::ErrorLog;
use super::{Body, Fault, Request, html};
use crate::error_chain::display_chain;

/// Writes the cause of a fault to the log. A page that a browser will show names the request as
/// the line does.
pub fn report(fault: &Fault, req: &mut Request, log: &ErrorLog) {
    let Some(cause) = &fault.cause else { return };
    if wants_html(req) && req.head.extensions.get::<RequestId>().is_none() {
        req.head.extensions.insert(RequestId::random());
    }
    log.write(req.about(fault.status), &display_chain(&**cause));
}

/// A page such as `404 Not Found`; without content for HEAD.
pub fn render(fault: Fault, req: &Request) -> Response<Body> {
    let reason = fault.status.canonical_reason().unwrap_or("");
    page(fault.status, fault.headers, reason, Reader::of(req))
}

/// As [`render`], for whoever reads no HTML.
pub fn plain(fault: Fault) -> Response<Body> {
    let reason = fault.status.canonical_reason().unwrap_or("");
    page(fault.status, fault.headers, reason, Reader::default())
}

/// The page for an unknown host: 404, or 421 if the client may have coalesced connections (RFC 9110
/// section 15.5.20).
pub fn no_such_site(req: &Request) -> Response<Body> {
    let status = if req.head.version >= Version::HTTP_2 {
        StatusCode::MISDIRECTED_REQUEST
    } else {
        StatusCode::NOT_FOUND
    };
    let host = &req.host;
    // A client of HTTP/1.0 may send no Host.
    let site = if host.is_empty() { "A site without a name" } else { &format!("Site {host}") };
    let text = format!("{site} is not served on this interface");
    page(status, HeaderMap::new(), &text, Reader::of(req))
}

/// The page for plain HTTP on a TLS port; `authority` is that of the request.
pub fn wants_https(authority: &str, req: &Request) -> Response<Body> {
    let text = format!("This port requires HTTPS. Use https://{authority}/ instead.");
    page(StatusCode::BAD_REQUEST, HeaderMap::new(), &text, Reader::of(req))
}

/// Whoever a page is for.
#[derive(Default)]
struct Reader<'a> {
    is_head: bool,
    html: bool,
    request_id: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn of(req: &'a Request) -> Self {
        let request_id = req.head.extensions.get().map(|RequestId(id)| id.as_str());
        Self { is_head: req.head.method == Method::HEAD, html: wants_html(req), request_id }
    }
}

/// Browsers name the type where they load a page; other clients accept anything.
fn wants_html(req: &Request) -> bool {
    let accepted = req.head.headers.get_all(header::ACCEPT).iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}

fn page(status: StatusCode, headers: HeaderMap, text: &str, reader: Reader<'_>) -> Response<Body> {
    let (content_type, content) = if reader.html {
        ("text/html; charset=utf-8", in_html(status, text, reader.request_id))
    } else {
        ("text/plain; charset=utf-8", format!("{} {text}\n", status.as_u16()))
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CONTENT_LENGTH, content.len().into());
    if !reader.is_head {
        *response.body_mut() = content.into();
    }
    response
}

fn in_html(status: StatusCode, text: &str, request_id: Option<&str>) -> String {
    let (code, text) = (status.as_u16(), html::escape(text));
    let request = request_id
        .map(|id| format!("<p><small>Request <code>{}</code></small></p>\n", html::escape(id)))
        .unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{code} {text}</title>\n\
         <style>\n\
         :root {{ color-scheme: light dark; background: Canvas; color: CanvasText }}\n\
         body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 20vh auto 0; \
         padding: 0 1.5rem; overflow-wrap: anywhere }}\n\
         h1 {{ font-size: 3rem; line-height: 1; margin: 0 }}\n\
         small {{ opacity: .75 }}\n\
         </style>\n\
         <h1>{code}</h1>\n\
         <p>{text}</p>\n\
         {request}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_it_shows() {
        let page = in_html(StatusCode::NOT_FOUND, "Site <b>", Some("\"<i>"));
        assert!(page.contains("<title>404 Site &lt;b&gt;</title>"), "{page}");
        assert!(page.contains("<code>&#34;&lt;i&gt;</code>"), "{page}");
    }
}
