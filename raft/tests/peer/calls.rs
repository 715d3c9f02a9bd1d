//! Who must be heard: many calls at once, large beside small, across restarts and renewals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use farmux_raft::consensus::record::{MembershipRecord, SnapshotMetaRecord, VoteRecord};
use farmux_raft::consensus::{Request, Rpc, RpcReply, Transport, TransportError};
use farmux_raft::id::{ClusterId, NodeId, UnixMillis};
use farmux_raft::peer::key::SigningRequest;
use farmux_raft::peer::{Addresses, PeerClient, PeerReply, PeerRequest, Refusals};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::*;

const DEADLINE: Duration = Duration::from_secs(5);

/// A piece of a snapshot, as large as one may be.
fn large_rpc() -> Rpc {
    let vote = VoteRecord {
        term: 1,
        node: NodeId(2),
        committed: true,
    };
    let membership = MembershipRecord {
        halves: Vec::new(),
        learners: BTreeSet::new(),
    };
    let id = "s1".to_owned();
    let meta = SnapshotMetaRecord {
        last: None,
        membership_at: None,
        membership,
        id,
    };
    let data = vec![7; 3 << 20];
    let request = Request::Snapshot {
        vote,
        meta,
        offset: 0,
        data,
        done: false,
    };
    Rpc {
        cluster: ClusterId(7),
        epoch: EPOCH,
        request,
    }
}

#[tokio::test]
async fn a_question_is_answered_and_its_asker_known() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let answer = client.call(NodeId(1), small_rpc(), DEADLINE).await;
    assert_eq!(answer, Ok(RpcReply::PreVote(true)));
    let answer = client.ask(NodeId(1), &PeerRequest::Status, DEADLINE).await;
    assert_eq!(answer, Ok(PeerReply::Failed("n2".to_owned())));
    let heard = port.handler.heard.lock().expect("no panic").clone();
    assert_eq!(heard, [(NodeId(2), 1)].into());
}

#[tokio::test]
async fn large_transfers_hold_up_nothing_small() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let mut transfers = JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        transfers.spawn(async move { client.call(NodeId(1), large_rpc(), SOON).await });
    }
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let begun = Instant::now();
        let answer = client.call(NodeId(1), small_rpc(), DEADLINE).await;
        assert_eq!(answer, Ok(RpcReply::PreVote(true)));
        longest = longest.max(begun.elapsed());
    }
    assert!(
        transfers.try_join_next().is_none(),
        "no transfer may end before it is allowed to"
    );
    until("all transfers arrive", || {
        port.handler.raft.load(Ordering::SeqCst) == 58
    })
    .await;
    for _ in 0..8 {
        port.handler.snapshots_may_end.notify_one();
        let ended = soon(transfers.join_next())
            .await
            .expect("one ends")
            .expect("no panic");
        assert_eq!(ended, Ok(RpcReply::PreVote(false)));
    }
    // Beside 24 MiB through two cores; alone it is a tenth of a millisecond.
    assert!(
        longest < Duration::from_secs(1),
        "a small call took {longest:?}"
    );
}

#[tokio::test]
async fn more_calls_than_fit_at_once_are_all_answered() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    // One on the way, so that the connection stands and the lane's queue empties.
    client
        .call(NodeId(1), small_rpc(), DEADLINE)
        .await
        .expect("answered");
    let mut calls = JoinSet::new();
    for n in 0..60u8 {
        let client = client.clone();
        calls.spawn(async move {
            let request = PeerRequest::Renew(SigningRequest(vec![n; 1000]));
            let answer = client.ask(NodeId(1), &request, DEADLINE).await;
            assert_eq!(answer, Ok(PeerReply::Renewed(vec![n; 1000])));
        });
    }
    soon(calls.join_all()).await;
}

#[tokio::test]
async fn what_is_too_large_fails_alone() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let request = PeerRequest::Renew(SigningRequest(vec![0; 5 << 20]));
    let answer = client.ask(NodeId(1), &request, DEADLINE).await;
    assert!(
        matches!(answer, Err(TransportError::Unreachable { .. })),
        "{answer:?}"
    );
    client
        .call(NodeId(1), small_rpc(), DEADLINE)
        .await
        .expect("the connection is well");
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let address = port.address;
    let (client, _) = client(identity(&ca, 2), 1, address);
    client
        .call(NodeId(1), small_rpc(), DEADLINE)
        .await
        .expect("answered");
    drop(port);
    // Until the end of the connection is noticed, calls are lost; then they are refused.
    let end = Instant::now() + SOON;
    loop {
        match client.call(NodeId(1), small_rpc(), DEADLINE).await {
            Err(TransportError::Unreachable { .. }) => break,
            other => assert!(Instant::now() < end, "{other:?}"),
        }
    }
    let port = Port::open_with(identity(&ca, 1), Counting::default(), address).await;
    let begun = Instant::now();
    while client.call(NodeId(1), small_rpc(), DEADLINE).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(begun.elapsed() < SOON, "it is never found again");
    }
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "after {:?}",
        begun.elapsed()
    );
    assert_eq!(port.handler.all(), 1);
}

#[tokio::test]
async fn a_second_address_is_tried() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (_socket, dead) = deaf();
    let addresses = Addresses::from([(NodeId(1), vec![dead, port.address])]);
    let me = fixed(Arc::new(identity(&ca, 2)));
    let client = PeerClient::new(me, fixed(addresses), Arc::new(Refusals::default()));
    let client = client.expect("a good identity");
    let answer = client.call(NodeId(1), small_rpc(), DEADLINE).await;
    assert_eq!(answer, Ok(RpcReply::PreVote(true)));
}

#[tokio::test]
async fn deadlines_hold_whatever_the_other_does() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let short = Duration::from_millis(200);
    let begun = Instant::now();
    // Its answer waits for ever.
    let lost = client
        .call(NodeId(1), large_rpc(), Duration::from_secs(1))
        .await;
    assert!(matches!(lost, Err(TransportError::Lost { .. })), "{lost:?}");
    let unknown = client.call(NodeId(9), small_rpc(), short).await;
    assert!(
        matches!(unknown, Err(TransportError::Unreachable { .. })),
        "{unknown:?}"
    );
    // Somebody who accepts and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (to_mute, _) =
        super::support::client(identity(&ca, 2), 1, mute.local_addr().expect("bound"));
    let silent = to_mute.call(NodeId(1), small_rpc(), short).await;
    assert!(
        matches!(silent, Err(TransportError::Unreachable { .. })),
        "{silent:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "after {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let expired = identity_at(&ca, 2, UnixMillis(now().0 - 91 * DAY_MS));
    let (renew, me) = watch::channel(Arc::new(expired));
    let addresses = fixed(Addresses::from([(NodeId(1), vec![port.address])]));
    let client = PeerClient::new(me, addresses, Arc::new(Refusals::default()));
    let client = client.expect("it can be used, only nobody accepts it");
    client
        .call(NodeId(1), small_rpc(), DEADLINE)
        .await
        .expect_err("it is expired");
    assert_eq!(port.handler.all(), 0);
    renew
        .send(Arc::new(identity(&ca, 2)))
        .expect("the client listens");
    let end = Instant::now() + SOON;
    while client.call(NodeId(1), small_rpc(), DEADLINE).await.is_err() {
        assert!(Instant::now() < end, "the new certificate is never used");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
