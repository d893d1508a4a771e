//! A bar for each row: small, without a script, and readable on light and on dark.

use std::fmt::Write as _;

use crate::pairs::{Outcome, Spread};

const WIDTH: f64 = 640.0;
/// Where the bars begin, and how long the longest is.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 380.0;
const ROW: f64 = 28.0;
const HEAD: f64 = 40.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}\
    .title{font-weight:600}.other{fill:#8c959f}.ours{fill:#bc4c00}.spread{stroke:#24292f}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.other{fill:#6e7681}.ours{fill:#f0883e}\
    .spread{stroke:#e6edf3}}";

/// Draws one scenario: the median as a bar, least and most as a line over its end.
pub(crate) fn draw(outcome: &Outcome) -> String {
    let rows: Vec<(&str, Spread)> = outcome
        .rows
        .iter()
        .filter_map(|(who, values)| Some((who.as_str(), Spread::of(values)?)))
        .collect();
    let most = rows.iter().map(|(_, it)| it.most).fold(f64::MIN_POSITIVE, f64::max);
    let height = HEAD + ROW * rows.len() as f64 + 8.0;
    let title = format!("{}: {}", outcome.scenario, outcome.unit);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"8\" y=\"22\">{title}</text>\n"
    );
    for (index, (who, spread)) in rows.iter().enumerate() {
        let y = HEAD + ROW * index as f64;
        row(&mut text, y, who, *spread, LONGEST / most).unwrap_or_default();
    }
    text + "</svg>\n"
}

fn row(text: &mut String, y: f64, who: &str, spread: Spread, scale: f64) -> std::fmt::Result {
    let Spread { median, least, most } = spread;
    let class = if who == "Larder" { "ours" } else { "other" };
    let (bar, middle, base) = (median * scale, y + 10.0, y + 14.5);
    let (from, to) = (LEFT + least * scale, LEFT + most * scale);
    writeln!(text, "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{who}</text>", LEFT - 8.0)?;
    writeln!(
        text,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{bar:.1}\" height=\"20\" rx=\"2\"/>"
    )?;
    writeln!(text, "<path class=\"spread\" d=\"M{from:.1} {middle}H{to:.1}\" fill=\"none\"/>")?;
    let end = LEFT + (most * scale).max(bar) + 8.0;
    writeln!(text, "<text x=\"{end:.1}\" y=\"{base}\">{median:.1}</text>")
}
