//! The reports of all sites with `quic_report`, as the control socket gives them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::exit::{FAILED, OK};
use crate::daemon::control::{Answer, Request};
use crate::experiment::Experiment;

/// What is said where no site has the line.
const NONE: &str = "no site of the running service has a line quic_report\n";

/// How reports are written.
type Form = fn(&[Arc<Experiment>]) -> String;

/// Answers from a thread of its own: an analysis takes so long that others would wait.
pub(super) fn answer(request: Request, experiments: Vec<Arc<Experiment>>, form: Form) {
    if experiments.is_empty() {
        return request.answer(&Answer { code: FAILED, text: NONE.to_owned() });
    }
    let analysis = move || request.answer(&Answer { code: OK, text: form(&experiments) });
    let started = std::thread::Builder::new().name("quic-report".to_owned()).spawn(analysis);
    if let Err(error) = started {
        log::error!("quic_report: cannot start a thread: {error}");
    }
}

pub(super) fn text(experiments: &[Arc<Experiment>]) -> String {
    let each = |one: &Arc<Experiment>| one.report().text(one.site());
    experiments.iter().map(each).collect::<Vec<_>>().join("\n")
}

pub(super) fn json(experiments: &[Arc<Experiment>]) -> String {
    let sites: Vec<Value> = experiments.iter().map(|one| one.json()).collect();
    format!("{:#}\n", json!({ "sites": sites }))
}

/// One document for each site.
pub(super) fn svg(experiments: &[Arc<Experiment>]) -> String {
    experiments.iter().map(|one| one.report().svg(one.site())).collect()
}
