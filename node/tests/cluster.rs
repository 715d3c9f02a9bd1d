//! Daemons in one process: a cluster is made, joined (also in pieces), left, and found again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farmux_node::daemon::{InitOrder, JoinOrder, Joined, Node, OrderError, TokenOrder, wall_clock};
use farmux_node::identity::Home;
use farmux_node::settings::Settings;
use farmux_raft::consensus::Effective;
use farmux_raft::id::NodeId;
use farmux_raft::peer::join::{JoinRequest, JoinStep, Version};
use farmux_raft::peer::token::JoinToken;
use farmux_raft::peer::{Addresses, joiner};
use farmux_raft::state::{NodeCondition, NodeRole};
use tokio::sync::mpsc;

mod common;

use common::node_toml;

fn settings(name: &str, folder: &Path) -> Settings {
    Settings::parse(&node_toml(name, folder, "")).expect("these settings are good")
}

/// Joins, and returns what was heard of it as well.
async fn join(
    node: &Arc<Node>,
    token: &str,
    role: NodeRole,
) -> (Result<Joined, OrderError>, Vec<String>) {
    let (progress, mut lines) = mpsc::channel(16);
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(line) = lines.recv().await {
            heard.push(line);
        }
        heard
    });
    let order = JoinOrder {
        token: token.to_owned(),
        role,
    };
    let joined = node.join(order, progress).await;
    (joined, heard.await.expect("listening does not fail"))
}

/// A cluster `prod` of one node, `lb1`.
async fn cluster_of_one(folder: &Path) -> Arc<Node> {
    let node = Arc::new(Node::new(settings("lb1", folder)));
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    node.init(init).await.expect("init");
    node
}

/// Waits for something that this node's membership shall say.
async fn until(node: &Node, what: &str, wanted: impl FnMut(&Effective) -> bool) {
    let member = node.member().expect("it is a member");
    let mut membership = member.consensus().membership();
    let seen = tokio::time::timeout(PATIENCE, membership.wait_for(wanted)).await;
    assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what}");
}

/// Far more than a busy machine needs for two elections.
const PATIENCE: Duration = Duration::from_secs(20);

async fn token(node: &Node, role: NodeRole) -> String {
    let order = TokenOrder {
        role,
        ttl: Duration::from_secs(3600),
    };
    node.create_token(order)
        .await
        .expect("a leader makes tokens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_made_joined_left_and_found_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cluster_of_one(folder.path()).await;
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    assert!(matches!(
        first.init(init).await,
        Err(OrderError::InCluster(_))
    ));
    let second = Arc::new(Node::new(settings("lb2", folder.path())));
    let witness = Arc::new(Node::new(settings("w1", folder.path())));
    for (node, id, role) in [
        (&second, 2, NodeRole::Balancer),
        (&witness, 3, NodeRole::Witness),
    ] {
        let token = token(&first, role).await;
        let (joined, heard) = join(node, &token, role).await;
        assert_eq!(joined.expect("join"), Joined::Now(NodeId(id)));
        let looked = |line: &String| line.contains("would take this machine");
        assert!(heard.iter().any(looked), "{heard:?}");
    }
    let three = |now: &Effective| now.voters().len() == 3;
    until(&second, "lb2 hears of the third voter", three).await;

    second.leave().await.expect("leave");
    until(&first, "two are left", |now| now.voters().len() == 2).await;
    let member = first.member().expect("lb1 is a member");
    assert!(!member.state().nodes.contains_key(&NodeId(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_again_with_the_same_token_hears_the_same_join() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cluster_of_one(folder.path()).await;
    let balancer = token(&first, NodeRole::Balancer).await;
    let second = Arc::new(Node::new(settings("lb2", folder.path())));
    // The operator of the first attempt goes away at its first line.
    let (progress, mut lines) = mpsc::channel(1);
    let order = JoinOrder {
        token: balancer.clone(),
        role: NodeRole::Balancer,
    };
    let interrupted = tokio::spawn({
        let second = Arc::clone(&second);
        async move { second.join(order, progress).await }
    });
    lines.recv().await.expect("a first line");
    drop(lines);
    let (one, two, strange) = tokio::join!(
        join(&second, &balancer, NodeRole::Balancer),
        join(&second, &balancer, NodeRole::Balancer),
        async {
            let other = token(&first, NodeRole::Balancer).await;
            join(&second, &other, NodeRole::Balancer).await
        },
    );
    for (joined, heard) in [one, two] {
        assert_eq!(joined.expect("it follows"), Joined::Now(NodeId(2)));
        let looked = |line: &String| line.contains("would take this machine");
        assert!(looked(&heard[0]), "from the first step on: {heard:?}");
    }
    // Another token is another order: told to wait, or that there is nothing left to do.
    assert!(
        matches!(
            strange.0,
            Err(OrderError::Busy) | Ok(Joined::Before(NodeId(2)))
        ),
        "{:?}",
        strange.0
    );
    assert!(
        interrupted.await.expect("no panic").is_err(),
        "nobody listened"
    );

    let (again, _) = join(&second, &balancer, NodeRole::Balancer).await;
    assert_eq!(again.expect("a member"), Joined::Before(NodeId(2)));
    let stranger = tempfile::tempdir().expect("a temporary folder");
    let foreign = cluster_of_one(stranger.path()).await;
    let foreign = token(&foreign, NodeRole::Balancer).await;
    let (refused, _) = join(&second, &foreign, NodeRole::Balancer).await;
    assert!(matches!(refused, Err(OrderError::InCluster(_))));
}

/// A daemon that ended after its welcome, before the first entry of the log.
async fn welcomed(
    first: &Arc<Node>,
    settings: &Settings,
    token: &str,
    members: impl FnOnce(Addresses) -> Addresses,
) {
    let token: JoinToken = token.parse().expect("a token");
    let request = JoinRequest {
        secret: token.secret.clone(),
        version: Version::ours(),
        clock: wall_clock(),
        node: farmux_raft::state::Node {
            name: settings.name.clone(),
            role: token.role,
            peer_addresses: settings.peer.clone(),
            admin_address: settings.admin,
            joined: wall_clock(),
            condition: NodeCondition::Reachable,
        },
        networks: BTreeSet::new(),
        step: JoinStep::Preflight,
    };
    let home = Home::open(&settings.data).expect("a folder");
    let key = home.key().expect("a key");
    let claimed = joiner::claim(&token, &request, &key).await;
    let (identity, welcome) = claimed.expect("it is welcome");
    assert!(first.member().is_some());
    home.save(&identity, &members(welcome.members))
        .expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_before_the_first_entry_of_the_log_interrupts_no_join() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cluster_of_one(folder.path()).await;
    let balancer = token(&first, NodeRole::Balancer).await;
    let settings = settings("lb2", folder.path());
    welcomed(&first, &settings, &balancer, |members| members).await;

    let second = Arc::new(Node::new(settings));
    second.resume().await.expect("it starts");
    until(&second, "it goes on by itself", |now| {
        now.is_voter(NodeId(2))
    })
    .await;
    let (again, _) = join(&second, &balancer, NodeRole::Balancer).await;
    assert_eq!(again.expect("a member"), Joined::Before(NodeId(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_goes_on_after_a_restart_that_forgot_the_members() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cluster_of_one(folder.path()).await;
    let balancer = token(&first, NodeRole::Balancer).await;
    let settings = settings("lb2", folder.path());
    welcomed(&first, &settings, &balancer, |_| Addresses::new()).await;

    let second = Arc::new(Node::new(settings));
    second.resume().await.expect("it starts");
    let (joined, heard) = join(&second, &balancer, NodeRole::Balancer).await;
    assert_eq!(joined.expect("it goes on"), Joined::Now(NodeId(2)));
    let goes_on = |line: &String| line.contains("goes on where it was interrupted");
    assert!(heard.iter().any(goes_on), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_whose_leader_died_before_its_last_entry_is_finished_by_whoever_leads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cluster_of_one(folder.path()).await;
    let balancer = token(&first, NodeRole::Balancer).await;
    let nowhere = settings("nobody", folder.path()).peer;
    let settings = settings("lb2", folder.path());
    // It asks a node that is none for its vote: so nobody else promotes it, and nobody finishes.
    let nobody = || Addresses::from([(NodeId(9), nowhere.clone())]);
    welcomed(&first, &settings, &balancer, |_| nobody()).await;
    let second = Arc::new(Node::new(settings));
    second.resume().await.expect("it starts");
    let leader = first.member().expect("lb1 is a member");
    let consensus = leader.consensus();
    consensus.add_learner(NodeId(2)).await.expect("it answers");
    consensus.promote(NodeId(2)).await.expect("it caught up");

    let mut state = consensus.state();
    let used = state.wait_for(|state| state.tokens.values().all(|token| token.used));
    let used = tokio::time::timeout(PATIENCE, used).await;
    assert!(used.is_ok_and(|used| used.is_ok()), "the token is used up");
}
