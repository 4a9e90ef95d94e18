//! Receives the files of one request.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::names::Names;
use super::options::Block;
use super::quota::Reservation;
use crate::confined::work::{Writer, beside, empty, fault};
use crate::confined::{Area, Before, Draft};
use crate::http::body::refusal;
use crate::http::multipart::{Multipart, Step};
use crate::http::{Body, Fault, Reply, Request};
use crate::limits::UPLOAD_PARTS;

/// What stands in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

pub(super) struct Receiver<'a> {
    block: &'a Block,
    /// Bytes of files so far.
    received: u64,
    headers: HeaderMap,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(block: &'a Block) -> Self {
        Self { block, received: 0, headers: HeaderMap::new() }
    }

    /// Writes what a PUT or POST has; `path` is below the path of the block.
    pub(super) async fn receive(mut self, req: &mut Request, path: &str) -> Reply {
        let kind = req.head.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?"));
        let is_post = req.head.method == Method::POST;
        let form = kind.filter(|_| is_post).map(|kind| Multipart::new(kind).ok_or(kind));
        let form = match form {
            None => None,
            Some(Ok(form)) => Some(form),
            Some(Err(kind)) if kind.to_ascii_lowercase().starts_with("multipart/form-data") => {
                return Err(Fault::caused(StatusCode::BAD_REQUEST, "upload: no boundary is named"));
            }
            Some(Err(_)) => return Err(Fault::status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        };
        let body = std::mem::take(&mut req.body);
        let before = match form {
            Some(form) => self.parts(form, body).await?,
            None => self.file(body, path).await?,
        };
        let mut response = match before {
            Before::Nothing => empty(StatusCode::CREATED),
            Before::Something => empty(StatusCode::NO_CONTENT),
        };
        response.headers_mut().extend(self.headers);
        Ok(response)
    }

    /// Content that is one file.
    async fn file(&mut self, mut body: Body, path: &str) -> Result<Before, Fault> {
        let names = self.block.new_names(path)?;
        if body.size_hint().lower() > self.block.file.min(self.block.transaction) {
            return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let mut file = self.begin(&names).await?;
        file.reserve(body.size_hint().lower())?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(broken)?;
            if let Ok(data) = frame.into_data() {
                self.write(&mut file, &data).await?;
            }
        }
        self.end(file, &names).await
    }

    /// The files of a form. What has no name of a file is passed over.
    async fn parts(&mut self, mut form: Multipart, mut body: Body) -> Result<Before, Fault> {
        let malformed = |error| Fault::caused(StatusCode::BAD_REQUEST, error);
        let mut open: Option<(Writing, Names)> = None;
        let mut count = 0;
        loop {
            match form.step().map_err(malformed)? {
                Step::Wanting => match body.frame().await {
                    Some(frame) => {
                        if let Ok(data) = frame.map_err(broken)?.into_data() {
                            form.give(&data);
                        }
                    }
                    None => return Err(malformed_end()),
                },
                Step::Part(part) => {
                    count += 1;
                    if count > UPLOAD_PARTS {
                        return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
                    }
                    if let Some(name) = part.file_name.filter(|name| !name.is_empty()) {
                        let names = self.block.new_names(&name)?;
                        open = Some((self.begin(&names).await?, names));
                    }
                }
                Step::Data(data) => match &mut open {
                    Some((file, _)) => self.write(file, &data).await?,
                    None => self.count(data.len())?,
                },
                Step::PartEnd => {
                    if let Some((file, names)) = open.take() {
                        self.end(file, &names).await?;
                    }
                }
                Step::End => return Ok(Before::Nothing),
            }
        }
    }

    async fn begin(&self, names: &Names) -> Result<Writing, Fault> {
        let room = match &self.block.quota {
            Some(quota) => Some(quota.reservation().await?),
            None => None,
        };
        let names = names.clone();
        let draft = beside(self.block.to(), move |to| Draft::new(to, names.all())).await;
        let draft = draft.map_err(fault)?;
        Ok(Writing { writer: Writer::new(draft), size: 0, room })
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.received += bytes as u64;
        if self.received > self.block.transaction {
            return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Ok(())
    }

    async fn write(&mut self, file: &mut Writing, data: &[u8]) -> Result<(), Fault> {
        self.count(data.len())?;
        file.size += data.len() as u64;
        if file.size > self.block.file {
            return Err(Fault::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        file.reserve(file.size)?;
        file.writer.write(data).await
    }

    /// The file gets its name, and the client is told where it is.
    async fn end(&mut self, file: Writing, names: &Names) -> Result<Before, Fault> {
        let draft = file.writer.end().await?;
        let whole = beside(self.block.to(), move |_| draft.sync().map(|()| draft));
        let draft = whole.await.map_err(fault)?;
        let (files, name) = (self.block.files().await, names.clone());
        let named = move |to: &Area| files.publish(to, name.all(), draft, file.room);
        let before = beside(self.block.to(), named).await.map_err(fault)?;
        if let Some(promised) = &self.block.promised {
            let path = names.joined();
            let place = format!("{promised}/{}", utf8_percent_encode(&path, PATH));
            let place = HeaderValue::try_from(place);
            self.headers.extend(place.ok().map(|place| (LOCATION, place)));
        }
        Ok(before)
    }
}

/// A file on its way to the disk.
struct Writing {
    writer: Writer,
    size: u64,
    /// Where there is a quota.
    room: Option<Reservation>,
}

impl Writing {
    fn reserve(&mut self, bytes: u64) -> Result<(), Fault> {
        self.room.as_mut().map_or(Ok(()), |room| room.cover(bytes))
    }
}

fn malformed_end() -> Fault {
    Fault::caused(StatusCode::BAD_REQUEST, "upload: the multipart content has no end")
}

fn broken(error: crate::http::BodyError) -> Fault {
    Fault::caused(refusal(&*error), error)
}
