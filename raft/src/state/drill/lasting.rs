//! What a drill broke in earnest: still so a while after its end, it is a drill no more, and
//! whoever is on call hears of it.

use super::RunId;
use crate::id::UnixMillis;
use crate::state::incident::{Addressed, Event};
use crate::state::{Page, State, Subject};

impl State {
    /// When the first thing that a drill broke has been broken for too long; `None`: nothing is.
    pub(in crate::state) fn next_in_earnest(&self) -> Option<UnixMillis> {
        self.drills.harm.as_ref()?;
        let doing = self.incidents.iter().filter_map(|(subject, id)| {
            let run = self.pages.get(id).and_then(|page| page.drill)?;
            (*subject != Subject::Drill(run)).then(|| self.in_earnest_at(run))
        });
        doing.min()
    }

    fn in_earnest_at(&self, run: RunId) -> UnixMillis {
        let harm = self.drills.harm.as_ref().filter(|harm| harm.run == run);
        // Another drill has begun since: its own page is no reason to wait.
        harm.map_or(UnixMillis(0), |harm| {
            UnixMillis(harm.until.0.saturating_add(REST_MS))
        })
    }

    /// Tells whoever is on call of all that; whether there was anything.
    pub(in crate::state) fn tell_in_earnest(&mut self, now: UnixMillis) -> bool {
        if self.next_in_earnest().is_none_or(|due| due > now) {
            return false;
        }
        let due = |page: &&Page| {
            let drill = page
                .drill
                .filter(|run| page.subject != Subject::Drill(*run));
            drill.is_some_and(|run| self.in_earnest_at(run) <= now)
        };
        let open = self.incidents.values();
        let open = open.filter_map(|id| self.pages.get(id)).filter(due);
        let told: Vec<Page> = open.cloned().collect();
        for page in &told {
            let cause = format!("{}; still so after the drill that began it", page.cause);
            let event = Event {
                at: now,
                cause,
                left: page.left.clone(),
                evidence: page.evidence.clone(),
                verdict: page.verdict,
            };
            let rungs = self.config.rungs(&page.subject);
            let to = Addressed { drill: None, rungs };
            self.write_incident_to(page.kind, page.subject.clone(), event, to);
        }
        !told.is_empty()
    }
}

/// A daemon starts, and checks rise, within this after the failure has ended.
const REST_MS: u64 = 60_000;
