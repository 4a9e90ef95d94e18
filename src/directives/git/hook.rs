//! Requests by which a hosting service says that somebody has pushed.

use http::header::{AUTHORIZATION, HeaderMap, USER_AGENT};
use http::{HeaderName, StatusCode};
use serde_json::Value;

use super::repository::{LATEST, Repository};
use super::signature;
use crate::http::form;

/// Who sends the hook: what it is told by, signed by, and which of its events is a push.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// The field that only its hooks have; `None`: they have none.
    mark: Option<HeaderName>,
    /// What the field begins with.
    begins: &'static str,
    proof: Proof,
    /// The field with the event, and the event of a push.
    event: Option<(HeaderName, &'static str)>,
}

/// How a hook shows that it knows the secret.
enum Proof {
    /// The first of these fields has an HMAC of the body.
    Signature(&'static [&'static str]),
    /// The field has the secret.
    Token(&'static str),
    Travis,
}

const SIGNATURES: &[&str] = &["x-hub-signature-256", "x-hub-signature"];

const fn field(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// Those that are known by their fields come first.
pub(super) static SERVICES: [Service; 7] = [
    Service {
        name: "github",
        mark: Some(USER_AGENT),
        begins: "GitHub-Hookshot",
        proof: Proof::Signature(SIGNATURES),
        event: Some((field("x-github-event"), "push")),
    },
    Service {
        name: "gitlab",
        mark: Some(field("x-gitlab-event")),
        begins: "",
        proof: Proof::Token("x-gitlab-token"),
        event: Some((field("x-gitlab-event"), "Push Hook")),
    },
    Service {
        name: "bitbucket",
        mark: Some(field("x-event-key")),
        begins: "",
        proof: Proof::Signature(SIGNATURES),
        event: Some((field("x-event-key"), "repo:push")),
    },
    Service {
        name: "travis",
        mark: Some(field("travis-repo-slug")),
        begins: "",
        proof: Proof::Travis,
        event: None,
    },
    Service {
        name: "gogs",
        mark: Some(field("x-gogs-event")),
        begins: "",
        proof: Proof::Signature(&["x-gogs-signature"]),
        event: Some((field("x-gogs-event"), "push")),
    },
    Service {
        name: "gitee",
        mark: Some(field("x-gitee-event")),
        begins: "",
        proof: Proof::Token("x-gitee-token"),
        event: Some((field("x-gitee-event"), "Push Hook")),
    },
    Service {
        name: "generic",
        mark: None,
        begins: "",
        proof: Proof::Signature(SIGNATURES),
        event: None,
    },
];

/// What a hook that is genuine says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The repository has something new for the site.
    Push,
    /// Nothing that concerns it, and why.
    Nothing(&'static str),
    /// It cannot be understood.
    Unknown(&'static str),
}

impl News {
    pub(super) fn status(&self) -> StatusCode {
        if matches!(self, Self::Unknown(_)) { StatusCode::BAD_REQUEST } else { StatusCode::OK }
    }

    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Push => "the repository is fetched",
            Self::Nothing(why) | Self::Unknown(why) => why,
        }
    }
}

impl Service {
    /// The service that sent a request, by its fields.
    pub(super) fn of(headers: &HeaderMap) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.mark.is_some() && service.sent(headers))
    }

    /// Whether a request may be of this service.
    pub(super) fn sent(&self, headers: &HeaderMap) -> bool {
        let Some(mark) = &self.mark else { return true };
        headers.get(mark).is_some_and(|value| value.as_bytes().starts_with(self.begins.as_bytes()))
    }

    /// Whether the sender knows the secret.
    pub(super) fn is_genuine(&self, headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
        match self.proof {
            Proof::Signature(fields) => {
                let signature = fields.iter().find_map(|name| headers.get(*name));
                let signature = signature.and_then(|value| value.to_str().ok());
                signature.is_some_and(|signature| signature::signs(signature, body, secret))
            }
            Proof::Token(name) => {
                let token = headers.get(name);
                token.is_some_and(|token| signature::is_secret(token.as_bytes(), secret))
            }
            Proof::Travis => {
                let sum = headers.get(AUTHORIZATION);
                let name = headers.get("travis-repo-slug");
                sum.zip(name).is_some_and(|(sum, name)| {
                    signature::is_sum(sum.as_bytes(), name.as_bytes(), secret)
                })
            }
        }
    }

    /// What it says about a repository.
    pub(super) fn news(&self, headers: &HeaderMap, body: &[u8], repository: &Repository) -> News {
        if let Some((name, push)) = &self.event {
            match headers.get(name).and_then(|event| event.to_str().ok()) {
                None => return News::Unknown("the field with the event is missing"),
                Some("ping" | "diagnostics:ping") => return News::Nothing("pong"),
                Some("release") if repository.branch == LATEST => return News::Push,
                Some("release") => return News::Nothing("a release, but a branch is tracked"),
                Some(event) if event == *push => {}
                Some("Tag Push Hook") if repository.branch == LATEST => return News::Push,
                Some(_) => return News::Unknown("only push events are supported"),
            }
        }
        if matches!(self.proof, Proof::Travis) {
            return travis(body, repository);
        }
        let Ok(push) = serde_json::from_slice::<Value>(body) else {
            return News::Unknown("the content is not JSON");
        };
        let names = names_of(&push);
        match names.iter().any(|name| repository.follows(name)) {
            _ if names.is_empty() => News::Unknown("the content names no branch"),
            true => News::Push,
            false => News::Nothing("a different branch is tracked"),
        }
    }
}

/// The branches and tags of a push: `ref`, or each change of Bitbucket.
fn names_of(push: &Value) -> Vec<&str> {
    if let Some(name) = push["ref"].as_str() {
        let branch = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"));
        return vec![branch.unwrap_or(name)];
    }
    let changes = push["push"]["changes"].as_array().into_iter().flatten();
    changes.filter_map(|change| change["new"]["name"].as_str()).collect()
}

/// A form with JSON in `payload`, about a build.
fn travis(body: &[u8], repository: &Repository) -> News {
    let payload = form::value(&String::from_utf8_lossy(body), "payload");
    let build = payload.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let Some(build) = build else { return News::Unknown("the form has no payload in JSON") };
    if build["type"] != "push" || build["status_message"] != "Passed" {
        return News::Nothing("not a push that passed");
    }
    match build["branch"].as_str() {
        Some(branch) if repository.follows(branch) => News::Push,
        Some(_) => News::Nothing("a different branch is tracked"),
        None => News::Unknown("the payload names no branch"),
    }
}
