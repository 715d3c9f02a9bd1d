//! The majority itself: lost and found again, told when it is found, since only then can it be
//! logged.

use super::incident::{Addressed, Event, back_after};
use super::{Applied, Page, PageKind, Reject, State, Subject};
use crate::id::{NodeId, UnixMillis};

impl State {
    /// Two transitions, as if each had been logged in its time: whoever paged the loss by itself
    /// meanwhile used the first one's id, so that receivers fold the two.
    pub(super) fn report_quorum(
        &mut self,
        lost: UnixMillis,
        regained: UnixMillis,
        by: Option<NodeId>,
    ) -> Result<Applied, Reject> {
        if regained < lost {
            return Err(Reject::QuorumBackwards);
        }
        // Every node that paged the loss reports it when it is over: once is enough.
        let told = |page: &&Page| page.subject == Subject::Quorum && page.kind == PageKind::Up;
        if self
            .pages
            .iter()
            .rev()
            .find(told)
            .is_some_and(|page| lost <= page.at)
        {
            return Ok(Applied::Unchanged);
        }
        let cause = "no majority of the nodes answered: nothing could be changed".to_owned();
        let left = self.nodes_left();
        let event = Event::plain(lost, cause);
        match by.and_then(|node| self.drill_severing(node, lost)) {
            None => self.open_incident(Subject::Quorum, event),
            drill @ Some(_) => {
                if self.is_told(&Subject::Quorum, true, &event) {
                    let rungs = self.config.rungs_of(&Subject::Quorum, drill);
                    let to = Addressed { drill, rungs };
                    self.write_incident_to(PageKind::Down, Subject::Quorum, event, to);
                }
            }
        }
        let cause = back_after("a majority answers again", lost, regained);
        let event = Event {
            left,
            ..Event::plain(regained, cause)
        };
        self.close_incident(Subject::Quorum, event);
        Ok(Applied::Done)
    }
}
