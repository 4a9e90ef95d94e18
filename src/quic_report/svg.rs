//! A report as a picture: the gains with their intervals, and how long visitors of both arms wait.
//! It follows the light or dark setting of the page or viewer, needs nothing from elsewhere, and is
//! narrow enough for a telephone: there a letter is as large as it says.

use std::fmt::Write as _;

use super::analysis::{Comparison, Report, Slice};
use super::figures::Claim;
use super::measure::Measure;

const WIDTH: f64 = 350.0;
/// Left and right of a document of its own.
const MARGIN: f64 = 10.0;
/// Where the scale of gains begins and ends.
const SCALE: [f64; 2] = [140.0, 340.0];
/// Where the curves begin.
const LEFT: f64 = 28.0;
const ROW: f64 = 18.0;
/// Height of the picture of the wait.
const CURVES: f64 = 190.0;

/// The style of pictures, for the page that they stand in.
pub const PICTURE_STYLE: &str = ".quic-report{color-scheme:light dark;background:var(--back);\
    --back:#fff;--text:#1b1b1b;--faint:#6b6b6b;--offered:#0b6bcb;--withheld:#a34700}\
    @media(prefers-color-scheme:dark){.quic-report{--back:#16181c;--text:#f0f0f0;--faint:#a5a5a5;\
    --offered:#6cb2ff;--withheld:#ffab66}}\
    .quic-report text{font:12px system-ui,sans-serif;color:var(--text);fill:currentColor}\
    .quic-report .faint{color:var(--faint)}.quic-report .strong{font-weight:600}\
    .quic-report .end{text-anchor:end}.quic-report .middle{text-anchor:middle}\
    .quic-report .axis{stroke:var(--faint);stroke-width:1}\
    .quic-report .gain{stroke:var(--text);fill:var(--text);stroke-width:2}\
    .quic-report .offered{stroke:var(--offered);fill:none;stroke-width:2}\
    .quic-report .withheld{stroke:var(--withheld);fill:none;stroke-width:2;stroke-dasharray:5 3}";

impl Report {
    /// A document of its own. `site` is the name of the site.
    pub fn svg(&self, site: &str) -> String {
        let mut body = String::new();
        let mut y = 18.0;
        for (at, line) in wrapped(&format!("{site}: {}", self.answer())).iter().enumerate() {
            let class = if at == 0 { "strong" } else { "" };
            label(&mut body, Spot { x: 0.0, y }, class, line);
            y += ROW;
        }
        y = self.gains(&mut body, y + 6.0);
        y = self.waits(&mut body, y + 12.0);
        let (left, width) = (-MARGIN, WIDTH + 2.0 * MARGIN);
        let answer = escaped(&self.answer());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left} 0 {width} {y:.0}\" \
             class=\"quic-report\" role=\"img\" aria-label=\"{answer}\">\
             <title>{answer}</title><style>{PICTURE_STYLE}</style>{body}</svg>\n"
        )
    }

    /// The picture alone, for a page of HTML that has [`PICTURE_STYLE`]; `None` as long as there is
    /// nothing to be seen.
    pub fn picture(&self) -> Option<String> {
        let mut body = String::new();
        let y = self.gains(&mut body, 12.0);
        let y = self.waits(&mut body, y + 8.0);
        let answer = escaped(&self.answer());
        (!body.is_empty()).then(|| {
            format!(
                "<svg class=\"quic-report\" viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" \
                 aria-label=\"{answer}\">{body}</svg>"
            )
        })
    }

    /// A row for each gain, with its interval; returns where the next part begins.
    fn gains(&self, body: &mut String, mut y: f64) -> f64 {
        let shown = |one: &&Comparison| {
            one.measure == Measure::Wait && one.quantiles.iter().any(Option::is_some)
        };
        let shown: Vec<&Comparison> = self.comparisons.iter().filter(shown).collect();
        if shown.is_empty() {
            return y;
        }
        let scale = Scale::of(&shown);
        label(body, Spot { x: 0.0, y: y + 4.0 }, "faint", "time saved by the offer of HTTP/3, %");
        y += ROW;
        let top = y;
        for comparison in shown {
            let title = match comparison.slice {
                Slice::All => "all visits",
                Slice::Control => "control",
                slice => slice.name(),
            };
            for (at, one) in comparison.quantiles.iter().flatten().enumerate() {
                let words = if at == 0 { title } else { "" };
                label(body, Spot { x: 0.0, y: y + 4.0 }, "", words);
                label(body, Spot { x: 110.0, y: y + 4.0 }, "faint", short(one.probability));
                let [low, high] = one.gain_between.map(|gain| scale.x(gain));
                let radius = if one.claim == Claim::None { 2.5 } else { 4.5 };
                let _ = write!(
                    body,
                    "<line class=\"gain\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y:.1}\" \
                     y2=\"{y:.1}\"/><circle class=\"gain\" cx=\"{:.1}\" cy=\"{y:.1}\" \
                     r=\"{radius}\"><title>{} {}: {:.1} %</title></circle>",
                    scale.x(one.gain),
                    escaped(title),
                    one.name(),
                    one.gain,
                );
                y += ROW;
            }
        }
        scale.draw(body, top - 10.0, y - 6.0);
        y + ROW
    }

    /// The share of answers by how long visitors wait at most.
    fn waits(&self, body: &mut String, y: f64) -> f64 {
        let longest = self.curves.iter().filter_map(|curve| curve.get(94)).copied();
        let longest = longest.fold(0.0, f64::max);
        if longest <= 0.0 {
            return y;
        }
        let (top, bottom) = (y + ROW, y + CURVES - 2.0 * ROW);
        label(body, Spot { x: 0.0, y: y + 4.0 }, "faint", "visits that wait at most so long, %");
        for percent in [0.0, 50.0, 100.0] {
            let at = bottom - (bottom - top) * percent / 100.0;
            label(body, Spot { x: 0.0, y: at + 4.0 }, "faint", &format!("{percent:.0}"));
            let _ = write!(
                body,
                "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" \
                 opacity=\".4\"/>"
            );
        }
        for (curve, class) in self.curves.iter().zip(["offered", "withheld"]) {
            let mut points = String::new();
            for (at, wait) in curve.iter().enumerate().filter(|(_, wait)| **wait <= longest) {
                let x = LEFT + (WIDTH - LEFT) * wait / longest;
                let y = bottom - (bottom - top) * (at as f64 + 1.0) / 100.0;
                let _ = write!(points, "{x:.1},{y:.1} ");
            }
            let _ = write!(body, "<polyline class=\"{class}\" points=\"{}\"/>", points.trim_end());
        }
        label(body, Spot { x: LEFT, y: bottom + ROW }, "faint", "0");
        let end = Spot { x: WIDTH, y: bottom + ROW };
        let words = match longest {
            ..1.0 => format!("{:.0} ms", longest * 1000.0),
            _ => format!("{longest:.1} s"),
        };
        label(body, end, "faint end", &words);
        let legend = bottom + 2.0 * ROW;
        for (x, class, words) in
            [(LEFT, "offered", "HTTP/3 offered"), (190.0, "withheld", "not offered")]
        {
            let line = legend - 4.0;
            let _ = write!(
                body,
                "<line class=\"{class}\" x1=\"{x}\" x2=\"{:.0}\" y1=\"{line:.1}\" \
                 y2=\"{line:.1}\"/>",
                x + 24.0
            );
            label(body, Spot { x: x + 30.0, y: legend }, "", words);
        }
        legend + 10.0
    }
}

/// From gains in percent to places.
struct Scale {
    /// The gain at either end, the lower one negative.
    end: f64,
}

impl Scale {
    fn of(shown: &[&Comparison]) -> Self {
        let quantiles = shown.iter().flat_map(|one| one.quantiles.iter().flatten());
        let farthest = quantiles.flat_map(|one| one.gain_between).map(f64::abs);
        let end = farthest.fold(0.0, f64::max).clamp(10.0, 200.0);
        Self { end: (end / 10.0).ceil() * 10.0 }
    }

    fn x(&self, gain: f64) -> f64 {
        let [left, right] = SCALE;
        let share = (gain.clamp(-self.end, self.end) + self.end) / (2.0 * self.end);
        left + (right - left) * share
    }

    fn draw(&self, body: &mut String, top: f64, bottom: f64) {
        for gain in [-self.end, 0.0, self.end] {
            let x = self.x(gain);
            let _ = write!(
                body,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" \
                 y2=\"{bottom:.1}\"/>"
            );
            let words = if gain == 0.0 { "0".to_owned() } else { format!("{gain:+.0}") };
            label(body, Spot { x, y: bottom + 14.0 }, "faint middle", &words);
        }
    }
}

/// Where a text begins.
#[derive(Clone, Copy)]
struct Spot {
    x: f64,
    y: f64,
}

fn label(body: &mut String, at: Spot, class: &str, words: &str) {
    let Spot { x, y } = at;
    let words = escaped(words);
    let _ = write!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{words}</text>");
}

fn short(probability: f64) -> &'static str {
    match probability {
        0.5 => "p50",
        0.75 => "p75",
        _ => "p95",
    }
}

/// Lines that fit the width.
fn wrapped(text: &str) -> Vec<String> {
    const COLUMNS: usize = 56;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_full = |line: &String| line.chars().count() + word.chars().count() >= COLUMNS;
        match lines.last_mut() {
            Some(line) if !line.is_empty() && !is_full(line) => line.extend([" ", word]),
            Some(line) if line.is_empty() => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_names_do_not_break_out() {
        let lines = wrapped(&"a word ".repeat(30));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= 56), "{lines:?}");
        assert_eq!(escaped("<a href=\"&\">"), "&lt;a href=&quot;&amp;&quot;>");
    }
}
