//! Which pages are a drill's doing, and what became of them.
//!
//! A page is marked when what it is about lies within the radius, and happened while the failure
//! was there. Whatever else happens meanwhile is real, and is paged as ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{DrillKind, Harm, PageCount, RunId};
use crate::id::{ContactName, FarmName, NodeId, UnixMillis};
use crate::state::incident::{Addressed, Event};
use crate::state::ladder::Rung;
use crate::state::{Applied, Config, Now, Page, PageKind, Parent, Reject, State, Subject, Trouble};

impl Harm {
    /// Whether something that happened then is its doing, as far as time says.
    fn covers(&self, at: UnixMillis) -> bool {
        let from = self.from.0.saturating_sub(CLOCKS_APART_MS);
        let until = self.until.0.saturating_add(CLOCKS_APART_MS);
        (from..=until).contains(&at.0)
    }

    /// Whether something is within the radius.
    fn hits(&self, config: &Config, subject: &Subject) -> bool {
        let radius = &self.radius;
        match subject {
            Subject::Server(..) | Subject::Watch(_) => {
                Parent::of(subject).is_some_and(|member| self.hits_member(config, &member))
            }
            Subject::Farm(farm) | Subject::Strength(farm) => self.hits_farm(config, farm),
            Subject::Node(node)
            | Subject::Path(node)
            | Subject::Trouble(
                Trouble::Meddling(node) | Trouble::Carrier(node) | Trouble::Disk(node),
            ) => radius.nodes.contains(node),
            Subject::Vip(vip) | Subject::Trouble(Trouble::Claim(vip, _)) => {
                radius.vips.contains(vip)
            }
            // One node less is no majority less, unless another is really gone.
            Subject::Quorum => self.kind == DrillKind::QuorumLoss,
            Subject::Drill(run) => *run == self.run,
            Subject::Channel(..) | Subject::Rehearsal(_) => false,
        }
    }

    fn hits_member(&self, config: &Config, member: &Parent) -> bool {
        let members = &self.radius.members;
        let above = || config.ancestors_of(member);
        !members.is_empty()
            && (members.contains(member) || above().iter().any(|one| members.contains(one)))
    }

    fn hits_farm(&self, config: &Config, farm: &FarmName) -> bool {
        let servers = config.farms.get(farm).map(|farm| farm.servers.keys());
        let mut servers = servers.into_iter().flatten();
        servers
            .any(|server| self.hits_member(config, &Parent::Server(farm.clone(), server.clone())))
    }
}

impl State {
    /// The run whose doing it is when something about a subject happens at a time; `None`: it is
    /// real.
    pub fn drill_of(&self, subject: &Subject, at: UnixMillis) -> Option<RunId> {
        if let Subject::Drill(run) = subject {
            return Some(*run);
        }
        let harm = self.drills.harm.as_ref()?;
        (harm.covers(at) && harm.hits(&self.config, subject)).then_some(harm.run)
    }

    /// The run whose doing it is when this node says, by its own word, that no majority answers it:
    /// one that takes that node from the others. Whoever is not hit still has a majority, or lost
    /// it in earnest.
    pub fn drill_severing(&self, me: NodeId, at: UnixMillis) -> Option<RunId> {
        let harm = self.drills.harm.as_ref()?;
        (harm.covers(at) && harm.radius.nodes.contains(&me)).then_some(harm.run)
    }

    /// What became of the pages of a run, by what is known at `now`; one that took longer than
    /// `page_ms`, or has not come after that time, is late.
    ///
    /// What a node told by its own word, without a majority, is not known here.
    pub fn drill_pages(&self, run: RunId, page_ms: u64, now: UnixMillis) -> PageCount {
        let mut count = PageCount::default();
        let all = self.pages.iter();
        let ours = all.filter(|page| page.drill == Some(run) && page.kind != PageKind::Up);
        for page in ours {
            count.sent += 1;
            count.late += u64::from(is_late(page, page_ms, now));
            count.acknowledged += u64::from(page.acknowledged.is_some());
            let doubled = page.deliveries.values().map(|made| u64::from(made.doubled));
            count.doubled += doubled.sum::<u64>();
        }
        count
    }

    pub(in crate::state) fn open_drill_page(
        &mut self,
        now: Now,
        run: RunId,
        contacts: BTreeSet<ContactName>,
    ) -> Result<Applied, Reject> {
        let running = self.drills.running.as_ref();
        let Some(running) = running.filter(|running| running.id == run) else {
            return self.known_drill(run);
        };
        let subject = Subject::Drill(run);
        if self.incidents.contains_key(&subject) {
            return Ok(Applied::Unchanged);
        }
        let evidence = format!(
            "drill {}, run {run}, by {}",
            running.order.kind, running.order.by
        );
        let mut rungs = self.config.rungs_of(&subject, Some(run));
        if !contacts.is_empty() {
            let known = contacts.into_iter();
            let known = known.filter(|contact| self.config.contacts.contains_key(contact));
            let rung = |contact| Rung {
                contact,
                step: 0,
                after_ms: 0,
            };
            rungs = known.map(rung).collect();
        }
        let event = Event {
            evidence: vec![evidence],
            ..Event::plain(now.at, DRILL_PAGE.to_owned())
        };
        let drill = Some(run);
        self.write_incident_to(PageKind::Down, subject, event, Addressed { drill, rungs });
        Ok(Applied::Done)
    }

    /// Nobody is told or reminded of the page of a run that is over.
    pub(super) fn forget_drill_page(&mut self, run: RunId, at: UnixMillis) {
        let subject = Subject::Drill(run);
        if self.incidents.contains_key(&subject) {
            self.forget_incident(&subject, at);
            // Its number is never used again, nor is its subject.
            Arc::make_mut(&mut self.transitions).retain(|kept| *kept != subject);
        }
    }
}

/// Whoever hears first has not heard in time.
fn is_late(page: &Page, page_ms: u64, now: UnixMillis) -> bool {
    let latest = page.at.0.saturating_add(page_ms);
    let first = page.deliveries.values().filter(|made| made.step == 0);
    let mut told = first.map(|made| made.told);
    told.any(|told| told.map_or(now, |told| told.at).0 > latest)
}

/// Nodes' clocks, and how long a prober looks before it says so; whoever plans a drill looked at
/// that there is nothing real within its radius before.
const CLOCKS_APART_MS: u64 = 2_000;

/// What it says where others have the cause of a failure.
const DRILL_PAGE: &str = "nothing is wrong: this is a drill; please acknowledge it";
