//! The directive `log`.

use super::syntax::Segment;
use super::values;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

pub(super) fn lines(one: &Segment, files: &dyn Files) -> Vec<Item> {
    let mut notes = Vec::new();
    let mut target = Some("stderr".to_owned());
    let mut format = "{json}";
    let mut rotation = Vec::new();
    for option in one.block() {
        match (option.name(), option.arg(0)) {
            ("output", "discard") => target = None,
            ("output", name @ ("stdout" | "stderr")) => target = Some(name.to_owned()),
            ("output", "file") => {
                target = Some(files.absolute(option.arg(1)));
                for roll in option.block() {
                    roll_line(roll, &mut rotation, &mut notes);
                }
            }
            ("format", "json") if option.block.is_none() => {}
            ("format", "console") => {
                format = "{common}";
                notes.push(note(&option.at, "format console: the Common Log Format here"));
            }
            _ => notes.push(note(&option.at, format!("log {}: left out", option.shown()))),
        }
    }
    if format == "{json}" && target.is_some() {
        notes.push(note(&one.at, "log: the names in JSON are those of OpenTelemetry here"));
    }
    if let Some(target) = target {
        let mut line = Line::new(["log", "/", &target, format]);
        rotation.into_iter().for_each(|one: Line| line.add(one));
        notes.push(line.into());
    }
    notes
}

fn roll_line(roll: &Segment, rotation: &mut Vec<Line>, notes: &mut Vec<Item>) {
    let value = roll.arg(0);
    let line = match roll.name() {
        "roll_size" => values::bytes(value).map(|bytes| {
            // Sizes without a unit are MB.
            let megabytes = if bytes < 1 << 16 { bytes } else { bytes.div_ceil(1 << 20) };
            Line::new(["rotate_size", &megabytes.to_string()])
        }),
        "roll_keep" => Some(Line::new(["rotate_keep", value])),
        "roll_keep_for" => {
            let hours = values::duration(value).and_then(|time| {
                time.strip_suffix('h').and_then(|hours| hours.parse::<u64>().ok())
            });
            hours.map(|hours| Line::new(["rotate_age", &hours.div_ceil(24).to_string()]))
        }
        "roll_disabled" => Some(Line::new(["rotate_disable"])),
        "roll_uncompressed" => return,
        "mode" => return,
        _ => None,
    };
    match line {
        Some(line) => rotation.push(line),
        None => notes.push(note(&roll.at, format!("{}: left out", roll.shown()))),
    }
}
