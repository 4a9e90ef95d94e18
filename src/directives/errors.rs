//! `errors`: logs faults and answers them with error pages.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderValue, Response, header};

use crate::arguments::{ROTATION_0_9, Rotated};
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_number};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::error_chain::display_chain;
use crate::http::sink::{ErrorLog, Roll, SinkTarget};
use crate::http::{Body, Fault, Request, fault_page};
use crate::site::{Scripts, SiteBuilder};

pub(super) static OPTIONS: Options<Settings> = Options::<Settings>::new(&[option(
    "log [FILE|visible], such as: log errors.log",
    LastWins,
    |settings, args| {
        if args.next_arg() {
            settings.set_target(args.val());
        }
        // The block of Caddy 0.9: log FILE { size 1; age 2; keep 3 }.
        if args.opens_block() {
            settings.roll = Roll::of_0_9();
            ROTATION_0_9.read(&mut settings.roll, args)?;
        }
        Ok(())
    },
)])
.and(Settings::ROTATION)
.others(option("CODE|* PAGE, such as: 404 notfound.html", Accumulates, Settings::page));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut settings = Settings { root: site.root.clone(), ..Settings::default() };
    while args.next() {
        match args.remaining().as_slice() {
            [] => {}
            [target] => settings.set_target(target),
            _ => return Err(args.arg_error()),
        }
        OPTIONS.read(&mut settings, args)?;
    }
    let target = SinkTarget::parse(settings.target.as_deref().unwrap_or("stderr"), settings.roll);
    let sink = site
        .sinks
        .open(&target)
        .map_err(|error| args.error(format!("errors: cannot open the log: {error}")))?;
    let log = ErrorLog::new(site.name(), &target, sink);
    site.error_log = Some(log.clone());
    site.push_witness(Errors {
        log,
        visible: settings.visible,
        pages: settings.pages,
        default_page: settings.default_page,
        scripts: site.scripts.clone(),
    });
    Ok(())
}

#[derive(Default)]
pub(super) struct Settings {
    target: Option<String>,
    visible: bool,
    roll: Roll,
    pages: HashMap<u16, PathBuf>,
    default_page: Option<PathBuf>,
    /// The directory that pages are relative to.
    root: PathBuf,
}

impl Settings {
    fn set_target(&mut self, target: &str) {
        if target == "visible" {
            self.visible = true;
        } else {
            self.target = Some(target.to_owned());
        }
    }

    /// `CODE PAGE` or `* PAGE`.
    fn page(&mut self, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let word = args.val();
        let page = self.root.join(args.required()?);
        if let Err(error) = std::fs::metadata(&page) {
            let message = format!("Unable to open error page '{}': {error}", page.display());
            args.warn(args.error(message));
        }
        let twice = if word == "*" {
            self.default_page.replace(page).is_some()
        } else {
            let code: u16 = parse_number(word, ..).map_err(|_| {
                let message = format!("Expecting a numeric status code or '*', got '{word}'");
                let hint = "write a code, such as: 404 notfound.html, or: * for all others";
                args.error_at(word, message).hint(hint)
            })?;
            if !(400..600).contains(&code) {
                let warning =
                    args.error_at(word, format!("errors: no error has the status {code}"));
                args.warn(warning.hint("write a code from 400 to 599"));
            }
            self.pages.insert(code, page).is_some()
        };
        if twice {
            let message = format!("Duplicate status code entry: {word}");
            return Err(args.error(message).hint("keep one of the two pages"));
        }
        Ok(())
    }
}

impl Rotated for Settings {
    fn roll(&mut self) -> &mut Roll {
        &mut self.roll
    }
}

struct Errors {
    log: ErrorLog,
    /// The cause is shown to the client.
    visible: bool,
    pages: HashMap<u16, PathBuf>,
    default_page: Option<PathBuf>,
    /// Pages are sent unchanged, scripts never.
    scripts: Arc<Scripts>,
}

impl Handler for Errors {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        Box::pin(async move {
            match next.run(req).await {
                Ok(response) => Ok(response),
                Err(fault) => Ok(self.answer(fault, req).await),
            }
        })
    }
}

impl Errors {
    async fn answer(&self, fault: Fault, req: &mut Request) -> Response<Body> {
        let status = fault.status;
        fault_page::report(&fault, req, &self.log);
        if self.visible
            && let Some(cause) = fault.cause.as_deref().map(|cause| display_chain(cause))
        {
            return with_content(
                fault,
                "text/plain; charset=utf-8",
                format!("{cause}\n").into_bytes(),
            );
        }
        if let Some(page) = self.pages.get(&status.as_u16()).or(self.default_page.as_ref()) {
            let content = match self.scripts.refuse(page) {
                Ok(()) => tokio::fs::read(page).await,
                Err(error) => Err(error),
            };
            match content {
                Ok(content) => return with_content(fault, "text/html; charset=utf-8", content),
                Err(error) => self.log.notice(
                    req.about(status),
                    &format!("could not load error page: {}: {error}", page.display()),
                ),
            }
        }
        fault_page::render(fault, req)
    }
}

fn with_content(fault: Fault, kind: &'static str, content: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes::Bytes::from(content)));
    *response.status_mut() = fault.status;
    *response.headers_mut() = fault.headers;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::StatusCode;
    use http_body_util::BodyExt;

    use super::*;
    use crate::http::address::Address;
    use crate::http::request::tests::request;
    use crate::http::sink::{OpenSink, Sink};

    #[derive(Default)]
    struct Memory(Mutex<Vec<String>>, Mutex<Vec<SinkTarget>>);

    struct Opener(Arc<Memory>);

    impl Sink for Memory {
        fn write_line(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    impl OpenSink for Opener {
        fn open(&self, target: &SinkTarget) -> std::io::Result<Arc<dyn Sink>> {
            self.0.1.lock().unwrap().push(target.clone());
            Ok(self.0.clone())
        }
    }

    struct Broken;

    impl Handler for Broken {
        fn handle<'a>(&'a self, req: &'a mut Request, _next: Next<'a>) -> ReplyFuture<'a> {
            let status = req.path()[1..].parse().unwrap();
            let fault = Fault::caused(StatusCode::from_u16(status).unwrap(), "one\ntwo");
            Box::pin(std::future::ready(Err(fault)))
        }
    }

    fn site(lines: &str, root: &Path, memory: &Arc<Memory>) -> Result<SiteBuilder, String> {
        let text = format!("host {{\n{lines}\n}}");
        let parsed = crate::caddyfile::parse("Caddyfile", &text, Path::new("."), &["errors"]);
        let parsed = parsed.map_err(|error| error.message)?;
        let opener = Arc::new(Opener(memory.clone()));
        let mut site = SiteBuilder::new(Address::default(), root.to_owned(), opener);
        let mut args = Args::new(&parsed.blocks[0].directives[0]);
        setup(&mut args, &mut site).map_err(|error| error.message)?;
        site.warnings.extend(args.finish().map_err(|error| error.message)?);
        site.push(Broken);
        Ok(site)
    }

    #[tokio::test]
    async fn pages_and_lines() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("404.html"), "gone").unwrap();
        let memory = Arc::new(Memory::default());
        let lines = "errors {\nlog x.log {\nsize 1\n}\n404 404.html\n* none.html\n}";
        let site = site(lines, root.path(), &memory).unwrap();
        assert_eq!(site.warnings.len(), 1);
        let site = site.build();
        for (target, body) in [("/404", "gone"), ("/502", "502 Bad Gateway\n")] {
            let response = site.handle(&mut request("GET", target)).await.unwrap();
            assert_eq!(response.status().as_str(), &target[1..]);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
        }
        let lines: Vec<_> =
            memory.0.lock().unwrap().iter().map(|l| l[l.find('[').unwrap()..].to_owned()).collect();
        assert_eq!(lines[0], "[ERROR 404 /404] one two");
        assert_eq!(lines[1], "[ERROR 502 /502] one two");
        assert!(lines[2].starts_with("[NOTICE 502 /502] could not load error page: "));
        let roll = Roll { size: Some(1 << 20), age: Duration::ZERO, keep: 0, compress: false };
        assert_eq!(*memory.1.lock().unwrap(), [SinkTarget::File { path: "x.log".into(), roll }]);
    }

    #[tokio::test]
    async fn visible_shows_the_cause() {
        let memory = Arc::new(Memory::default());
        let site = site("errors visible", Path::new("/"), &memory).unwrap().build();
        let response = site.handle(&mut request("GET", "/500")).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "one\ntwo\n");
    }

    #[test]
    fn a_log_without_a_block_of_its_own_ends_with_its_line() {
        let memory = Arc::new(Memory::default());
        let lines = "errors {\nlog x.log\n404 none.html\n* none.html\n}";
        let site = site(lines, Path::new("/"), &memory).ok().unwrap();
        assert_eq!(site.warnings.len(), 2, "both pages were read");
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("errors {\n404 a\n404 b\n}", "Duplicate status code entry: 404"),
            ("errors {\n* a\n* b\n}", "Duplicate status code entry: *"),
            ("errors {\nx a\n}", "Expecting a numeric status code or '*', got 'x'"),
        ] {
            let memory = Arc::new(Memory::default());
            let refused = site(lines, Path::new("/"), &memory).err();
            assert_eq!(refused.as_deref(), Some(message));
        }
    }
}
