//! The desk of one node: takes move orders, one at a time, and knows what became of the last few.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::order::{MoveOrder, Standing, Verdict};
use super::owner;
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// Takes move orders.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<VecDeque<Errand>>);

/// An order that was taken, and its story; the newest stands last.
#[derive(Debug)]
struct Errand {
    order: MoveOrder,
    story: watch::Receiver<Standing>,
}

/// Tells the story of an errand.
#[derive(Debug, Clone)]
pub(super) struct Teller(watch::Sender<Standing>);

impl Desk {
    /// The story of this order: of the same one where it is known, of one that wants the same and
    /// is under way, or of one that begins now.
    ///
    /// **Errors**: something else is being moved.
    pub(super) fn take(
        &self,
        member: &Arc<Member>,
        order: MoveOrder,
    ) -> Result<watch::Receiver<Standing>, Fault> {
        self.find_or(order, |order, teller| {
            let member = Arc::clone(member);
            tokio::spawn(async move {
                let verdict = owner::carry_out(&member, &order, &teller).await;
                teller.conclude(verdict);
            });
        })
    }

    /// [`Desk::take`] with another way to begin.
    fn find_or(
        &self,
        order: MoveOrder,
        begin: impl FnOnce(MoveOrder, Teller),
    ) -> Result<watch::Receiver<Standing>, Fault> {
        let mut errands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = errands.iter().find(|errand| errand.order.id == order.id) {
            return Ok(known.story.clone());
        }
        if let Some(busy) = errands.back().filter(|errand| errand.is_under_way()) {
            return match busy.order.is_as(&order) {
                true => Ok(busy.story.clone()),
                false => Err(Fault::new(Code::MoveUnderWay)),
            };
        }
        let (teller, story) = watch::channel(Standing::default());
        errands.push_back(Errand {
            order: order.clone(),
            story: story.clone(),
        });
        if errands.len() > REMEMBERED {
            errands.pop_front();
        }
        begin(order, Teller(teller));
        Ok(story)
    }

    /// [`Desk::take`], for whoever asks again.
    pub(super) fn standing(&self, member: &Arc<Member>, order: MoveOrder) -> Standing {
        match self.take(member, order) {
            Ok(story) => story.borrow().clone(),
            Err(fault) => Standing::refused(fault),
        }
    }
}

impl Errand {
    /// A story whose teller is gone without a verdict is over, too.
    fn is_under_way(&self) -> bool {
        self.story.has_changed().is_ok() && self.story.borrow().verdict.is_none()
    }
}

impl Teller {
    /// Ends the story.
    fn conclude(&self, verdict: Verdict) {
        self.0
            .send_modify(|standing| standing.verdict = Some(verdict));
    }

    /// Says a line.
    pub(super) fn say(&self, line: String) {
        tracing::info!("{line}");
        self.0.send_modify(|standing| {
            if standing.lines.len() < LINES_MAX {
                standing.lines.push(line);
            }
        });
    }
}

/// Waits for the end of a story.
///
/// **Errors**: it ends without one; the daemon is stopping.
pub(super) async fn verdict(mut story: watch::Receiver<Standing>) -> Result<Verdict, Fault> {
    let told = story.wait_for(|standing| standing.verdict.is_some()).await;
    let verdict = told.ok().and_then(|standing| standing.verdict.clone());
    verdict.ok_or_else(|| Fault::new(Code::Stopping))
}

/// Whoever asks for a verdict does so many times a second; more than a few orders in that time are
/// none of a person's.
const REMEMBERED: usize = 8;

/// A few for each VIP; all of them go with every answer.
const LINES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farmux_raft::id::NodeId;

    use super::super::order::What;
    use super::*;
    use crate::api::types::MoveReport;

    fn order(to: u64) -> MoveOrder {
        let what = What::Away {
            to: Some(NodeId(to)),
        };
        MoveOrder::new(what, Duration::ZERO)
    }

    fn done() -> Verdict {
        Verdict {
            report: MoveReport::default(),
            fault: None,
        }
    }

    /// Takes an order; returns whether it was begun, and what tells its story.
    fn take(desk: &Desk, order: &MoveOrder) -> (Result<(), String>, Option<Teller>) {
        let mut begun = None;
        let taken = desk.find_or(order.clone(), |_, teller| begun = Some(teller));
        (taken.map(|_| ()).map_err(|fault| fault.code), begun)
    }

    #[test]
    fn what_is_asked_for_twice_is_carried_out_once() {
        let desk = Desk::default();
        let first = order(2);
        let (taken, teller) = take(&desk, &first);
        let teller = teller.expect("it begins");
        assert_eq!(taken, Ok(()));
        let (taken, again) = take(&desk, &first);
        assert!(taken.is_ok() && again.is_none(), "the same one");
        let (taken, again) = take(&desk, &order(2));
        assert!(taken.is_ok() && again.is_none(), "the same wish");
        let (taken, again) = take(&desk, &order(3));
        assert_eq!(taken, Err("FMX-253".to_owned()), "one after the other");
        assert!(again.is_none());

        teller.conclude(done());
        let (taken, second) = take(&desk, &order(3));
        assert!(taken.is_ok() && second.is_some(), "its turn has come");
        let (taken, again) = take(&desk, &first);
        assert!(taken.is_ok() && again.is_none(), "it is over, not new");
    }

    #[test]
    fn an_errand_that_ended_without_a_word_holds_nobody_up() {
        let desk = Desk::default();
        drop(take(&desk, &order(2)));
        let (taken, begun) = take(&desk, &order(3));
        assert!(taken.is_ok() && begun.is_some());
    }

    #[test]
    fn only_the_last_few_are_remembered() {
        let desk = Desk::default();
        for to in 0..20 {
            let (_, teller) = take(&desk, &order(to));
            teller.expect("it begins").conclude(done());
        }
        let errands = desk.0.lock().expect("nobody panicked");
        assert_eq!(errands.len(), REMEMBERED);
    }
}
