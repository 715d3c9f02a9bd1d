//! The room of one node: hears the words of a drill, from another node or in process, and answers
//! at once; what takes time is done by tasks of its own.
//!
//! ```text
//!   peer: Drill(bytes) ─▶ answer ─┐      Measure, Look, Close ─▶ client (one)
//!   conductor, in process ────────┴▶ hear ─▶ Inject, Undo ─────▶ inject (one)
//!                                          └ Progress, Track ──▶ conductor
//! ```
//!
//! Whoever asks is a member: the peer channel has looked at its certificate. Runs are numbered by
//! the log, so that of two the greater is the one that counts; a late word of an older one changes
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farmux_netplane::health::HealthOverlay;
use farmux_store::PretendFull;

use super::client::Client;
use super::inject::{Injections, Place, is_recorded, may_begin};
use super::word::{Answer, Word};
use crate::daemon::Member;
use crate::drill::RunId;
use crate::settings::Settings;

/// What a node does in drills.
#[derive(Debug)]
pub(crate) struct Room {
    client: Mutex<Option<Client>>,
    injections: Injections,
}

impl Room {
    /// The room of this machine; what a former process left of a failure is cleared first.
    pub(crate) async fn open(
        settings: &Settings,
        overlay: Arc<HealthOverlay>,
        full: PretendFull,
    ) -> Room {
        let place = Place::new(settings, overlay, full);
        place.clear().await;
        Room {
            client: Mutex::default(),
            injections: Injections::at(place),
        }
    }

    fn measure(&self, member: &Arc<Member>, run: RunId, url: &str, lasts: Duration) -> Answer {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match client.as_ref().map(Client::run) {
            Some(known) if known == run => {}
            Some(newer) if newer > run => return failed(older(run, newer)),
            // The older one's conductor is gone: dropped, it stops.
            Some(_) | None => {
                if let Err(why) = may_begin(&member.state().drills, run) {
                    return failed(why);
                }
                // Not held: the client is the member's own.
                let log = Arc::downgrade(member);
                let is_over = move || {
                    let member = log.upgrade();
                    member.is_none_or(|member| is_recorded(&member.state().drills, run))
                };
                match Client::start(run, url, lasts, is_over) {
                    Ok(new) => *client = Some(new),
                    Err(why) => return failed(why),
                }
            }
        }
        client.as_ref().map_or(Answer::Unknown, Client::look)
    }

    fn with_client(&self, run: RunId, ask: impl FnOnce(&Client) -> Answer) -> Answer {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let of_run = client.as_ref().filter(|client| client.run() == run);
        of_run.map_or(Answer::Unknown, ask)
    }
}

/// Does what is asked, or says how it stands.
pub(crate) fn hear(member: &Arc<Member>, word: Word) -> Answer {
    let room = member.rehearsal();
    match word {
        Word::Measure { run, url, for_ms } => {
            room.measure(member, run, &url, Duration::from_millis(for_ms))
        }
        Word::Look { run } => room.with_client(run, Client::look),
        Word::Close { run } => room.with_client(run, Client::close),
        Word::Inject {
            run,
            injection,
            timer_ms,
        } => {
            let timer = Duration::from_millis(timer_ms);
            room.injections.inject(member, run, injection, timer)
        }
        Word::Undo { run } => room.injections.undo(member, run),
        Word::Progress { run } => member.drills().progress_answer(run),
        Word::Track { run } => member.drills().track_answer(run),
    }
}

/// The same for the bytes of another node.
pub(crate) fn answer(member: Option<&Arc<Member>>, bytes: &[u8]) -> Vec<u8> {
    let answer = match (member, serde_json::from_slice::<Word>(bytes)) {
        (Some(member), Ok(word)) => hear(member, word),
        (None, _) => failed("this node is in no cluster"),
        // A newer node may know drills that this one does not.
        (Some(_), Err(error)) => failed(format!("the word is not understood: {error}")),
    };
    serde_json::to_vec(&answer).expect("plain data always becomes JSON")
}

/// It cannot be, and this is why.
pub(super) fn failed(why: impl Into<String>) -> Answer {
    Answer::Failed { why: why.into() }
}

/// Why a late word does nothing.
pub(super) fn older(run: RunId, newer: RunId) -> String {
    format!(
        "run {} is over: this node has heard of run {}",
        run.0, newer.0
    )
}
