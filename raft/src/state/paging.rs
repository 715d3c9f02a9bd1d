//! Paging: the numbers by which failures become calls, and calls become messages.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::text::duration_text;
use super::{FaultKind, WebUrl};
use crate::id::{ContactName, LadderName};

/// How failures become calls, and calls become messages; one for the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paging {
    /// The ladder of what names none; without one every contact gets every page at once.
    pub ladder: Option<LadderName>,
    /// What follows a page within this time becomes one message; zero: every page is one. At most
    /// 10 minutes.
    pub storm: Duration,
    /// After this time without an acknowledgement an open page is sent again; zero: never. From 10
    /// minutes to a week.
    pub repeat: Duration,
    /// More changes than this within [`Paging::flap_within`] are flapping; 2 to 100.
    pub flap_changes: NonZeroU32,
    /// See there; it is also how long something must be stable to flap no more. 1 minute to a day.
    pub flap_within: Duration,
    /// Whether another node is asked before something is called down.
    pub second_opinion: bool,
    /// A node suspects itself when more than this share of its targets fails at once; 1 to 100, in
    /// per cent.
    pub suspect_percent: NonZeroU32,
    /// But not with fewer failures than this; at least 2.
    pub suspect_least: NonZeroU32,
    /// For so long nothing is taken out of a farm meanwhile; 100 ms to 5 s.
    pub suspect_wait: Duration,
    /// Whom the leader tells that farmux lives.
    pub heartbeat: Option<Heartbeat>,
    /// When every channel is tried with a test message each day, in minutes after midnight UTC.
    pub canary: Option<u16>,
    /// What links in messages begin with; without it they name nodes.
    pub link_base: Option<WebUrl>,
    /// Who gets the pages that drills open; empty: whoever gets real ones. 10 at most.
    #[serde(default)]
    pub drill_contacts: BTreeSet<ContactName>,
}

/// Whom the leader tells that farmux lives: a dead-man's switch of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// What is called.
    pub url: WebUrl,
    /// How often; 10 seconds to a day.
    pub every: Duration,
    /// Whether it may be a loopback or link-local address.
    pub allow_local: bool,
}

impl Default for Paging {
    fn default() -> Self {
        let count = |number| NonZeroU32::new(number).expect("not zero");
        Paging {
            ladder: None,
            storm: Duration::from_secs(30),
            repeat: Duration::from_secs(4 * 3_600),
            flap_changes: count(5),
            flap_within: Duration::from_secs(600),
            second_opinion: true,
            suspect_percent: count(33),
            suspect_least: count(10),
            suspect_wait: Duration::from_secs(5),
            heartbeat: None,
            canary: None,
            link_base: None,
            drill_contacts: BTreeSet::new(),
        }
    }
}

impl fmt::Display for Heartbeat {
    /// `https://example.com/ping every 1m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} every {}", self.url, duration_text(self.every))?;
        match self.allow_local {
            true => f.write_str(", local allowed"),
            false => Ok(()),
        }
    }
}

impl Paging {
    /// What is wrong with it.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let day = minutes(24 * 60);
        let millis = Duration::from_millis;
        let mut time = |field: &str, have: Duration, min: Duration, max: Duration| {
            if !(min..=max).contains(&have) {
                let kind = FaultKind::Duration { have, min, max };
                faults.add(format!("{at}.{field}"), kind);
            }
        };
        time("storm", self.storm, Duration::ZERO, minutes(10));
        if !self.repeat.is_zero() {
            time("repeat", self.repeat, minutes(10), 7 * day);
        }
        time("flap_within", self.flap_within, minutes(1), day);
        time(
            "suspect_wait",
            self.suspect_wait,
            millis(100),
            millis(5_000),
        );
        if let Some(heartbeat) = &self.heartbeat {
            time("heartbeat.every", heartbeat.every, millis(10_000), day);
            heartbeat.url.check(&format!("{at}.heartbeat.url"), faults);
        }
        for (field, have, min, max) in [
            ("flap_changes", self.flap_changes, 2, 100),
            ("suspect_percent", self.suspect_percent, 1, 100),
            ("suspect_least", self.suspect_least, 2, 10_000),
        ] {
            let have = u64::from(have.get());
            if !(min..=max).contains(&have) {
                let kind = FaultKind::Range { have, min, max };
                faults.add(format!("{at}.{field}"), kind);
            }
        }
        let (have, max) = (self.drill_contacts.len(), DRILL_CONTACTS_MAX);
        if have > max {
            faults.add(
                format!("{at}.drill_contacts"),
                FaultKind::TooMany { have, max },
            );
        }
        if let Some(url) = &self.link_base {
            url.check(&format!("{at}.link_base"), faults);
        }
    }
}

/// A team; a drill that calls more of them is an incident of its own.
const DRILL_CONTACTS_MAX: usize = 10;
