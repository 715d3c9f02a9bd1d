//! What happened lately.

use farmux_raft::state::EventKind;
use serde::{Deserialize, Serialize};

use super::Moment;

/// `GET /v1/events`: what happened behind a number, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsAnswer {
    /// The oldest number that is kept; whoever asked for older ones has missed some.
    pub first: u64,
    /// The number to ask behind next.
    pub last: u64,
    /// At most 1,000; where there are more, they come with the next question.
    pub events: Vec<EventReport>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReport {
    /// Its number, the same on every node.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// What kind of event.
    pub kind: EventKind,
    /// What it is about; empty where that is forgotten.
    pub subject: String,
    /// What happened.
    pub text: String,
}
