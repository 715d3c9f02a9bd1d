//! Carries pages by our own word to their contacts, until the log takes over or a day is over.
//!
//! A storm is a few messages here too: the first page of a contact leaves at once, and what follows
//! within the window is one more message at its end, as the log would do it. One task for each
//! message and contact, a few at once in the air; the number of pages is bounded by the queue that
//! feeds it and by the number of servers, each of which has one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::clockwork::{Task, TaskSet, now, sleep, sleep_until, spawn};
use farmux_raft::id::{ContactName, NodeId, PageId};
use farmux_raft::state::{DeliveryOutcome, Page, State, message_id};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::pager::call::{Call, Said, Word};
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
    task: Task<()>,
}

impl Messenger {
    /// Starts it; pages go into the sender.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: MessengerParts) -> (Messenger, mpsc::Sender<Page>) {
        let (sender, pages) = mpsc::channel(PAGES_QUEUED_MAX);
        let task = spawn(run(Arc::new(parts), pages));
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
    let mut tasks = TaskSet::default();
    let mut windows: BTreeMap<ContactName, Window> = BTreeMap::new();
    loop {
        let storm = parts.state.borrow().config.paging.storm;
        let first = windows.values().map(|window| window.end).min();
        let next = first.unwrap_or_else(now);
        let mut ready: Vec<(ContactName, Vec<Arc<Page>>)> = Vec::new();
        tokio::select! {
            biased;
            Some(_) = tasks.next() => {}
            page = pages.recv(), if tasks.len() < TASKS_MAX => {
                let Some(page) = page else { return };
                let page = Arc::new(page);
                for contact in page.deliveries.keys() {
                    match windows.get_mut(contact) {
                        Some(window) => window.waiting.push(Arc::clone(&page)),
                        None => {
                            windows.insert(contact.clone(), Window::from_now(storm));
                            ready.push((contact.clone(), vec![Arc::clone(&page)]));
                        }
                    }
                }
            }
            () = sleep_until(next), if first.is_some() => {
                ready = ended(&mut windows, storm);
            }
        }
        for (contact, pages) in ready {
            tasks.spawn(carry(Arc::clone(&parts), pages, contact, Arc::clone(&air)));
        }
    }
}

/// A time in which a contact's pages are gathered.
struct Window {
    end: Instant,
    waiting: Vec<Arc<Page>>,
}

impl Window {
    fn from_now(storm: Duration) -> Window {
        Window {
            end: now() + storm,
            waiting: vec![],
        }
    }
}

/// What was gathered in windows that are over; each opens the next.
fn ended(
    windows: &mut BTreeMap<ContactName, Window>,
    storm: Duration,
) -> Vec<(ContactName, Vec<Arc<Page>>)> {
    let moment = now();
    let mut ready = Vec::new();
    windows.retain(|contact, window| {
        if window.end > moment {
            return true;
        }
        let waiting = std::mem::replace(window, Window::from_now(storm)).waiting;
        let opens = !waiting.is_empty();
        if opens {
            ready.push((contact.clone(), waiting));
        }
        opens
    });
    ready
}

/// Tries until the other side takes it.
async fn carry(
    parts: Arc<MessengerParts>,
    mut pages: Vec<Arc<Page>>,
    contact: ContactName,
    air: Arc<Semaphore>,
) {
    let end = now() + GIVE_UP_AFTER;
    let mut pause = PAUSE_FIRST;
    let mut reached = BTreeSet::new();
    while now() < end {
        let before = pages.len();
        pages.retain(|page| !is_in_the_log(&parts, page.id));
        if pages.len() < before {
            // Another message than the one that some have.
            reached.clear();
        }
        let Some(errand) = errand(&parts, &pages, &contact, reached) else {
            return;
        };
        let message = errand.call.id;
        let receipt = {
            let Ok(_permit) = air.acquire().await else {
                return;
            };
            parts.courier.deliver(errand).await
        };
        match receipt.outcome() {
            DeliveryOutcome::Delivered => {
                tracing::info!(%message, %contact, "uncommitted page delivered");
                return;
            }
            DeliveryOutcome::Failed(why) => {
                tracing::warn!(%message, %contact, why, "uncommitted page failed");
            }
        }
        reached = receipt.reached;
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Once the log has the page, the pager carries it.
fn is_in_the_log(parts: &MessengerParts, page: PageId) -> bool {
    parts.state.borrow().pages.get(&page).is_some()
}

fn errand(
    parts: &MessengerParts,
    pages: &[Arc<Page>],
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
    let cluster = state.cluster.as_ref()?;
    let id = match pages {
        [] => return None,
        [page] => page.id,
        pages => message_id(cluster.id, contact, 0, pages),
    };
    let call = Call {
        cluster: cluster.id,
        cluster_name: cluster.name.clone(),
        contact: contact.clone(),
        id,
        said: Said::Pages {
            pages: pages.to_vec(),
            word: Word::Uncommitted { by },
        },
        reminder: 0,
        links: vec![],
    };
    Some(Errand {
        call,
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

/// As the pager gives up on pages whose incident is over.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use farmux_raft::consensus::BoxFuture;
    use farmux_raft::state::Health;

    use super::*;
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

    /// A storm by our own word: the first page at once, the others in one message.
    #[tokio::test]
    async fn a_storm_is_two_messages() {
        let ops = [("ops", testing::contact(&["ops@example.com"], 25))];
        let mut state = testing::state(3, &ops);
        Arc::make_mut(&mut state.config).paging.storm = Duration::from_millis(300);
        let downs = ["s1", "s2", "s3", "s4"]
            .map(|server| testing::change(server, Health::Down, "connection refused", 900_000));
        let local = LocalPages::default().overdue(&state, &downs, 9);
        let (sender, mut errands) = mpsc::channel(9);
        let (_keep, states) = watch::channel(Arc::new(state));
        let (_messenger, pages) = Messenger::spawn(MessengerParts {
            me: NodeId(2),
            own: vec![],
            state: states,
            courier: Arc::new(Post(Mutex::new(Some(sender)))),
        });
        for local in local {
            pages.send(local.page).await.expect("it reads");
        }
        let mut told = Vec::new();
        for _ in 0..2 {
            let errand = errands.recv().await.expect("it sends");
            if let Said::Pages { pages, .. } = errand.call.said {
                told.push(pages.len());
            }
        }
        assert_eq!(told, [1, 3]);
    }
}
