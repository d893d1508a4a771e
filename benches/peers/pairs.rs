//! Measures in turn, A B A B …, and compares what was measured next to each other.

use larder::clock::Clock;
use serde_json::{Value, json};

use crate::{bare::Failure, machine::Watch};

/// How often a disturbed measure is made again before its round is given up.
const TRIES: usize = 4;

/// How much to measure.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    pub(crate) clock: Clock,
    pub(crate) rounds: usize,
    /// Of one measure.
    pub(crate) seconds: u64,
    /// Takes disturbed measures, too: to try the program out, not to measure.
    pub(crate) noisy: bool,
    /// A run to see that everything works: small numbers everywhere.
    pub(crate) quick: bool,
}

/// What is measured, and how.
pub(crate) struct Contender<'a> {
    pub(crate) who: String,
    pub(crate) measure: Box<dyn FnMut() -> Result<f64, Failure> + 'a>,
}

/// A ratio that matters, and what it must not exceed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) of: &'static str,
    pub(crate) to: &'static str,
    pub(crate) at_most: Option<f64>,
}

/// What a scenario came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) unit: &'static str,
    /// In order; each has as many values as there were rounds.
    pub(crate) rows: Vec<(String, Vec<f64>)>,
    pub(crate) targets: Vec<Target>,
    /// Measures that were thrown away.
    pub(crate) discarded: usize,
    pub(crate) notes: Vec<String>,
}

/// Median, least and most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Effort {
    /// Measures all contenders in turn, until there are enough rounds that nobody disturbed or
    /// twice as many were tried.
    pub(crate) fn alternate(
        &self,
        scenario: &'static str,
        unit: &'static str,
        contenders: &mut [Contender<'_>],
    ) -> Result<Outcome, Failure> {
        let names = contenders.iter().map(|it| (it.who.clone(), Vec::new()));
        let mut rows: Vec<(String, Vec<f64>)> = names.collect();
        let (mut rounds, mut discarded, mut notes) = (0, 0, Vec::new());
        for _ in 0..2 * self.rounds {
            let mut round = Vec::new();
            for contender in contenders.iter_mut() {
                let Some(value) = self.undisturbed(contender, &mut discarded)? else { break };
                round.push(value);
            }
            if round.len() == rows.len() {
                rows.iter_mut().zip(round).for_each(|(row, value)| row.1.push(value));
                rounds += 1;
            }
            if rounds == self.rounds {
                break;
            }
        }
        if rounds < self.rounds {
            notes.push(format!("only {rounds} rounds were left undisturbed"));
        }
        Ok(Outcome { scenario, unit, rows, targets: Vec::new(), discarded, notes })
    }

    fn undisturbed(
        &self,
        contender: &mut Contender<'_>,
        discarded: &mut usize,
    ) -> Result<Option<f64>, Failure> {
        for _ in 0..TRIES {
            let watch = Watch::begin(&self.clock)?;
            let value = (contender.measure)()?;
            if self.noisy || watch.disturbed(&self.clock)?.is_none() {
                return Ok(Some(value));
            }
            *discarded += 1;
        }
        Ok(None)
    }
}

impl Outcome {
    /// Names a ratio that matters.
    pub(crate) fn target(
        mut self,
        of: &'static str,
        to: &'static str,
        at_most: Option<f64>,
    ) -> Outcome {
        let known = |name: &str| self.rows.iter().any(|(who, _)| who == name);
        if known(of) && known(to) {
            self.targets.push(Target { of, to, at_most });
        }
        self
    }

    /// Adds a sentence.
    pub(crate) fn note(mut self, note: String) -> Outcome {
        self.notes.push(note);
        self
    }

    /// The ratio, pair by pair.
    pub(crate) fn ratio(&self, target: &Target) -> Option<Spread> {
        let values = |name: &str| self.rows.iter().find(|(who, _)| who == name).map(|it| &it.1);
        let pairs = values(target.of)?.iter().zip(values(target.to)?);
        Spread::of(&pairs.map(|(of, to)| of / to).collect::<Vec<f64>>())
    }

    /// For machines to read.
    pub(crate) fn json(&self) -> Value {
        let spread = |it: Spread| json!({ "median": it.median, "min": it.least, "max": it.most });
        let row = |(who, values): &(String, Vec<f64>)| json!({ "who": who, "spread": Spread::of(values).map(spread), "values": values });
        let ratio = |it: &Target| {
            let measured = self.ratio(it).map(spread);
            json!({ "of": it.of, "to": it.to, "at_most": it.at_most, "measured": measured })
        };
        json!({
            "scenario": self.scenario,
            "unit": self.unit,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "ratios": self.targets.iter().map(ratio).collect::<Vec<_>>(),
            "discarded": self.discarded,
            "notes": self.notes,
        })
    }
}

impl Spread {
    /// Of any values at all.
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread { median: f64::midpoint(low, high), least, most })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "\n== {} ({})", self.scenario, self.unit)?;
        for (who, values) in &self.rows {
            let Some(Spread { median, least, most }) = Spread::of(values) else { continue };
            writeln!(f, "  {who:<24} {median:>11.2}   {least:>10.2} … {most:<10.2}")?;
        }
        for target in &self.targets {
            let Some(Spread { median, least, most }) = self.ratio(target) else { continue };
            let verdict = match target.at_most {
                Some(most) if median <= most => format!("at most {most}: holds"),
                Some(most) => format!("at most {most}: MISSED"),
                None => String::new(),
            };
            let (of, to) = (target.of, target.to);
            writeln!(f, "  {of} / {to}: {median:.2} ({least:.2} … {most:.2})  {verdict}")?;
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        writeln!(f, "  measures discarded: {}", self.discarded)
    }
}
