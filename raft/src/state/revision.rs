//! Revisions: each change of the configuration, numbered, with an author and a diff.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::plain;
use super::{Applied, Author, Config, Kin, Now, Reject, State, Subject, Trouble, diff};
use crate::id::{RevisionId, UnixMillis};

/// One change of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number.
    pub id: RevisionId,
    /// Who made it.
    pub author: Author,
    /// When, by the proposer's clock.
    pub at: UnixMillis,
    /// Why, in the author's words; may be empty.
    pub note: String,
    /// What changed, one line each, without secrets; at most 100 lines.
    pub diff: Vec<String>,
}

impl Author {
    /// Whether it can be written down.
    pub(super) fn check(&self) -> Result<(), Reject> {
        plain(&self.0, 1, AUTHOR_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the author".to_owned(),
            min: 1,
            max: AUTHOR_CHARS_MAX,
        })
    }
}

impl State {
    pub(super) fn configure(
        &mut self,
        now: Now,
        author: Author,
        base: RevisionId,
        config: Config,
        note: String,
    ) -> Result<Applied, Reject> {
        self.check_change(&author, base, &note)?;
        self.replace_config(now, author, config, note)
    }

    pub(super) fn roll_back(
        &mut self,
        now: Now,
        author: Author,
        base: RevisionId,
        to: RevisionId,
        note: String,
    ) -> Result<Applied, Reject> {
        self.check_change(&author, base, &note)?;
        let config = self.config_again(to)?;
        self.replace_config(now, author, config, note)
    }

    fn check_change(&self, author: &Author, base: RevisionId, note: &str) -> Result<(), Reject> {
        author.check()?;
        plain(note, 0, NOTE_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the note".to_owned(),
            min: 0,
            max: NOTE_CHARS_MAX,
        })?;
        if base != self.revision {
            return Err(Reject::RevisionMoved {
                base,
                newest: self.revision,
            });
        }
        Ok(())
    }

    fn replace_config(
        &mut self,
        now: Now,
        author: Author,
        config: Config,
        note: String,
    ) -> Result<Applied, Reject> {
        if config == *self.config {
            return Ok(Applied::Unchanged);
        }
        let faults = config.faults(&self.nodes);
        if !faults.is_empty() {
            return Err(Reject::InvalidConfig(faults));
        }
        let made = self.revise(now, author, config, note);
        self.past.keep(self.revision, &self.config);
        Ok(made)
    }

    /// Makes a valid configuration the present one, and everything else follow it.
    pub(super) fn revise(
        &mut self,
        now: Now,
        author: Author,
        config: Config,
        note: String,
    ) -> Applied {
        let old = std::mem::replace(&mut self.config, Arc::new(config));
        let new = Arc::clone(&self.config);
        let id = RevisionId(self.revision.0 + 1);
        self.revision = id;
        let diff = diff(&old, &new);
        self.revisions.push_back(Arc::new(Revision {
            id,
            author,
            at: now.at,
            note,
            diff,
        }));
        if self.revisions.len() > REVISIONS_MAX {
            self.revisions.pop_front();
        }
        self.kin = Kin::default();
        self.forget_fallen(&new);
        self.forget_maintenances(&new);
        self.vips.retain(|name, _| new.vips.contains_key(name));
        self.ballots.retain(|name, _| new.vips.contains_key(name));
        self.carry_health(now, &old, &new);
        self.forget_subjects(now, &new);
        if old.contacts != new.contacts {
            self.expire_deliveries();
        }
        self.prune_holds();
        self.settle_drills(&old, now.at);
        self.judge(
            new.members().collect(),
            new.farms.keys().cloned().collect(),
            now.at,
        );
        Applied::Revision(id)
    }

    /// Closes the incidents of what is gone, without a word.
    fn forget_subjects(&mut self, now: Now, config: &Config) {
        let exists = |subject: &Subject| match subject {
            Subject::Server(farm, server) => config
                .farms
                .get(farm)
                .is_some_and(|farm| farm.servers.contains_key(server)),
            Subject::Watch(watch) => config.watches.contains_key(watch),
            Subject::Farm(farm) | Subject::Strength(farm) => config.farms.contains_key(farm),
            Subject::Vip(vip) | Subject::Trouble(Trouble::Claim(vip, _)) => {
                config.vips.contains_key(vip)
            }
            Subject::Channel(contact, kind) => config
                .contacts
                .get(contact)
                .is_some_and(|contact| contact.channel(*kind).is_some()),
            Subject::Node(_)
            | Subject::Path(_)
            | Subject::Trouble(Trouble::Meddling(_) | Trouble::Carrier(_) | Trouble::Disk(_))
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Quorum => true,
        };
        let gone: Vec<Subject> = self
            .incidents
            .keys()
            .filter(|s| !exists(s))
            .cloned()
            .collect();
        for subject in &gone {
            self.forget_incident(subject, now.at);
        }
        self.flaps.retain(exists);
        if self.transitions.subjects().any(|subject| !exists(subject)) {
            Arc::make_mut(&mut self.transitions).retain(exists);
        }
    }
}

/// A certificate's common name, or `root@host`.
pub(super) const AUTHOR_CHARS_MAX: usize = 100;

/// A paragraph.
const NOTE_CHARS_MAX: usize = 500;

/// Years of changes; bounds the snapshot.
const REVISIONS_MAX: usize = 1_000;
