//! The canary with stand-ins: a cluster that decides, a courier that counts.

use std::collections::BTreeSet;
use std::sync::Mutex;

use farmux_raft::consensus::BoxFuture;
use farmux_raft::state::{Channel, ChannelKind, SyslogChannel, SyslogTransport};

use super::*;
use crate::pager::courier::{Errand, Receipt};
use crate::pager::testing::{self, Decider};

/// Takes mail, and nothing else.
#[derive(Default)]
struct Post(Mutex<Vec<(String, ChannelKind)>>);

impl Courier for Post {
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
        let [channel] = errand.channels.as_slice() else {
            panic!("one channel at a time: {errand:?}");
        };
        let channel = channel.kind();
        let sent = (errand.call.id.to_string(), channel);
        self.0.lock().expect("no panic").push(sent);
        let outcome = match channel {
            ChannelKind::Mail => DeliveryOutcome::Delivered,
            ChannelKind::Webhook | ChannelKind::Snpp | ChannelKind::Syslog => {
                DeliveryOutcome::Failed("connection refused".to_owned())
            }
        };
        let words = "the other side's".to_owned();
        let tries = vec![Try {
            channel,
            outcome,
            words,
        }];
        let reached = BTreeSet::new();
        Box::pin(async move { Receipt { tries, reached } })
    }
}

/// A cluster with one contact of two channels, whose time of day is now.
fn cluster() -> State {
    let mut contact = testing::contact(&["ops@example.com"], 25);
    contact.channels.push(Channel::Syslog(SyslogChannel {
        host: "127.0.0.1".to_owned(),
        port: 514,
        transport: SyslogTransport::Udp,
    }));
    let mut state = testing::state(3, &[("ops", contact)]);
    let minute = wall_clock().0 / 60_000 % (24 * 60);
    let config = Arc::make_mut(&mut state.config);
    config.paging.canary = Some(u16::try_from(minute).expect("of a day"));
    state
}

struct Bench {
    states: watch::Receiver<Arc<State>>,
    standing: watch::Sender<Standing>,
    post: Arc<Post>,
    _canaries: Canaries,
}

fn bench(state: State, leads: bool) -> Bench {
    let (sender, states) = watch::channel(Arc::new(state));
    let (standing, standings) = watch::channel(testing::standing(leads));
    let post = Arc::new(Post::default());
    let canaries = Canaries::spawn(PagerParts {
        me: NodeId(1),
        own: vec![],
        state: states.clone(),
        standing: standings,
        proposer: Arc::new(Decider(sender)),
        courier: Arc::clone(&post) as Arc<dyn Courier>,
    });
    Bench {
        states,
        standing,
        post,
        _canaries: canaries,
    }
}

impl Bench {
    fn sent(&self) -> Vec<(String, ChannelKind)> {
        self.post.0.lock().expect("no panic").clone()
    }

    fn recorded(&self) -> Option<Canary> {
        let ops: ContactName = "ops".parse().expect("a name");
        self.states.borrow().canaries.get(&ops).cloned()
    }
}

#[tokio::test]
async fn every_channel_is_tried_once_a_day_and_what_failed_is_known() {
    let bench = bench(cluster(), true);
    testing::until("recorded", || bench.recorded().is_some()).await;
    tokio::time::sleep(2 * LOOK_EVERY).await;
    let mut kinds: Vec<ChannelKind> = bench.sent().iter().map(|(_, kind)| *kind).collect();
    kinds.sort();
    assert_eq!(kinds, [ChannelKind::Mail, ChannelKind::Syslog], "each once");
    let canary = bench.recorded().expect("recorded");
    let failed: Vec<(ChannelKind, bool)> = canary
        .tries
        .iter()
        .map(|one| (one.channel, one.outcome == DeliveryOutcome::Delivered))
        .collect();
    assert_eq!(
        failed,
        [(ChannelKind::Mail, true), (ChannelKind::Syslog, false)],
        "in the contact's order"
    );
    assert_eq!(canary.by, NodeId(1));
}

#[tokio::test]
async fn only_the_leader_sends_and_a_new_one_goes_on() {
    let follows = bench(cluster(), false);
    tokio::time::sleep(2 * LOOK_EVERY).await;
    assert!(follows.sent().is_empty());
    follows.standing.send_replace(testing::standing(true));
    testing::until("recorded", || follows.recorded().is_some()).await;
    // The next leader finds it recorded.
    let state = follows.states.borrow().as_ref().clone();
    let next = bench(state, true);
    tokio::time::sleep(2 * LOOK_EVERY).await;
    assert!(next.sent().is_empty());
    // One who does not is another's equal: the same id, which receivers fold.
    let again = bench(cluster(), true);
    testing::until("sent", || again.sent().len() == 2).await;
    let ids = |sent: Vec<(String, ChannelKind)>| -> BTreeSet<String> {
        sent.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(follows.sent()).len(), 1);
    let same_minute =
        follows.recorded().map(|canary| canary.due) == again.recorded().map(|canary| canary.due);
    assert_eq!(ids(again.sent()) == ids(follows.sent()), same_minute);
}
