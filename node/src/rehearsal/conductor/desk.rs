//! What a node says of the run that it conducts, and of those that it conducted.

use std::sync::{Arc, Mutex, PoisonError};

use super::tracks::Tracks;
use crate::api::types::DrillProgress;
use crate::drill::{RunId, Track};
use crate::rehearsal::Answer;

/// Another node conducts it, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotHere;

/// Answers for the conductor of this node.
#[derive(Debug)]
pub(crate) struct Desk {
    progress: Mutex<Option<DrillProgress>>,
    called_off: Mutex<Option<(RunId, String)>>,
    tracks: Arc<Tracks>,
}

impl Desk {
    /// A desk that conducts nothing yet.
    pub(crate) fn new(tracks: Tracks) -> Desk {
        Desk {
            progress: Mutex::default(),
            called_off: Mutex::default(),
            tracks: Arc::new(tracks),
        }
    }

    /// How far a run is, if it is conducted here.
    pub(crate) fn progress(&self, run: RunId) -> Option<DrillProgress> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clone().filter(|progress| progress.run == run.0)
    }

    pub(super) fn show(&self, progress: Option<DrillProgress>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Calls a run off that is conducted here, whether the log takes the word or not.
    ///
    /// **Errors**: it is not conducted here.
    pub(crate) fn call_off(&self, run: RunId, who: String) -> Result<(), NotHere> {
        self.progress(run).ok_or(NotHere)?;
        let mut called_off = self
            .called_off
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *called_off = Some((run, who));
        Ok(())
    }

    /// Who called a run off, said once.
    pub(super) fn called_off(&self, run: RunId) -> Option<String> {
        let mut called_off = self
            .called_off
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        called_off
            .take_if(|(called, _)| *called == run)
            .map(|(_, who)| who)
    }

    /// What happened in a run over time, if this node kept it.
    pub(crate) fn track(&self, run: RunId) -> Option<Track> {
        self.tracks.find(run)
    }

    /// Keeps what happened; a report without it says so, and nothing else depends on it.
    pub(super) async fn keep(&self, run: RunId, track: Track) {
        let tracks = Arc::clone(&self.tracks);
        let kept = tokio::task::spawn_blocking(move || tracks.keep(run, &track)).await;
        let why = match kept {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(run = run.0, why, "what happened in a drill is not kept");
    }

    /// How far a run is, for another node.
    pub(crate) fn progress_answer(&self, run: RunId) -> Answer {
        let shown = self.progress(run).map(|progress| {
            serde_json::to_value(progress).expect("plain data always becomes JSON")
        });
        shown.map_or(Answer::Unknown, Answer::Progress)
    }

    /// What happened in a run, for another node.
    pub(crate) fn track_answer(&self, run: RunId) -> Answer {
        self.track(run).map_or(Answer::Unknown, Answer::Track)
    }
}
