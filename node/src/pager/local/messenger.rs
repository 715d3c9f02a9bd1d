//! Carries pages by our own word to their contacts, until the log takes over or a day is over.
//!
//! One task for each page and contact, a few at once in the air; the number of pages is bounded by
//! the queue that feeds it and by the number of servers, each of which has one at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use farmux_raft::id::{ContactName, NodeId, PageId};
use farmux_raft::state::{DeliveryOutcome, Page, State};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::pager::call::{Call, Word};
use crate::pager::courier::{Courier, Errand};
use crate::pager::duty::origin;

/// What the messenger needs.
pub struct MessengerParts {
    /// Who we are.
    pub me: NodeId,
    /// This node's own addresses.
    pub own: Vec<IpAddr>,
    /// The newest applied state: the last known contacts.
    pub state: watch::Receiver<Arc<State>>,
    /// Takes mails to relays.
    pub courier: Arc<dyn Courier>,
}

/// The running messenger; dropping it ends it.
#[derive(Debug)]
pub struct Messenger {
    task: AbortHandle,
}

impl Messenger {
    /// Starts it; pages go into the sender.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: MessengerParts) -> (Messenger, mpsc::Sender<Page>) {
        let (sender, pages) = mpsc::channel(PAGES_QUEUED_MAX);
        let task = tokio::spawn(run(Arc::new(parts), pages)).abort_handle();
        (Messenger { task }, sender)
    }
}

impl Drop for Messenger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(parts: Arc<MessengerParts>, mut pages: mpsc::Receiver<Page>) {
    let air = Arc::new(Semaphore::new(FLYING_MAX));
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            page = pages.recv(), if tasks.len() < TASKS_MAX => {
                let Some(page) = page else { return };
                for contact in page.deliveries.keys() {
                    let carried = carry(
                        Arc::clone(&parts), page.clone(), contact.clone(), Arc::clone(&air),
                    );
                    tasks.spawn(carried);
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Tries until the relay takes it.
async fn carry(parts: Arc<MessengerParts>, local: Page, contact: ContactName, air: Arc<Semaphore>) {
    let end = Instant::now() + GIVE_UP_AFTER;
    let mut pause = PAUSE_FIRST;
    let mut reached = BTreeSet::new();
    while Instant::now() < end && !is_in_the_log(&parts, local.id) {
        let Some(errand) = errand(&parts, &local, &contact, reached) else {
            return;
        };
        let receipt = {
            let Ok(_permit) = air.acquire().await else {
                return;
            };
            parts.courier.deliver(errand).await
        };
        match receipt.outcome() {
            DeliveryOutcome::Delivered => {
                tracing::info!(page = %local.id, %contact, "uncommitted page delivered");
                return;
            }
            DeliveryOutcome::Failed(why) => {
                tracing::warn!(page = %local.id, %contact, why, "uncommitted page failed");
            }
        }
        reached = receipt.reached;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Once the log has the page, the pager carries it.
fn is_in_the_log(parts: &MessengerParts, page: PageId) -> bool {
    parts.state.borrow().pages.get(&page).is_some()
}

fn errand(
    parts: &MessengerParts,
    local: &Page,
    contact: &ContactName,
    reached: BTreeSet<String>,
) -> Option<Errand> {
    let state = parts.state.borrow().clone();
    let channels = state.config.contacts.get(contact)?.channels.clone();
    let by = state
        .nodes
        .get(&parts.me)
        .map_or("unknown", |node| node.name.as_str())
        .to_owned();
    let word = Word::Uncommitted { by };
    let page = Arc::new(local.clone());
    Some(Errand {
        call: Call::of_page(state.cluster.as_ref()?, page, contact.clone(), word),
        channels,
        reached,
        origin: origin(&state, &parts.own),
    })
}

/// Deliveries at once, as the pager's.
const FLYING_MAX: usize = 8;

/// Pages that wait to be taken in; the reporter does not wait, it offers them again.
const PAGES_QUEUED_MAX: usize = 256;

/// Deliveries that are tried again and again: a large site's servers, one contact each.
const TASKS_MAX: usize = 5_000;

/// As the state's back-off for committed pages.
const PAUSE_FIRST: Duration = Duration::from_secs(5);

/// As the state's back-off for committed pages.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// As the state gives up on pages whose incident is over.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use farmux_raft::consensus::BoxFuture;
    use farmux_raft::state::Health;

    use super::*;
    use crate::pager::call::Said;
    use crate::pager::courier::Receipt;
    use crate::pager::local::LocalPages;
    use crate::pager::testing;

    /// Hands on what it is given.
    struct Post(Mutex<Option<mpsc::Sender<Errand>>>);

    impl Courier for Post {
        fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
            let sender = self.0.lock().expect("no panic").clone().expect("open");
            Box::pin(async move {
                let reached = testing::recipients(&errand).into_iter().collect();
                sender.send(errand).await.expect("the test reads");
                testing::receipt(DeliveryOutcome::Delivered, reached)
            })
        }
    }

    #[tokio::test]
    async fn every_last_known_contact_gets_it_marked() {
        let contact = |to| testing::contact(&[to], 25);
        let contacts = [
            ("ops", contact("ops@example.com")),
            ("boss", contact("boss@example.com")),
        ];
        let state = testing::state(3, &contacts);
        let down = testing::change("s2", Health::Down, "connection refused", 900_000);
        let local = LocalPages::default()
            .overdue(&state, &[down], 9)
            .pop()
            .expect("a page");
        let (sender, mut errands) = mpsc::channel(9);
        let (_keep, states) = watch::channel(Arc::new(state));
        let (_messenger, pages) = Messenger::spawn(MessengerParts {
            me: NodeId(2),
            own: vec![],
            state: states,
            courier: Arc::new(Post(Mutex::new(Some(sender)))),
        });
        pages.send(local.page).await.expect("it reads");
        let mut to = BTreeSet::new();
        while to.len() < 2 {
            let errand = errands.recv().await.expect("it sends");
            match &errand.call.said {
                Said::Pages { pages, word } => {
                    assert_eq!(pages[0].title, "shop/s2");
                    let by = "lb2".to_owned();
                    assert_eq!(*word, Word::Uncommitted { by });
                }
                Said::Test { .. } => panic!("no test was ordered"),
            }
            to.extend(testing::recipients(&errand));
        }
        assert_eq!(
            to,
            ["boss@example.com", "ops@example.com"]
                .map(str::to_owned)
                .into()
        );
    }
}
