//! Parses the names of response fields, with a fast path for the common ones.

use http::header::{self, HeaderName, InvalidHeaderName};

/// Parses a field name.
pub(crate) fn read(name: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    Ok(match name {
        b"Accept-Ranges" | b"accept-ranges" => header::ACCEPT_RANGES,
        b"Cache-Control" | b"cache-control" => header::CACHE_CONTROL,
        b"Connection" | b"connection" => header::CONNECTION,
        b"Content-Encoding" | b"content-encoding" => header::CONTENT_ENCODING,
        b"Content-Length" | b"content-length" => header::CONTENT_LENGTH,
        b"Content-Type" | b"content-type" => header::CONTENT_TYPE,
        b"Date" | b"date" => header::DATE,
        b"ETag" | b"etag" => header::ETAG,
        b"Expires" | b"expires" => header::EXPIRES,
        b"Last-Modified" | b"last-modified" => header::LAST_MODIFIED,
        b"Location" | b"location" => header::LOCATION,
        b"Server" | b"server" => header::SERVER,
        b"Set-Cookie" | b"set-cookie" => header::SET_COOKIE,
        b"Transfer-Encoding" | b"transfer-encoding" => header::TRANSFER_ENCODING,
        b"Vary" | b"vary" => header::VARY,
        _ => return HeaderName::from_bytes(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_by_any_spelling() {
        for name in [
            "Accept-Ranges",
            "Cache-Control",
            "Connection",
            "Content-Encoding",
            "Content-Length",
            "Content-Type",
            "Date",
            "ETag",
            "Expires",
            "Last-Modified",
            "Location",
            "Server",
            "Set-Cookie",
            "Transfer-Encoding",
            "Vary",
            "X-Other",
        ] {
            let upper = name.to_ascii_uppercase();
            let lower = name.to_ascii_lowercase();
            for spelling in [name, upper.as_str(), lower.as_str()] {
                assert_eq!(read(spelling.as_bytes()).unwrap().as_str(), lower, "{spelling}");
            }
        }
        assert!(read(b"na me").is_err() && read(b"").is_err());
    }
}
