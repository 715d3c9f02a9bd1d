//! Judging: what health and orders amount to, compared with what was said of it.
//!
//! ```text
//!   standing, holds                                incidents
//!     down, nothing open, nothing explains it  ->  page Down
//!     down, and something explains it          ->  a hold, and no page (`hold`)
//!     up, one open                             ->  page Up
//!     in maintenance                           ->  closed, no page
//!     unknown                                  ->  nothing
//! ```
//! It compares the whole of a thing, and of its farm, with what was said, so that it does not
//! matter what changed.

use std::collections::BTreeSet;

use super::hold::{Blame, HoldKind};
use super::incident::Event;
use super::standing::FarmCondition;
use super::{Health, PageKind, Parent, State, Subject};
use crate::id::{FarmName, UnixMillis};

impl State {
    /// Opens and closes what the standing of these things, their farms and these `farms` asks for.
    pub(super) fn judge(
        &mut self,
        members: BTreeSet<Parent>,
        mut farms: BTreeSet<FarmName>,
        at: UnixMillis,
    ) {
        // Holds come and go with others' verdicts, in whatever farm; who is held is undecided.
        farms.extend(self.held_farms());
        for member in &members {
            self.judge_member(member, at);
        }
        farms.extend(self.held_farms());
        farms.extend(members.into_iter().filter_map(farm_of));
        for farm in &farms {
            self.judge_farm(farm, at);
        }
    }

    fn held_farms(&self) -> BTreeSet<FarmName> {
        let held = self.holds.iter().map(|(member, _)| member.clone());
        held.filter_map(farm_of).collect()
    }

    fn judge_member(&mut self, member: &Parent, at: UnixMillis) {
        let subject = member.subject();
        if self.config.is_suspended(member) {
            self.forget_incident(&subject, at);
            self.forget_flap(&subject);
            self.holds.remove(member);
            self.lift_shadow(member);
            return;
        }
        let open = self.told_down(&subject);
        match (self.member_health(member), open) {
            (Health::Down, None) => match self.holds.get(member) {
                None => self.page_or_hold(member, at),
                Some(HoldKind::Recovering(_)) => {
                    self.blame_again(member);
                }
                Some(
                    HoldKind::Asking { .. }
                    | HoldKind::Shadowed(_)
                    | HoldKind::Doubted(_)
                    | HoldKind::Blind { .. }
                    | HoldKind::Sighted { .. },
                ) => {}
            },
            (Health::Up, open) => {
                if let Some(down) = open {
                    let event = self.up_event(member, down, at);
                    self.close_incident(subject, event);
                }
                self.holds.remove(member);
                self.lift_shadow(member);
            }
            (Health::Down, Some(_)) | (Health::Unknown, _) => {}
        }
    }

    fn page_or_hold(&mut self, member: &Parent, at: UnixMillis) {
        let mut waiting = Vec::new();
        match self.blame(member, &mut waiting) {
            Blame::Itself => self.page_unless_doubted(member, "", at),
            Blame::Held => self.note_fall_beside(member),
        }
        for asker in waiting {
            self.page_or_hold_again(&asker, "", at);
        }
    }

    fn page_or_hold_again(&mut self, member: &Parent, lead: &str, at: UnixMillis) {
        match self.blame_again(member) {
            Blame::Itself => self.page_unless_doubted(member, lead, at),
            Blame::Held => self.note_fall_beside(member),
        }
    }

    /// Something is down by itself, and gets its page, unless whoever says so may not see, or
    /// another node has still to say what it sees.
    fn page_unless_doubted(&mut self, member: &Parent, lead: &str, at: UnixMillis) {
        if self.told_down(&member.subject()).is_some() {
            self.holds.remove(member);
            return;
        }
        let reporter = self.reporter_of(member);
        if let Some(node) = reporter {
            self.tell_culprit(node, Some(member), at);
        }
        if let Some(node) = self.blind_reporter(member) {
            self.holds.set(member.clone(), HoldKind::Blind { node });
            return;
        }
        let asked = self.holds.get(member).and_then(HoldKind::doubt).cloned();
        let doubt = match asked {
            Some(asked) if !asked.is_open() => None,
            Some(asked) => Some(asked),
            None => self.doubt(member, lead),
        };
        match doubt {
            Some(doubt) => self.holds.set(member.clone(), HoldKind::Doubted(doubt)),
            None => self.page_down(member, lead, at),
        }
    }

    /// Something is down by itself, and gets its page unless it has one; `lead` comes before the
    /// cause.
    fn page_down(&mut self, member: &Parent, lead: &str, at: UnixMillis) {
        let hold = self.holds.remove(member);
        if self.told_down(&member.subject()).is_some() {
            return;
        }
        self.note_fall(member);
        let mut event = self.down_event(member, at);
        self.weigh(member, hold.as_ref().and_then(HoldKind::doubt), &mut event);
        event.cause.insert_str(0, lead);
        self.open_incident(member.subject(), event);
    }

    /// Whoever is held for something of its own address failed itself; for something that it
    /// depends on it did not.
    fn note_fall_beside(&mut self, member: &Parent) {
        if let Some(HoldKind::Shadowed(cause)) = self.holds.get(member)
            && !self.config.ancestors_of(member).contains(cause)
        {
            self.note_fall(member);
        }
    }

    /// Things that are down by themselves: whoever reports it called a human already (`paged`), or
    /// all that could explain it answered well (`cleared`).
    pub(super) fn page_themselves(
        &mut self,
        paged: BTreeSet<Parent>,
        cleared: Vec<Parent>,
        at: UnixMillis,
    ) -> BTreeSet<FarmName> {
        for member in &paged {
            if self.is_down(member) {
                self.page_down(member, "", at);
            }
        }
        for member in &cleared {
            match self.is_down(member) {
                true => self.page_unless_doubted(member, "", at),
                false => drop(self.holds.remove(member)),
            }
        }
        let members = paged.into_iter().chain(cleared);
        members.filter_map(farm_of).collect()
    }

    /// Things that were held for long enough: whoever is still down, and not explained by something
    /// else meanwhile, gets a page.
    pub(super) fn page_released(&mut self, held: Vec<(Parent, HoldKind)>, at: UnixMillis) {
        let mut farms = BTreeSet::new();
        for (member, hold) in held {
            farms.extend(farm_of(member.clone()));
            if !self.is_down(&member) {
                self.holds.remove(&member);
                continue;
            }
            let lead = match hold {
                HoldKind::Recovering(cause) => format!("still down{}: ", self.fate_of(&cause)),
                HoldKind::Sighted { node } => {
                    format!(
                        "still down after the path of {} came back: ",
                        self.node_name(node)
                    )
                }
                HoldKind::Doubted(doubt) => doubt.lead,
                HoldKind::Asking { .. } | HoldKind::Shadowed(_) | HoldKind::Blind { .. } => {
                    String::new()
                }
            };
            self.page_or_hold_again(&member, &lead, at);
        }
        for farm in &farms {
            self.judge_farm(farm, at);
        }
    }

    /// What became of a cause, in words.
    fn fate_of(&self, cause: &Parent) -> String {
        match self.member_health(cause) {
            Health::Up => format!(" after {cause} came back"),
            Health::Unknown | Health::Down => format!(", and {cause} is not watched any more"),
        }
    }

    fn judge_farm(&mut self, name: &FarmName, at: UnixMillis) {
        let condition = self.farm_condition(name);
        let whole = Subject::Farm(name.clone());
        let strength = Subject::Strength(name.clone());
        let left = self.farm_standing(name).to_string();
        let event = |cause: String, evidence| Event {
            left: left.clone(),
            evidence,
            ..Event::plain(at, cause)
        };
        let down = self.told_down(&whole);
        let weak = self.told_down(&strength);
        match condition {
            FarmCondition::Undecided => {}
            FarmCondition::Down(cause) => {
                if down.is_none() {
                    let evidence = self.farm_evidence(name);
                    self.open_incident(whole, event(cause, evidence));
                }
            }
            FarmCondition::Degraded(_) | FarmCondition::Serving => {
                if let Some(page) = down {
                    let cause = self.since_page("serving again", page, at);
                    self.close_incident(whole, event(cause, vec![]));
                }
                match (condition, weak) {
                    (FarmCondition::Degraded(cause), None) => {
                        let evidence = self.farm_evidence(name);
                        let event = event(cause, evidence);
                        self.open_incident_as(PageKind::Degraded, strength, event);
                    }
                    (FarmCondition::Serving, Some(page)) => {
                        let cause = self.since_page("enough servers again", page, at);
                        self.close_incident(strength, event(cause, vec![]));
                    }
                    (FarmCondition::Degraded(_), Some(_))
                    | (FarmCondition::Serving, None)
                    | (FarmCondition::Down(_) | FarmCondition::Undecided, _) => {}
                }
            }
        }
    }
}

fn farm_of(member: Parent) -> Option<FarmName> {
    match member {
        Parent::Server(farm, _) => Some(farm),
        Parent::Watch(_) => None,
    }
}
