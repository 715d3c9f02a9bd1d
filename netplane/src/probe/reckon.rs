//! PURE. What a probe that ended comes to: counted in, and the verdict where there is one.

use std::time::{Duration, Instant, SystemTime};

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
    ///
    /// What was said and the log does not show after a while is said again: whoever reports it may
    /// have had no right to for a moment, and forgotten it, while it was probed all along.
    pub(super) fn reckon(
        &mut self,
        answer: Option<Answer>,
        answers: Option<u64>,
        outcome: &Outcome,
        (now, at): (Instant, SystemTime),
    ) -> Reckoned {
        let turned = self.count(answer, outcome).is_some();
        let advised = self.advise(outcome);
        let spoke = !matches!(answer, Some(Answer::Nothing));
        let health = self.tally.health();
        let answers = answers.filter(|_| spoke);
        let again = self.is_unheard(outcome, now);
        let verdict = (turned || advised || again || answers.is_some()).then(|| Verdict {
            key: self.check.key.clone(),
            health,
            advice: self.advice,
            reason: reason(health, outcome),
            reached: outcome.is_reached(),
            at,
            answers,
        });
        if verdict.is_some() {
            (self.decided, self.said) = (true, Some(now));
        }
        Reckoned {
            verdict,
            turned,
            advised,
            sight: Sight::of(self.tally, turned),
        }
    }
}

impl Entry {
    /// Whether the log should know by now what this probe confirms, and does not.
    fn is_unheard(&self, outcome: &Outcome, now: Instant) -> bool {
        let health = self.tally.health();
        let confirms = match outcome {
            Outcome::Pass(_) => health == Health::Up,
            Outcome::Fail(_) => health == Health::Down,
            Outcome::Inconclusive(_) => false,
        };
        let late = |said: Instant| now.saturating_duration_since(said) >= AGAIN_AFTER;
        confirms && self.said.is_some_and(late) && self.plan().remembered != health
    }
}

/// Why a check has this health after this outcome.
fn reason(health: Health, outcome: &Outcome) -> String {
    match health == Health::Down && matches!(outcome, Outcome::Pass(_)) {
        true => format!("{outcome}, but not often enough yet"),
        false => outcome.to_string(),
    }
}

/// Between two words on the same: twice as long as the log may take before a node pages by its own.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Advice, ProbeKey, ProbeKind, ProbePlan};
    use crate::probe::{Failure, Success};

    fn plan(remembered: Health) -> ProbePlan {
        let second = Duration::from_secs(1);
        ProbePlan {
            target: ([127, 0, 0, 1], 9).into(),
            kind: ProbeKind::Tcp,
            proxy: None,
            interval: second,
            timeout: second,
            fall: 2,
            rise: 2,
            remembered,
            advised: Advice::None,
            asked: 0,
        }
    }

    /// A node lost its right to report for a moment, its reporter forgot what was down, and the
    /// prober, which had not been told to stop, had said it already: the log never heard it.
    #[test]
    fn what_the_log_does_not_show_is_said_again_and_what_it_shows_is_not() {
        let start = Instant::now();
        let mut entry = Entry::new(ProbeKey::Watch("fs1".into()), plan(Health::Up));
        let refused = Outcome::Fail(Failure::Refused);
        let passed = Outcome::Pass(Success::Connected);
        let said = |entry: &mut Entry, second: u64, outcome: &Outcome| {
            let now = start + Duration::from_secs(second);
            let reckoned = entry.reckon(None, None, outcome, (now, SystemTime::now()));
            reckoned.verdict.map(|said| (said.health, reckoned.turned))
        };
        assert_eq!(said(&mut entry, 0, &refused), None);
        let down = Some((Health::Down, true));
        assert_eq!(said(&mut entry, 1, &refused), down);
        for second in 2..11 {
            assert_eq!(said(&mut entry, second, &refused), None);
        }
        assert_eq!(said(&mut entry, 11, &passed), None, "it says otherwise");
        let again = Some((Health::Down, false));
        assert_eq!(said(&mut entry, 12, &refused), again);
        assert_eq!(said(&mut entry, 13, &refused), None, "not at once");
        entry.replan(plan(Health::Down));
        assert_eq!(said(&mut entry, 30, &refused), None, "the log shows it");
    }
}
