//! `tracing`: takes part in W3C Trace Context. The request's `traceparent` is replaced, so that
//! whatever is asked for its sake continues the trace.

use crate::arguments;
use crate::caddyfile::Repeat::Forbidden;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::trace::{TRACEPARENT, TRACESTATE, Trace};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Tracing> = Options::<Tracing>::new(&[
    option("restart", Forbidden, |tracing, _| {
        tracing.restarts = true;
        Ok(())
    }),
    option("sample 1/N, such as: sample 1/100", Forbidden, |tracing, args| {
        arguments::one_in(args).map(|one_in| tracing.one_in = one_in)
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut tracing = Tracing { restarts: false, one_in: 1 };
    while args.next() {
        args.no_more()?;
        OPTIONS.read(&mut tracing, args)?;
    }
    site.is_traced = true;
    site.push_witness(tracing);
    Ok(())
}

pub(super) struct Tracing {
    /// No trace of a client is continued.
    restarts: bool,
    /// Of so many new traces, one is marked as sampled.
    one_in: u32,
}

impl Handler for Tracing {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let headers = &mut req.head.headers;
        let continued = if self.restarts { None } else { Trace::continued(headers) };
        let trace = continued.unwrap_or_else(|| {
            // It is of the trace that ends here.
            headers.remove(TRACESTATE);
            Trace::begun(fastrand::u32(..self.one_in) == 0)
        });
        headers.insert(TRACEPARENT, trace.value());
        req.head.extensions.insert(trace);
        next.run(req)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Response, StatusCode};

    use super::*;
    use crate::directives::testing::{self, Answer};
    use crate::http::Body;
    use crate::http::placeholders::Template;
    use crate::http::request::tests::request;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    /// What the next handler sees: trace ID, span ID, `traceparent` and `tracestate`.
    async fn seen(tracing: Tracing, fields: &[(&'static str, &str)]) -> [String; 4] {
        let answer = Answer(|req: &mut Request| {
            let shown = "{trace_id} {span_id} {>traceparent} {>tracestate}";
            let shown = Template::parse(shown).expand(req, None, "-");
            Ok(Response::new(Body::from(shown)))
        });
        let chain: [Box<dyn Handler>; 2] = [Box::new(Arc::new(tracing)), Box::new(answer)];
        let mut req = request("GET", "/");
        for (name, value) in fields {
            req.head.headers.append(*name, value.parse().unwrap());
        }
        let response = Next::new(&chain).run(&mut req).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
        words.try_into().unwrap()
    }

    #[tokio::test]
    async fn a_valid_trace_goes_on_with_its_state() {
        let tracing = Tracing { restarts: false, one_in: 1 };
        let fields = [("traceparent", SENT), ("tracestate", "a=1,b=2"), ("tracestate", "not,,one")];
        let [id, span, parent, state] = seen(tracing, &fields).await;
        assert_eq!(parent, format!("00-{id}-{span}-00"));
        assert_eq!(id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(span, "00f067aa0ba902b7");
        assert_eq!(state, "a=1,b=2,not,,one");
    }

    #[tokio::test]
    async fn any_other_begins_anew_without_state() {
        let state = ("tracestate", "a=1");
        for (restarts, fields) in [
            (false, &[state][..]),
            (false, &[("traceparent", "00-1-2-3"), state]),
            (false, &[("traceparent", SENT), ("traceparent", SENT), state]),
            (true, &[("traceparent", SENT), state]),
        ] {
            let [id, span, parent, state] = seen(Tracing { restarts, one_in: 1 }, fields).await;
            assert_eq!(parent, format!("00-{id}-{span}-01"));
            assert_ne!(id, "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!((id.len(), span.len(), state.as_str()), (32, 16, "-"));
        }
    }

    #[tokio::test]
    async fn some_new_traces_are_sampled() {
        let mut sampled = 0;
        for _ in 0..1000 {
            let tracing = Tracing { restarts: false, one_in: 4 };
            sampled += usize::from(seen(tracing, &[]).await[2].ends_with("-01"));
        }
        assert!((150..350).contains(&sampled), "{sampled} of 1000");
    }

    #[test]
    fn what_is_refused() {
        let refused = |lines| testing::site("tracing", setup, lines).err().unwrap_or_default();
        for (lines, told) in [
            ("tracing x", "Wrong argument count"),
            ("tracing {\n span x\n}", "unknown property 'span'"),
            ("tracing {\n sample 0.1\n}", "sample must be 1/N, such as 1/100, not '0.1'"),
            ("tracing {\n sample 1/0\n}", "not '1/0'"),
            ("tracing {\n restart\n restart\n}", "restart is written twice"),
        ] {
            assert!(refused(lines).contains(told), "{lines}: {}", refused(lines));
        }
        assert_eq!(refused("tracing"), "");
    }
}
