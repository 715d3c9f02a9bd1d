//! The heartbeat: that the dead-man's switch hears nothing is said once, and once that it does.

use super::incident::Event;
use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, Now, Reject, State, Subject};
use crate::id::NodeId;

impl State {
    /// The leader could not call the dead-man's switch several times in a row, or could again.
    pub(super) fn report_heartbeat(
        &mut self,
        now: Now,
        node: NodeId,
        failure: Option<&str>,
    ) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        let cause = match (failure, self.heartbeat_failing) {
            (Some(why), None) => {
                self.heartbeat_failing = Some(now.at);
                let why = clean(why, REASON_CHARS_MAX);
                format!("the heartbeat does not get through: {why}")
            }
            (None, Some(_)) => {
                self.heartbeat_failing = None;
                "the heartbeat gets through again".to_owned()
            }
            (Some(_), Some(_)) | (None, None) => return Ok(Applied::Unchanged),
        };
        let event = Event {
            verdict: None,
            at: now.at,
            cause: clean(&cause, REASON_CHARS_MAX),
            left: String::new(),
            evidence: vec![],
        };
        self.notice(Subject::Node(node), event);
        Ok(Applied::Done)
    }
}
