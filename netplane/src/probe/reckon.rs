//! PURE. What a probe that ended comes to: counted in, and the verdict where there is one.

use std::time::SystemTime;

use super::Verdict;
use super::entries::Entry;
use super::guard::Sight;
use super::inquiry::Answer;
use super::outcome::Outcome;
use crate::plan::Health;

/// What came of it.
#[derive(Debug)]
pub(super) struct Reckoned {
    /// What is to be said, if anything.
    pub(super) verdict: Option<Verdict>,
    /// The health is another than before.
    pub(super) turned: bool,
    /// What the server asks for is something else than before.
    pub(super) advised: bool,
    /// What the guard shall know.
    pub(super) sight: Sight,
}

impl Entry {
    /// Counts in what a probe found, or an inquiry with its `answer`, which `answers` somebody.
    pub(super) fn reckon(
        &mut self,
        answer: Option<Answer>,
        answers: Option<u64>,
        outcome: &Outcome,
        at: SystemTime,
    ) -> Reckoned {
        let turned = self.count(answer, outcome).is_some();
        let advised = self.advise(outcome);
        let spoke = !matches!(answer, Some(Answer::Nothing));
        let health = self.tally.health();
        let answers = answers.filter(|_| spoke);
        let verdict = (turned || advised || answers.is_some()).then(|| Verdict {
            key: self.check.key.clone(),
            health,
            advice: self.advice,
            reason: reason(health, outcome),
            reached: outcome.is_reached(),
            at,
            answers,
        });
        self.decided |= verdict.is_some();
        Reckoned {
            verdict,
            turned,
            advised,
            sight: Sight::of(self.tally, turned),
        }
    }
}

/// Why a check has this health after this outcome.
fn reason(health: Health, outcome: &Outcome) -> String {
    match health == Health::Down && matches!(outcome, Outcome::Pass(_)) {
        true => format!("{outcome}, but not often enough yet"),
        false => outcome.to_string(),
    }
}
