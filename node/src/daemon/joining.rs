//! `cluster join`: one task does it, and whoever asks with the same token hears it from its first
//! step on.
//!
//! ```text
//!   join TOKEN ──▶ none under way ──▶ task: look, claim, start, wait for the vote
//!   (again)    ──▶ the same one   ──▶ Story (watch) ──▶ lines for people, the verdict last
//! ```
//!
//! What interrupts the operator does not interrupt the task. What interrupts the daemon is gone on
//! with: the key, and after the welcome the identity and the members' addresses, are on disk.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use farmux_raft::id::NodeId;
use farmux_raft::peer::certificate::fingerprint;
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::token::JoinToken;
use farmux_raft::peer::{JoinStage, joiner};
use farmux_raft::state::TokenId;
use tokio::sync::{mpsc, watch};

use super::build::build;
use super::node::{in_cluster, local, no_room};
use super::{JoinOrder, Joined, Member, Node, OrderError, membership, network};
use crate::identity::Home;

/// Longest wait of `join` for the vote; the daemon goes on asking after that by itself.
const ADMISSION_DEADLINE: Duration = Duration::from_secs(120);

/// Lines of one join: five a second while it waits for the vote, and a few before.
const LINES_MAX: usize = 700;

/// A join that was begun.
pub(super) struct Joining {
    /// With which token.
    token: TokenId,
    story: watch::Receiver<Story>,
}

/// What happened in a join so far.
#[derive(Default)]
struct Story {
    lines: Vec<String>,
    verdict: Option<Result<Joined, OrderError>>,
}

/// Tells the story.
struct Teller(watch::Sender<Story>);

impl Teller {
    fn say(&self, line: impl Into<String>) {
        self.0.send_modify(|story| {
            if story.lines.len() < LINES_MAX {
                story.lines.push(line.into());
            }
        });
    }
}

/// Makes a machine a member, or goes on with that; `progress` hears the steps.
///
/// **Errors**: [`OrderError`]; may be run again with the same token.
pub(super) async fn join(
    node: &Arc<Node>,
    order: &JoinOrder,
    progress: &mpsc::Sender<String>,
) -> Result<Joined, OrderError> {
    let token: JoinToken = order.token.parse().map_err(membership::bad_token)?;
    if token.role != order.role {
        return Err(membership::wrong_role(token.role));
    }
    // A daemon that has just started finds out first what this machine is already.
    drop(node.resuming.lock().await);
    let story = begin_or_find(node, token)?;
    follow(story, progress).await
}

/// The story of the join with this token: of the one under way, or of one that begins now.
fn begin_or_find(node: &Arc<Node>, token: JoinToken) -> Result<watch::Receiver<Story>, OrderError> {
    let mut joining = node.joining.lock().unwrap_or_else(PoisonError::into_inner);
    let same = joining.as_ref().filter(|begun| begun.token == token.id());
    if let Some(begun) = same.filter(|begun| begun.story.borrow().verdict.is_none()) {
        return Ok(begun.story.clone());
    }
    let changing = Arc::clone(&node.changing);
    let order = changing.try_lock_owned().map_err(|_| OrderError::Busy)?;
    let (teller, story) = watch::channel(Story::default());
    *joining = Some(Joining {
        token: token.id(),
        story: story.clone(),
    });
    let (node, teller) = (Arc::clone(node), Teller(teller));
    tokio::spawn(async move {
        let verdict = make_member(&node, &token, &teller).await;
        // Whoever hears the verdict may give the next order at once.
        drop(order);
        teller.0.send_modify(|story| story.verdict = Some(verdict));
    });
    Ok(story)
}

/// Hands the lines on until the verdict; ends early when nobody listens any more.
async fn follow(
    mut story: watch::Receiver<Story>,
    progress: &mpsc::Sender<String>,
) -> Result<Joined, OrderError> {
    let mut told = 0;
    loop {
        let (news, verdict) = {
            let now = story.borrow_and_update();
            let news: Vec<String> = now.lines.iter().skip(told).cloned().collect();
            (news, now.verdict.clone())
        };
        told += news.len();
        for line in news {
            if progress.send(line).await.is_err() {
                return Err(local("nobody waits for this join any more"));
            }
        }
        if let Some(verdict) = verdict {
            return verdict;
        }
        if story.changed().await.is_err() {
            return Err(local("the daemon is stopping"));
        }
    }
}

async fn make_member(
    node: &Node,
    token: &JoinToken,
    teller: &Teller,
) -> Result<Joined, OrderError> {
    match node.member() {
        Some(member) => go_on(node, &member, token, teller).await,
        None => begin(node, token, teller).await,
    }
}

/// This machine is a member, or on the way to it since an earlier attempt.
async fn go_on(
    node: &Node,
    member: &Arc<Member>,
    token: &JoinToken,
    teller: &Teller,
) -> Result<Joined, OrderError> {
    let ours = fingerprint(member.identity().borrow().ca()) == token.ca_fingerprint;
    let gone = member.peers().removed().borrow().is_some();
    if !ours || gone || member.role() != token.role {
        return Err(in_cluster(member));
    }
    if member.votes() {
        return Ok(Joined::Before(member.me()));
    }
    teller.say("joining goes on where it was interrupted");
    let key = Home::open(&node.settings().data)
        .and_then(|home| home.key())
        .map_err(local)?;
    tokio::select! {
        joined = follow_admission(member, teller) => joined,
        never = learn_members(node, member, token, &key) => match never {},
    }
}

/// The members may have moved since they were last heard of. Asked with the token, the cluster says
/// where they are; it refuses one that is used up, and then the log is on its way.
async fn learn_members(
    node: &Node,
    member: &Member,
    token: &JoinToken,
    key: &NodeKey,
) -> std::convert::Infallible {
    let request = membership::join_request(node.settings(), token);
    match joiner::claim(token, &request, key).await {
        Ok((_, welcome)) if welcome.node == member.me() => member.learn(welcome.members),
        Ok((_, welcome)) => tracing::warn!(node = %welcome.node, "the cluster took us for another"),
        Err(error) => tracing::debug!(%error, "the members' addresses stay as they are"),
    }
    std::future::pending().await
}

/// The first attempt, or one after an attempt that did not get as far as a running member.
async fn begin(node: &Node, token: &JoinToken, teller: &Teller) -> Result<Joined, OrderError> {
    let settings = node.settings();
    let home = Home::open(&settings.data).map_err(local)?;
    // An identity without a member: an earlier join was welcomed and did not start.
    if home.load().map_err(local)?.is_none() {
        home.check_empty().map_err(local)?;
    }
    home.check_room().map_err(no_room)?;
    let request = membership::join_request(settings, token);
    let failed = |error| membership::join_failed(&error);
    let offer = joiner::look(token, &request).await.map_err(failed)?;
    teller.say(format!("cluster {} would take this machine", offer.name));
    network::check_all(settings, token.role, &offer.vips)
        .await
        .map_err(membership::wrong_network)?;
    let key = home.key().map_err(local)?;
    let (identity, welcome) = joiner::claim(token, &request, &key).await.map_err(failed)?;
    teller.say(format!("this machine is node {}", welcome.node));
    home.save(&identity, &welcome.members).map_err(local)?;
    let member = build(settings, identity, welcome.members, node.reporter());
    let member = member.await.map_err(local)?;
    node.member.send_replace(Some(Arc::clone(&member)));
    follow_admission(&member, teller).await
}

async fn follow_admission(member: &Member, teller: &Teller) -> Result<Joined, OrderError> {
    let mut stages = member.stage();
    let mut removed = member.peers().removed();
    let follow = async {
        loop {
            let stage = *stages.borrow_and_update();
            match stage {
                Some(JoinStage::Voter) => return Ok(Joined::Now(member.me())),
                Some(JoinStage::Learner { behind }) => {
                    teller.say(format!("learning the log: {behind} entries behind"));
                }
                Some(JoinStage::CaughtUp) => teller.say("caught up; being promoted"),
                Some(JoinStage::Waiting) => teller.say("waiting for the leader"),
                None => {}
            }
            if stages.changed().await.is_err() {
                return Err(local("the daemon is stopping"));
            }
        }
    };
    tokio::select! {
        followed = tokio::time::timeout(ADMISSION_DEADLINE, follow) => {
            followed.unwrap_or_else(|_| Err(no_vote()))
        }
        Ok(_) = removed.wait_for(Option::is_some) => Err(was_removed(member.me())),
    }
}

fn no_vote() -> OrderError {
    OrderError::Join {
        what: "the cluster did not give this node a vote within two minutes".to_owned(),
        mend: "it goes on asking; see `farmux status` here and on a member, and run join again \
               to watch it"
            .to_owned(),
    }
}

fn was_removed(node: NodeId) -> OrderError {
    OrderError::Join {
        what: format!("{node} was removed from the cluster before it was a member"),
        mend: "farmux cluster leave (here), farmux cluster token create (on a member), then join \
               anew"
            .to_owned(),
    }
}
