//! The books of a real node: what its state says, what the others report, what it proposes.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::consensus::{BoxFuture, Standing as Consents};
use farmux_raft::id::{NodeId, NodeName, UnixMillis, VipName};
use farmux_raft::peer::{PeerReply, PeerRequest};
use farmux_raft::state::drill::{DrillOrder, DueDrill, Running};
use farmux_raft::state::{Command, REASON_CHARS_MAX, State, clean};
use tokio::sync::{Mutex, watch};

use super::course::Entry;
use super::places::{Places, places};
use super::slate::{Lead, Paged, Slate};
use super::{Books, Hands};
use crate::api::gather_as;
use crate::daemon::{Member, wall_clock};
use crate::drill::{Consent, DrillRecord, Injection, Plan, Refusal, RunId, Standing, plan};
use crate::rehearsal::{Answer, Tether, Word, hear};

/// The books of this node, and its hands.
pub(crate) struct Ledger {
    member: Arc<Member>,
    name: NodeName,
    news: Mutex<(watch::Receiver<Arc<State>>, watch::Receiver<Consents>)>,
}

impl Ledger {
    /// Those of a member; `name`: what this machine is called.
    pub(crate) fn of(member: &Arc<Member>, name: NodeName) -> Ledger {
        let consensus = member.consensus();
        Ledger {
            name,
            news: Mutex::new((consensus.state(), consensus.standing())),
            member: Arc::clone(member),
        }
    }
}

impl Ledger {
    /// Begins a drill that is due, or says why it is passed over: that is a page.
    async fn due(&self, due: DueDrill, now: UnixMillis) -> Command {
        let mut order = DrillOrder {
            kind: due.kind,
            target: due.target,
            outside: false,
            typed: None,
            bounds: None,
            by: due.scheduled.name.to_string(),
            scheduled: Some(due.scheduled.clone()),
            until: now,
        };
        match self.planned(&order).await {
            Ok((plan, _)) => {
                let lasts = u64::try_from(plan.longest().as_millis()).unwrap_or(u64::MAX);
                order.until = UnixMillis(now.0.saturating_add(lasts));
                Command::BeginDrill(Box::new(order))
            }
            Err(refusal) => Command::SkipDrill {
                scheduled: due.scheduled,
                why: clean(&refusal.to_string(), REASON_CHARS_MAX),
            },
        }
    }

    async fn planned(&self, order: &DrillOrder) -> Result<(Plan, Places), Refusal> {
        let gathered = gather_as(&self.name, &self.member).await;
        let view = gathered.view();
        let lock = view.state.drills.lock.as_ref();
        // The run itself does not stand in its own way.
        let standing = Standing {
            lock: lock.map(|lock| (lock.author.0.clone(), lock.why.clone())),
            running: None,
        };
        let consent = Consent {
            target: order.target.clone(),
            typed: order.typed.clone(),
            outside: order.outside,
        };
        let plan = plan(order.kind, &view, &standing, &consent)?;
        let places = places(&plan, &view);
        let places = places.ok_or_else(|| {
            let why = "a node of the plan is no member any more";
            Refusal::Target(why.to_owned())
        })?;
        Ok((plan, places))
    }
}

impl Hands for Ledger {
    fn say(&self, to: NodeId, word: Word) -> BoxFuture<'static, Result<Answer, String>> {
        let member = Arc::clone(&self.member);
        Box::pin(async move { say(&member, to, word).await })
    }

    fn pull(&self, at: NodeId, tether: Tether) {
        let state = self.member.state();
        let addresses = state.nodes.get(&at).map(|node| node.peer_addresses.clone());
        let addresses = addresses.into_iter().flatten().map(|address| address.ip());
        tokio::spawn(tether.pull(addresses.collect::<Vec<_>>()));
    }
}

/// Says a word to a node, to this one in process.
pub(crate) async fn say(member: &Arc<Member>, to: NodeId, word: Word) -> Result<Answer, String> {
    if to == member.me() {
        return Ok(hear(member, word));
    }
    let bytes = serde_json::to_vec(&word).expect("plain data always becomes JSON");
    let question = PeerRequest::Drill(bytes);
    match member.peers().ask(to, &question, ANSWERED_WITHIN).await {
        Ok(PeerReply::Drilled(bytes)) => serde_json::from_slice(&bytes)
            .map_err(|error| format!("its answer makes no sense: {error}")),
        Ok(_) => Err("it answers something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Books for Ledger {
    fn me(&self) -> NodeId {
        self.member.me()
    }

    fn slate(&self) -> Slate {
        let state = self.member.state();
        let standing = self.member.consensus().standing();
        let (me, leader) = (self.member.me(), standing.borrow().leader);
        let lock = state.drills.lock.as_ref();
        Slate {
            lead: match leader {
                None => Lead::Nobody,
                Some(leader) if leader == me => Lead::Here,
                Some(_) => Lead::Elsewhere,
            },
            lock: lock.map(|lock| (lock.author.0.clone(), lock.why.clone())),
            running: state.drills.running.clone(),
        }
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut news = self.news.lock().await;
            let (states, standings) = &mut *news;
            let ends = tokio::select! {
                changed = states.changed() => changed.is_err(),
                changed = standings.changed() => changed.is_err(),
                () = tokio::time::sleep(IDLE) => false,
            };
            if ends {
                // It says so for ever: the member is going, and we with it.
                tokio::time::sleep(IDLE).await;
            }
        })
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.member.state().nodes.keys().copied().collect()
    }

    fn now(&self) -> UnixMillis {
        wall_clock()
    }

    fn plan(&self, begun: &Running) -> BoxFuture<'_, Result<(Plan, Places), Refusal>> {
        let order = begun.order.clone();
        Box::pin(async move { self.planned(&order).await })
    }

    fn owner(&self, vip: &VipName) -> Option<NodeName> {
        let owners = self.member.lease().seen();
        let owner = owners.borrow().get(vip).map(|(owner, _)| *owner)?;
        let state = self.member.state();
        state.nodes.get(&owner).map(|node| node.name.clone())
    }

    fn pages(&self, running: &Running) -> Paged {
        let state = self.member.state();
        let order = &running.order;
        let bounds = order.bounds.unwrap_or_else(|| order.kind.bounds());
        let ours = state.pages.iter();
        let ours = ours.filter(|page| page.drill == Some(running.id));
        Paged {
            opened: ours.map(|page| page.title.clone()).collect(),
            count: state.drill_pages(running.id, bounds.page_ms, wall_clock()),
        }
    }

    fn book(
        &self,
        run: RunId,
        plan: &Plan,
        entry: Entry,
    ) -> BoxFuture<'static, Result<(), String>> {
        let commands = commands(run, plan, &self.member.state(), entry);
        let member = Arc::clone(&self.member);
        Box::pin(async move {
            for command in commands {
                decide(&member, command).await?;
            }
            Ok(())
        })
    }

    fn record(&self, record: DrillRecord) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(decide(&self.member, Command::RecordDrill(Box::new(record))))
    }

    fn hand_over(&self, to: Option<NodeId>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let transfer = self.member.consensus().transfer_leadership(to);
            match tokio::time::timeout(HAND_OVER_WITHIN, transfer).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            }
        })
    }

    fn begin_due(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let now = wall_clock();
            let Some(due) = self.member.state().due_drill(now) else {
                return;
            };
            let command = self.due(due, now).await;
            if let Err(why) = decide(&self.member, command).await {
                tracing::warn!(why, "a drill that is due is not begun yet");
            }
        })
    }
}

/// PURE. What an entry is in the log; each may be decided again.
fn commands(run: RunId, plan: &Plan, state: &State, entry: Entry) -> Vec<Command> {
    let injecting = Command::DrillInjecting {
        run,
        radius: plan.drill_radius(state),
    };
    match (entry, &plan.injection) {
        (Entry::Undone, _) => vec![Command::DrillUndone { run }],
        // Its failure is the page itself.
        (Entry::Injecting, Injection::Page { contacts }) => vec![
            injecting,
            Command::OpenDrillPage {
                run,
                contacts: contacts.iter().cloned().collect(),
            },
        ],
        (Entry::Injecting, _) => vec![injecting],
    }
}

async fn decide(member: &Member, command: Command) -> Result<(), String> {
    let decided = member.change(command).await;
    decided.map(|_| ()).map_err(|error| error.to_string())
}

/// What is seen when nothing changes: that a run is not young any more.
const IDLE: Duration = Duration::from_secs(1);

/// A healthy node needs two milliseconds, and a second is what a stop condition is worth.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// An election, and the successor's last entries before it.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::tests::{RUN, crash, planned};
    use super::*;
    use crate::drill::DrillKind;

    #[test]
    fn a_test_of_pages_opens_one() {
        let state = State::default();
        let contacts = vec!["ops".parse().expect("a name")];
        let page = planned(DrillKind::PageTest, Injection::Page { contacts });
        let opened = commands(RUN, &page, &state, Entry::Injecting);
        let [
            Command::DrillInjecting { .. },
            Command::OpenDrillPage { run, contacts },
        ] = opened.as_slice()
        else {
            panic!("{opened:?}");
        };
        assert_eq!((*run, contacts.len()), (RUN, 1));
        let others = commands(RUN, &crash(), &state, Entry::Injecting);
        assert!(matches!(
            others.as_slice(),
            [Command::DrillInjecting { .. }]
        ));
        let undone = commands(RUN, &page, &state, Entry::Undone);
        assert_eq!(undone, [Command::DrillUndone { run: RUN }]);
    }
}
