//! What happened lately, and waiting for what happens next.

use std::time::Duration;

use axum::extract::{Query, State as Shared};
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{EventKind, JournalEntry, State};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::super::answer::{Answer, answer};
use super::super::types::{EventReport, EventsAnswer, Moment, Reading};
use super::{Daemon, freshness, member};
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// The parameters of `GET /v1/events`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Asked {
    /// Behind which number; all that is kept where none is named.
    #[serde(default)]
    after: u64,
    /// How many seconds to wait for something to happen, at most 25; not at all by default.
    #[serde(default)]
    wait: u64,
    /// Only what happened since, in milliseconds since 1970.
    #[serde(default)]
    since: u64,
    /// Only what is about this.
    subject: Option<String>,
    /// Only of this kind.
    kind: Option<EventKind>,
}

/// `GET /v1/events`.
pub(crate) async fn list(
    Shared(node): Daemon,
    Query(asked): Query<Asked>,
) -> Answer<Reading<EventsAnswer>> {
    let member = member(&node)?;
    if asked.wait > 0 {
        wait(&member, &asked).await?;
    }
    answer(Reading {
        fresh: freshness(&node, &member),
        data: read(&member.state(), &asked),
    })
}

/// Waits until the journal has something new, or for as long as was asked.
async fn wait(member: &Member, asked: &Asked) -> Result<(), Fault> {
    let _place = WAITERS
        .try_acquire()
        .map_err(|_| Fault::new(Code::EventsBusy))?;
    let mut states = member.consensus().state().clone();
    let is_new = |state: &std::sync::Arc<State>| {
        let mut events = state.journal.after(asked.after);
        events.any(|entry| is_asked(state, entry, asked))
    };
    let wait = Duration::from_secs(asked.wait).min(WAIT_MAX);
    // Nothing new, or a member that stops: either way there is nothing more to tell.
    let _ = tokio::time::timeout(wait, states.wait_for(is_new)).await;
    Ok(())
}

fn is_asked(state: &State, entry: &JournalEntry, asked: &Asked) -> bool {
    let kind = asked.kind.is_none_or(|kind| kind == entry.event.kind());
    kind && entry.at >= UnixMillis(asked.since)
        && asked
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == state.journal_words(entry).0)
}

fn read(state: &State, asked: &Asked) -> EventsAnswer {
    let journal = &state.journal;
    let mut events = Vec::new();
    let mut last = journal.last();
    for entry in journal.after(asked.after) {
        if !is_asked(state, entry, asked) {
            continue;
        }
        if events.len() == EVENTS_MAX {
            // The rest comes with the next question.
            last = entry.number - 1;
            break;
        }
        let (subject, text) = state.journal_words(entry);
        events.push(EventReport {
            number: entry.number,
            at: Moment(entry.at),
            kind: entry.event.kind(),
            subject,
            text,
        });
    }
    EventsAnswer {
        first: journal.first(),
        last,
        events,
    }
}

/// Each holds a connection and looks at every change of the state.
static WAITERS: Semaphore = Semaphore::const_new(64);

/// Below the 30 s after which proxies and people give a silent connection up.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// A few hundred KiB an answer.
const EVENTS_MAX: usize = 1_000;
