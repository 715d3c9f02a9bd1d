//! Answers given: a proposal that arrives twice changes things once.
//!
//! Only what had an effect is remembered. A refusal or an `Unchanged` left nothing behind, so a
//! retry of it may be judged anew: whoever asked has seen no other answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Applied;
use crate::id::RequestId;

/// The newest answers, in volumes, so that copying the state copies one small volume at most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answered {
    /// Oldest first; the last one is being written.
    volumes: VecDeque<Arc<BTreeMap<RequestId, Applied>>>,
}

impl Answered {
    /// The answer that was given to this proposal.
    pub fn find(&self, id: RequestId) -> Option<Applied> {
        // From the newest: a retry follows soon.
        self.volumes
            .iter()
            .rev()
            .find_map(|volume| volume.get(&id).copied())
    }

    /// Remembers an answer, and forgets the oldest volume when there are too many.
    pub(super) fn remember(&mut self, id: RequestId, applied: Applied) {
        if self
            .volumes
            .back()
            .is_none_or(|volume| volume.len() >= VOLUME_ANSWERS)
        {
            self.volumes.push_back(Arc::default());
        }
        if self.volumes.len() > VOLUMES_MAX {
            self.volumes.pop_front();
        }
        let newest = self
            .volumes
            .back_mut()
            .expect("one was pushed if there was none");
        Arc::make_mut(newest).insert(id, applied);
    }
}

/// Small enough to copy with each change, large enough to keep the volumes few.
const VOLUME_ANSWERS: usize = 256;

/// 10,240 answers: a proposal is retried for seconds, and a cluster commits a few thousand a
/// second.
const VOLUMES_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_newest_and_forgets_the_oldest() {
        let mut answered = Answered::default();
        for n in 0..20_000u128 {
            answered.remember(RequestId(n), Applied::Done);
        }
        assert_eq!(answered.find(RequestId(19_999)), Some(Applied::Done));
        assert_eq!(answered.find(RequestId(10_000)), Some(Applied::Done));
        assert_eq!(answered.find(RequestId(0)), None);
        assert!(answered.volumes.len() <= VOLUMES_MAX);
    }
}
