//! What the conductor of a run asks of another node, and what that answers: JSON in the peer
//! channel's bytes, so that a newer node may say more to an older one.
//!
//! Every word may be said twice: whoever hears it again answers how it stands.

use serde::{Deserialize, Serialize};

use super::Tether;
use crate::drill::{Injection, Numbers, RunId};
use crate::measure::tally::Series;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// To the client: measure this, from now on.
    Measure {
        /// Which run it is for.
        run: RunId,
        /// What to ask, as for `farmux probe`.
        url: String,
        /// Stop by yourself after this long, should nobody ask any more.
        for_ms: u64,
    },
    /// To the client: how does it stand? Five times a second.
    Look {
        /// Which run.
        run: RunId,
    },
    /// To the client: stop, and say what it came to.
    Close {
        /// Which run.
        run: RunId,
    },
    /// To the target: make the failure; the timer that ends it comes first.
    Inject {
        /// Which run.
        run: RunId,
        /// What is done.
        injection: Injection,
        /// When it ends by itself.
        timer_ms: u64,
    },
    /// To the target: end it; harmless where it has ended, or never was.
    Undo {
        /// Which run.
        run: RunId,
    },
    /// To the leader: how far is the run that is under way?
    Progress {
        /// Which run.
        run: RunId,
    },
    /// To whoever conducted it: what happened over time.
    Track {
        /// Which run.
        run: RunId,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// To `Measure` and `Look`: how it stands.
    Reading {
        /// Requests that ended.
        requests: u64,
        /// Those that failed.
        failed: u64,
        /// Since when there was no good answer, in milliseconds.
        silent_ms: u64,
        /// The longest such silence so far, this one included.
        #[serde(default)]
        longest_silent_ms: u64,
        /// Of the last thousand requests, so many failed.
        failed_permille: u64,
    },
    /// To `Close`; pages are counted elsewhere.
    Measured {
        /// What it came to.
        numbers: Numbers,
        /// Requests over time.
        series: Series,
    },
    /// To `Inject`: it is being done; asked again until it is.
    Injecting {
        /// How it is ended before its timer, once this node hears no words any more.
        #[serde(default)]
        tether: Option<Tether>,
    },
    /// To `Inject`: the failure is there.
    Injected,
    /// To `Inject`: it is not, or not all of it; to `Undo`: it never was; to `Measure`: it cannot
    /// be.
    Failed {
        /// Why.
        why: String,
    },
    /// To `Undo`: it is being ended; asked again until it is.
    Undoing,
    /// To `Undo`: nothing of it is left.
    Undone,
    /// To `Progress`: what `GET /v1/drills/RUN` shows, as JSON.
    Progress(serde_json::Value),
    /// To `Track`.
    Track(crate::drill::Track),
    /// There is no such run here.
    Unknown,
}
