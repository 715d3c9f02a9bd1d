//! Ladders: who is paged first, and who after them as long as nobody takes the page on.
//!
//! ```text
//!   page --0--> ops --10m, nobody acknowledged--> boss --30m--> everybody
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::drill::RunId;
use super::fault::Faults;
use super::{ChannelKind, Config, FaultKind, Parent, State, Subject};
use crate::id::{ContactName, LadderName, RequestId, UnixMillis};

/// Contacts in order, with delays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ladder {
    /// The first at once, the others later; 1 to 10.
    pub steps: Vec<Step>,
}

/// Who is told together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How long after the page; 0 for the first, rising, at most a day.
    pub after: Duration,
    /// Who; nobody stands in a ladder twice.
    pub contacts: BTreeSet<ContactName>,
}

/// Whom a page would reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Who.
    pub contact: ContactName,
    /// In which step; 0 first.
    pub step: u8,
    /// How long after the page, in milliseconds.
    pub after_ms: u64,
}

/// What would happen if something went down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What it is about, in words.
    pub title: String,
    /// The ladder that counts; `None`: everybody at once.
    pub ladder: Option<LadderName>,
    /// Why there would be no page of its own; empty: there would be.
    pub held: String,
    /// The silence that hushes it.
    pub silenced: Option<u64>,
    /// Who would hear of it, in order; nobody while it is silenced or in maintenance.
    pub calls: Vec<PreviewCall>,
}

/// One message of a [`Preview`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewCall {
    /// Who and in which step.
    pub rung: Rung,
    /// When it would leave, by the window that is open now.
    pub at: UnixMillis,
    /// Through which channels, in the order in which they are tried.
    pub channels: Vec<ChannelKind>,
}

impl Ladder {
    /// What is wrong with it, beside what else is configured.
    pub(super) fn check(&self, at: &str, config: &Config, faults: &mut Faults) {
        let here = format!("{at}.steps");
        let (have, max) = (self.steps.len(), STEPS_MAX);
        if have > max {
            faults.add(&here, FaultKind::TooMany { have, max });
        }
        if have == 0 {
            faults.add(&here, FaultKind::Missing);
        }
        let mut seen = BTreeSet::new();
        let mut before: Option<Duration> = None;
        for (number, step) in self.steps.iter().enumerate() {
            let least = before.map_or(Duration::ZERO, |before| before + STEP_MIN);
            let most = match number {
                0 => Duration::ZERO,
                _ => AFTER_MAX,
            };
            let have = step.after;
            if !(least..=most).contains(&have) {
                let (min, max) = (least, most);
                faults.add(&here, FaultKind::Duration { have, min, max });
            }
            before = Some(step.after);
            if step.contacts.is_empty() {
                faults.add(&here, FaultKind::Missing);
            }
            for contact in &step.contacts {
                if !config.contacts.contains_key(contact) {
                    let (what, name) = ("contact".to_owned(), contact.to_string());
                    faults.add(&here, FaultKind::Dangling { what, name });
                }
                if !seen.insert(contact) {
                    faults.add(&here, FaultKind::Twice(contact.to_string()));
                }
            }
        }
    }
}

impl Config {
    /// Ladders exist where they are named.
    pub(super) fn check_ladders(&self, faults: &mut Faults) {
        for (name, ladder) in &self.ladders {
            ladder.check(&format!("ladder[{name}]"), self, faults);
        }
        let farms = self.farms.iter();
        let farms = farms.map(|(name, farm)| (format!("farm[{name}].ladder"), &farm.ladder));
        let watches = self.watches.iter();
        let watches = watches.map(|(name, watch)| (format!("watch[{name}].ladder"), &watch.ladder));
        let paging = [("paging.ladder".to_owned(), &self.paging.ladder)];
        for name in &self.paging.drill_contacts {
            if !self.contacts.contains_key(name) {
                let (what, name) = ("contact".to_owned(), name.to_string());
                faults.add("paging.drill_contacts", FaultKind::Dangling { what, name });
            }
        }
        for (at, ladder) in farms.chain(watches).chain(paging) {
            if let Some(name) = ladder
                && !self.ladders.contains_key(name)
            {
                let (what, name) = ("ladder".to_owned(), name.to_string());
                faults.add(at, FaultKind::Dangling { what, name });
            }
        }
    }

    /// The ladder of what pages are about; `None`: everybody at once.
    pub fn ladder_of(&self, subject: &Subject) -> Option<&LadderName> {
        let own = match subject {
            Subject::Server(farm, _) | Subject::Farm(farm) | Subject::Strength(farm) => {
                self.farms.get(farm).and_then(|farm| farm.ladder.as_ref())
            }
            Subject::Watch(watch) => self.watches.get(watch).and_then(|w| w.ladder.as_ref()),
            // Whoever stands first may be the one who cannot be reached.
            Subject::Channel(..) => return None,
            Subject::Node(_)
            | Subject::Path(_)
            | Subject::Vip(_)
            | Subject::Trouble(_)
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Quorum => None,
        };
        own.or(self.paging.ladder.as_ref())
    }

    /// Who hears of something, in order; of what a drill did, whoever is chosen for that.
    pub fn rungs_of(&self, subject: &Subject, drill: Option<RunId>) -> Vec<Rung> {
        let chosen = &self.paging.drill_contacts;
        if drill.is_none() || chosen.is_empty() {
            return self.rungs(subject);
        }
        let rung = |contact: &ContactName| Rung {
            contact: contact.clone(),
            step: 0,
            after_ms: 0,
        };
        chosen.iter().map(rung).collect()
    }

    /// Who hears of something real, in order.
    pub fn rungs(&self, subject: &Subject) -> Vec<Rung> {
        let ladder = self
            .ladder_of(subject)
            .and_then(|name| self.ladders.get(name));
        let Some(ladder) = ladder else {
            let all = self.contacts.keys().cloned();
            let rung = |contact| Rung {
                contact,
                step: 0,
                after_ms: 0,
            };
            return all.map(rung).collect();
        };
        let steps = (0..).zip(&ladder.steps);
        let rungs = steps.flat_map(|(step, Step { after, contacts })| {
            contacts.iter().map(move |contact| Rung {
                contact: contact.clone(),
                step,
                after_ms: super::millis(*after),
            })
        });
        rungs.collect()
    }
}

impl State {
    /// Who would hear of it, when and how, if something went down at `now`.
    pub fn preview(&self, subject: &Subject, now: UnixMillis) -> Preview {
        let storm = super::millis(self.config.paging.storm);
        let present = super::Present {
            at: now,
            request: RequestId(0),
        };
        let silenced = self.silence_of(subject);
        let suspended = Parent::of(subject).is_some_and(|it| self.config.is_suspended(&it));
        let drill = self.drill_of(subject, now);
        let mut rungs = self.config.rungs_of(subject, drill);
        rungs.retain(|_| silenced.is_none() && !suspended);
        let calls = rungs.into_iter().map(|rung| {
            let at = self
                .bundles
                .would_leave(&rung.contact, present, rung.after_ms, storm);
            let channels = self.config.contacts.get(&rung.contact);
            let channels = channels.map_or(&[][..], |contact| &contact.channels);
            PreviewCall {
                at,
                channels: channels.iter().map(super::Channel::kind).collect(),
                rung,
            }
        });
        let calls = calls.collect();
        Preview {
            title: self.title(subject),
            ladder: self.config.ladder_of(subject).cloned(),
            held: self.why_held(subject),
            silenced,
            calls,
        }
    }

    /// Why a failure would get no page of its own.
    fn why_held(&self, subject: &Subject) -> String {
        if self.incidents.contains_key(subject) {
            return "it is down already, and was paged".to_owned();
        }
        let Some(member) = Parent::of(subject) else {
            return String::new();
        };
        if self.config.is_suspended(&member) {
            return "it is in maintenance by order".to_owned();
        }
        let mut ancestors = self.config.ancestors_of(&member).into_iter();
        match ancestors.find(|parent| self.is_down(parent)) {
            Some(parent) => format!("{parent} is down, on which it depends"),
            None => String::new(),
        }
    }
}

/// Longer ladders end at nobody.
const STEPS_MAX: usize = 10;

/// Closer steps are one.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Whoever hears after a day hears too late.
const AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);
