//! COPY and MOVE.

use std::io;

use http::{Response, StatusCode};

use super::answer::{Refusal, respond};
use super::locks::{LOCKS, Reach};
use super::preconditions::{Change, Preconditions};
use super::properties::ATTRIBUTE;
use super::visit::{Target, Visit};
use super::write::{done, needs_parent, survey, there};
use crate::confined::{self, Before, Depth, Overwrite};
use crate::http::{Body, Request};
use crate::limits::WEBDAV_NAMES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Copy,
    Move,
}

/// What goes where.
struct Transfer {
    visit: Visit,
    preconditions: Preconditions,
    to: Vec<String>,
    how: How,
    depth: Depth,
    overwrite: Overwrite,
}

pub(super) async fn transfer(
    visit: Visit,
    req: &Request,
    how: How,
) -> Result<Response<Body>, Refusal> {
    let preconditions = Preconditions::of(req)?;
    let destination = preconditions.field("destination").ok_or(StatusCode::BAD_REQUEST)?;
    let to = match visit.find(destination) {
        Target::Names(to) => to,
        Target::Elsewhere => return Err(StatusCode::BAD_GATEWAY.into()),
        Target::Malformed => return Err(StatusCode::BAD_REQUEST.into()),
    };
    if !visit.reaches(&to) {
        return Err(StatusCode::FORBIDDEN.into());
    }
    let depth = match preconditions.field("depth") {
        None => Depth::Whole,
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => Depth::Whole,
        Some("0") if how == How::Copy => Depth::Alone,
        Some(_) => return Err(StatusCode::BAD_REQUEST.into()),
    };
    let overwrite = match preconditions.field("overwrite") {
        Some("F" | "f") => Overwrite::No,
        _ => Overwrite::Yes,
    };
    let transfer = Transfer { visit, preconditions, to, how, depth, overwrite };
    respond(move || transfer.run()).await
}

impl Transfer {
    fn run(&self) -> Result<Response<String>, Refusal> {
        let (visit, from, to) = (&self.visit, &self.visit.names, &self.to);
        let about = confined::look(visit.scope(), from)?;
        // Neither into itself, nor in the place of what is around it.
        if to.starts_with(from) || from.starts_with(to) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        needs_parent(visit, to)?;
        let target = there(visit, to)?;
        if target.is_some() && self.overwrite == Overwrite::No {
            return Err(StatusCode::PRECONDITION_FAILED.into());
        }
        self.preconditions.check(visit, Some(&about))?;
        let deepest = WEBDAV_NAMES - to.len().saturating_sub(from.len());
        survey(visit, from, to, deepest)?;
        if target.is_some() {
            survey(visit, to, to, WEBDAV_NAMES)?;
        }
        let reach = if target.is_some() { Reach::Tree } else { Reach::Member };
        let mut changes = vec![Change { names: to, reach }];
        if self.how == How::Move {
            changes.push(Change { names: from, reach: Reach::Tree });
        }
        self.preconditions.unlocked(visit, &changes)?;
        if target.is_some_and(|target| target.is_folder() || about.is_folder()) {
            self.replace()?;
            LOCKS.forget(&visit.place(to));
        } else {
            self.go()?;
        }
        if self.how == How::Move {
            LOCKS.forget(&visit.place(from));
        }
        Ok(done(if target.is_some() { Before::Something } else { Before::Nothing }))
    }

    fn go(&self) -> io::Result<()> {
        let (scope, from, to) = (self.visit.scope(), &self.visit.names, &self.to);
        match self.how {
            How::Copy => confined::copy(scope, from, to, self.depth, ATTRIBUTE),
            How::Move => confined::relocate(scope, from, to, self.overwrite, ATTRIBUTE),
        }
    }

    /// What was there is removed when the other is in its place, and comes back if it does not get
    /// there.
    fn replace(&self) -> io::Result<()> {
        let scope = self.visit.scope();
        let aside = confined::set_aside(scope, &self.to)?;
        let gone = self.go();
        let tidied = match gone {
            Ok(()) => confined::remove(scope, &aside),
            Err(_) => confined::rename(scope, &aside, &self.to, Overwrite::No).map(drop),
        };
        if let Err(error) = tidied {
            log::warn!("webdav: {} is left: {error}", scope.path().join(aside.join("/")).display());
        }
        gone
    }
}
