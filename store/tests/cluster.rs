//! Several nodes in one process: elections, restarts, snapshots, membership, deadlines.

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::cluster::{Cluster, DONE, PATIENCE, has_token, proposal, token, wait_for, write_many};
use farmux_raft::codec::NEWEST;
use farmux_raft::consensus::record::{LogIdRecord, VoteRecord};
use farmux_raft::consensus::{
    ChangeError, NewestError, ProposeError, Quorum, Refusal, Request, Role,
};
use farmux_raft::consensus::{Consensus, Rpc, RpcReply};
use farmux_raft::id::{ClusterId, NodeId};
use farmux_raft::state::Command;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

/// Those of the first three that do not lead.
fn others(leader: &Consensus) -> [NodeId; 2] {
    match leader.config().me {
        N1 => [N2, N3],
        N2 => [N1, N3],
        _ => [N1, N2],
    }
}

fn voters(node: &Consensus) -> BTreeSet<NodeId> {
    node.membership().borrow().voters()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_leads_when_the_leader_dies_and_all_remember_after_a_restart() {
    let cluster = Cluster::form(3).await;
    assert_eq!(voters(&cluster.node(N3)), BTreeSet::from([N1, N2, N3]));
    assert_eq!(
        cluster.node(N2).propose(proposal(token(1))).await,
        DONE,
        "through the leader"
    );
    assert!(
        has_token(&cluster.node(N2), 1),
        "who proposed can read it on its own node"
    );

    cluster.kill(N1).await;
    let died = Instant::now();
    let leader = cluster.leader_other_than(Some(N1)).await;
    assert!(
        died.elapsed() < Duration::from_secs(4),
        "elected after {:?}",
        died.elapsed()
    );
    assert_eq!(leader.propose(proposal(token(2))).await, DONE);

    for id in [N2, N3] {
        cluster.kill(id).await;
    }
    for id in [N1, N2, N3] {
        cluster.start(id).await;
    }
    for id in [N1, N2, N3] {
        let node = cluster.node(id);
        wait_for("the state of before", || {
            has_token(&node, 1) && has_token(&node, 2)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_does_not_disturb_the_leader_when_it_returns() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader_other_than(None).await;
    let term = leader.standing().borrow().term;
    let [away, _] = others(&leader);
    cluster.network.unplug(away);
    let cut_off = cluster.node(away);
    wait_for("the silence to be noticed", || {
        cut_off.standing().borrow().leader.is_none()
    })
    .await;
    // Long enough for some rounds of elections: without the question before, its term would rise.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.network.plug(away);
    wait_for("the leader to be heard again", || {
        cut_off.standing().borrow().leader.is_some()
    })
    .await;
    assert_eq!(leader.propose(proposal(token(1))).await, DONE);
    let standing = leader.standing().borrow().clone();
    assert_eq!((standing.role, standing.term), (Role::Leader, term));
    assert_eq!(cut_off.standing().borrow().term, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_a_majority_says_so_and_does_not_hang() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader_other_than(None).await;
    let others = others(&leader);
    for id in others {
        cluster.network.unplug(id);
    }
    let asked = Instant::now();
    let first = leader.propose(proposal(token(1))).await;
    assert_eq!(
        first,
        Err(ProposeError::Deadline),
        "it was written, and nobody answered"
    );
    assert!(
        asked.elapsed() < Duration::from_millis(3_500),
        "{:?}",
        asked.elapsed()
    );
    let standing = leader.standing().borrow().clone();
    assert!(
        matches!(standing.quorum, Quorum::Lost { .. }),
        "{standing:?}"
    );
    assert_eq!(
        standing.leader, None,
        "who has no majority is not called a leader"
    );
    assert_eq!(
        leader.propose(proposal(token(2))).await,
        Err(ProposeError::NoQuorum)
    );
    let alone = cluster.node(others[0]);
    assert_eq!(
        alone.propose(proposal(token(3))).await,
        Err(ProposeError::NoLeader)
    );

    for id in others {
        cluster.network.plug(id);
    }
    cluster.leader_other_than(None).await;
    let end = Instant::now() + PATIENCE;
    while alone.propose(proposal(token(4))).await != DONE {
        assert!(Instant::now() < end, "it works again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_made_twice_happens_once() {
    let cluster = Cluster::form(1).await;
    let node = cluster.node(N1);
    let same = proposal(token(1));
    assert_eq!(node.propose(same.clone()).await, DONE);
    assert_eq!(
        node.propose(same.clone()).await,
        DONE,
        "the first one's answer"
    );
    let another = node.propose(proposal(token(1))).await;
    assert!(
        matches!(another, Err(ProposeError::Rejected(_))),
        "{another:?}"
    );
    cluster.kill(N1).await;
    let node = cluster.start(N1).await;
    assert_eq!(node.propose(same).await, DONE, "also after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_away_for_ten_thousand_writes_catches_up_by_snapshot() {
    let cluster = Cluster::form(3).await;
    cluster.kill(N3).await;
    let leader = cluster.leader_other_than(Some(N3)).await;
    assert_eq!(leader.propose(proposal(token(1))).await, DONE);
    write_many(&leader, 10_000).await;
    assert_eq!(leader.propose(proposal(token(2))).await, DONE);
    assert_eq!(cluster.network.snapshot_pieces(), 0);
    let returned = cluster.start(N3).await;
    wait_for("all of it", || {
        has_token(&returned, 1) && has_token(&returned, 2)
    })
    .await;
    assert!(
        cluster.network.snapshot_pieces() > 0,
        "the log of then is gone: by snapshot"
    );
    let last = leader.standing().borrow().last_index;
    wait_for("the end of the log", || {
        returned.standing().borrow().applied_index >= last
    })
    .await;

    // What came as a snapshot is there after the next restart, too.
    cluster.kill(N3).await;
    let again = cluster.start(N3).await;
    assert!(has_token(&again, 1), "before anybody was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_steps_aside_before_it_is_removed() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader_other_than(None).await;
    let me = leader.config().me;
    leader
        .remove(me)
        .await
        .expect("another leads, and removes it");
    let successor = cluster.leader_other_than(Some(me)).await;
    assert!(!voters(&successor).contains(&me) && voters(&successor).len() == 2);
    assert_eq!(successor.propose(proposal(token(1))).await, DONE);
    successor
        .remove(me)
        .await
        .expect("asking again for what is done does nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_without_a_lost_proposal() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader_other_than(None).await;
    let [to, _] = others(&leader);
    let term = leader.standing().borrow().term;
    let writer = leader.clone();
    let writes = tokio::spawn(async move { write_many(&writer, 300).await });
    let asked = Instant::now();
    leader
        .transfer_leadership(Some(to))
        .await
        .expect("it moves");
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    writes.await.expect("each was decided");
    // On a busy machine somebody else may lead by now; but an election there was.
    let now = cluster.leader_other_than(None).await;
    assert!(now.standing().borrow().term > term, "another term began");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_with_a_witness_survives_one_and_a_pair_survives_none() {
    let cluster = Cluster::form(2).await;
    let leader = cluster.leader_other_than(None).await;
    let [second, witness] = others(&leader);
    cluster.network.unplug(second);
    wait_for("the loss", || {
        cluster.standings().iter().all(|s| s.leader.is_none())
    })
    .await;
    assert_eq!(leader.remove(second).await, Err(ChangeError::NoQuorum));
    cluster.network.plug(second);
    let leader = cluster.leader_other_than(None).await;

    // A witness is an ordinary voter.
    cluster.start(witness).await;
    leader.add_learner(witness).await.expect("it learns");
    leader.promote(witness).await.expect("it votes");
    let first = leader.config().me;
    cluster.kill(first).await;
    let next = cluster.leader_other_than(Some(first)).await;
    assert_eq!(next.propose(proposal(token(1))).await, DONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_joined_is_neither_promoted_nor_waited_for() {
    let cluster = Cluster::form(1).await;
    let node = cluster.node(N1);
    assert_eq!(node.promote(N2).await, Err(ChangeError::NotMember(N2)));
    assert_eq!(node.remove(N1).await, Err(ChangeError::LastVoter(N1)));
    assert_eq!(node.remove(N2).await, Ok(()), "there is nothing to do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_questions_are_refused() {
    let cluster = Cluster::form(1).await;
    let node = cluster.node(N1);
    let ask = Request::PreVote { last: None };
    let rpc = |cluster, epoch| Rpc {
        cluster,
        epoch,
        request: ask.clone(),
    };
    let ours = common::cluster::CLUSTER;
    let foreign = node.handle(N2, rpc(ClusterId(1), 0)).await;
    assert_eq!(foreign, RpcReply::Refused(Refusal::ForeignCluster));
    let older = node.handle(N2, rpc(ours, 1)).await;
    assert_eq!(older, RpcReply::Refused(Refusal::OtherEpoch { ours: 0 }));
    let vote = farmux_raft::consensus::record::VoteRecord {
        term: 9,
        node: N3,
        committed: true,
    };
    let request = Request::ElectNow { vote };
    let impostor = node
        .handle(
            N2,
            Rpc {
                cluster: ours,
                epoch: 0,
                request,
            },
        )
        .await;
    assert_eq!(impostor, RpcReply::Refused(Refusal::NotYourself));
}

/// What a node has by itself may be old; what it has after it asked is not, or it says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_has_all_that_was_decided_before_or_there_is_none() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader_other_than(None).await;
    let [_, last] = others(&leader);
    let follower = cluster.node(last);
    let older = follower.newest().await;
    assert_eq!(
        older,
        Err(NewestError::OlderFormat),
        "a member may not know it"
    );
    let raised = leader.propose(proposal(Command::RaiseFormat(NEWEST))).await;
    assert_eq!(raised, DONE);
    wait_for("the format", || {
        follower.state().borrow().format.number() == NEWEST
    })
    .await;
    for number in 1..=20 {
        assert_eq!(leader.propose(proposal(token(number))).await, DONE);
        assert_eq!(follower.newest().await, Ok(()));
        assert!(has_token(&follower, number), "decided before it asked");
        assert_eq!(leader.newest().await, Ok(()));
    }

    let me = follower.config().me;
    cluster.network.unplug(me);
    assert_eq!(leader.propose(proposal(token(21))).await, DONE);
    let asked = follower.newest().await;
    assert!(asked.is_err(), "it cannot know: {asked:?}");
    assert!(!has_token(&follower, 21));
    cluster.network.plug(me);
    wait_for("the leader to be heard again", || {
        follower.standing().borrow().leader.is_some()
    })
    .await;
    assert_eq!(follower.newest().await, Ok(()));
    assert!(has_token(&follower, 21));

    // A leader without a majority does not say that it knows.
    for node in others(&leader) {
        cluster.network.unplug(node);
    }
    let asked = leader.newest().await;
    assert!(asked.is_err(), "another may lead: {asked:?}");
}

/// Votes were ordered by term and node: who had voted in a term voted again for a higher id, and
/// two nodes led in one term. A voter gives one vote a term, to whoever asks first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_votes_once_a_term() {
    let cluster = Cluster::form(3).await;
    let voter = cluster.node(N1);
    for id in [N2, N3] {
        cluster.kill(id).await;
    }
    let ask = async |node: NodeId, term: u64| {
        let committed = false;
        let vote = VoteRecord {
            term,
            node,
            committed,
        };
        let last = Some(LogIdRecord {
            term: u64::MAX,
            node,
            index: u64::MAX,
        });
        let request = Request::Vote {
            vote,
            last,
            sanctioned: true,
        };
        let rpc = Rpc {
            cluster: voter.config().cluster,
            epoch: 0,
            request,
        };
        voter.handle(node, rpc).await
    };
    let granted = |reply: &RpcReply| matches!(reply, RpcReply::Vote { granted: true, .. });
    // openraft's own guard of a leader runs out a moment after its last word.
    let (end, mut first) = (Instant::now() + PATIENCE, 1_000);
    while !granted(&ask(N2, first).await) {
        assert!(Instant::now() < end, "it never votes");
        tokio::time::sleep(Duration::from_millis(20)).await;
        first += 1;
    }
    assert!(!granted(&ask(N3, first).await), "a second vote in {first}");
    assert!(
        granted(&ask(N3, first + 1).await),
        "the next term is another"
    );
}
