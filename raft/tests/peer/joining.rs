//! Tokens, good and bad: a cluster of one, whose state is real and whose log is a mutex.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farmux_raft::consensus::Transport;
use farmux_raft::id::{ClusterId, NodeId, RequestId, UnixMillis};
use farmux_raft::peer::certificate::{Ca, fingerprint};
use farmux_raft::peer::issue::{claim_of, preflight, refusal_of_reject, welcome};
use farmux_raft::peer::join::{JoinAnswer, JoinRefusal, JoinRequest, JoinStep, Version};
use farmux_raft::peer::joiner::{JoinError, claim, look};
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::token::JoinToken;
use farmux_raft::state::{
    Applied, Command, LeaseKey, Node, NodeCondition, NodeRole, OnQuorumLoss, Proposal, Reject,
    State, TokenId, Vip,
};

use super::support::*;

const HOUR_MS: u64 = 3_600_000;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().expect("any")
}

fn node(number: u8, role: NodeRole) -> Node {
    let address = |port| SocketAddr::from(([10, 0, 0, number], port));
    Node {
        name: format!("lb{number}").parse().expect("a name"),
        role,
        peer_addresses: vec![address(7946)],
        admin_address: address(9443),
        joined: UnixMillis(0),
        condition: NodeCondition::Reachable,
    }
}

/// A cluster of one that takes joiners in.
struct Cluster {
    state: Arc<Mutex<State>>,
    ca: Ca,
    port: Port,
}

impl Cluster {
    async fn start() -> Cluster {
        let ca = ca(7);
        let init = Command::Init {
            cluster: ClusterId(7),
            name: cluster_name(),
            secrets: ca.secrets(LeaseKey([1; 32])),
            node: node(1, NodeRole::Balancer),
        };
        let state = Arc::new(Mutex::new(State::default()));
        apply(&state, init).expect("the first of all");
        let shared = state.clone();
        let handler = Counting {
            on_join: Some(Box::new(move |request| lead(&shared, request))),
            ..Counting::default()
        };
        let port = Port::open_with(identity(&ca, 1), handler, any()).await;
        Cluster { state, ca, port }
    }

    fn apply(&self, command: Command) -> Result<Applied, Reject> {
        apply(&self.state, command)
    }

    /// A token that the cluster knows, good for an hour.
    fn token(&self, role: NodeRole) -> JoinToken {
        let ca = fingerprint(self.ca.certificate());
        let token = JoinToken::create(role, ca, &[self.port.address]);
        let record = token.record(now(), UnixMillis(now().0 + HOUR_MS));
        self.apply(Command::CreateToken(record))
            .expect("a new token");
        token
    }
}

fn apply(state: &Mutex<State>, command: Command) -> Result<Applied, Reject> {
    let proposal = Proposal {
        id: RequestId::random(),
        at: now(),
        command,
    };
    state.lock().expect("no panic").apply(1, proposal)
}

/// What `take_joiner` does, with a mutex in place of consensus.
fn lead(state: &Mutex<State>, request: JoinRequest) -> Result<JoinAnswer, JoinRefusal> {
    let offer = preflight(&state.lock().expect("no panic"), &request, now())?;
    let JoinStep::Claim(signing) = &request.step else {
        return Ok(JoinAnswer::Offer(offer));
    };
    match apply(state, claim_of(&request, signing, now())?) {
        Ok(Applied::Node(node)) => {
            let state = state.lock().expect("no panic");
            Ok(JoinAnswer::Welcome(
                welcome(&state, node, signing, now()).expect("signed"),
            ))
        }
        Ok(other) => panic!("{other:?}"),
        Err(reject) => Err(refusal_of_reject(reject)),
    }
}

fn request(token: &JoinToken, node: Node) -> JoinRequest {
    JoinRequest {
        secret: token.secret.clone(),
        version: Version::ours(),
        clock: now(),
        node,
        networks: BTreeSet::from(["lan".parse().expect("a name")]),
        step: JoinStep::Preflight,
    }
}

fn refusal<T>(outcome: Result<T, JoinError>) -> JoinRefusal {
    match outcome {
        Err(JoinError::Refused(refusal)) => {
            assert!(!refusal.to_string().is_empty());
            assert!(!refusal.why().is_empty() && !refusal.mend().is_empty());
            refusal
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test]
async fn a_joiner_gets_an_identity_that_its_peers_believe() {
    let cluster = Cluster::start().await;
    // As it is handed over: printed, and typed again.
    let token: JoinToken = cluster
        .token(NodeRole::Witness)
        .reveal()
        .parse()
        .expect("what we printed");
    let request = request(&token, node(2, NodeRole::Witness));
    let offer = soon(look(&token, &request))
        .await
        .expect("nothing is in the way");
    assert_eq!((offer.cluster, offer.name), (ClusterId(7), cluster_name()));
    let nodes = cluster.state.lock().expect("no panic").nodes.len();
    assert_eq!(nodes, 1, "looking changes nothing");

    let key = NodeKey::generate();
    let (identity, welcome) = soon(claim(&token, &request, &key)).await.expect("taken");
    assert_eq!(
        (identity.node(), identity.role()),
        (NodeId(2), NodeRole::Witness)
    );
    assert_eq!(identity.key().fingerprint(), key.fingerprint());
    assert_eq!(
        welcome.members.keys().copied().collect::<Vec<_>>(),
        [NodeId(1), NodeId(2)]
    );

    let (client, _) = client(identity, 1, cluster.port.address);
    client
        .call(NodeId(1), small_rpc(), Duration::from_secs(5))
        .await
        .expect("it is believed");
}

#[tokio::test]
async fn an_interrupted_join_resumes_until_it_is_finished() {
    let cluster = Cluster::start().await;
    let token = cluster.token(NodeRole::Balancer);
    let asked = request(&token, node(2, NodeRole::Balancer));
    let key = NodeKey::generate();
    for _ in 0..2 {
        let (identity, _) = soon(claim(&token, &asked, &key))
            .await
            .expect("the same again");
        assert_eq!(identity.node(), NodeId(2));
    }
    // Another machine with the same token.
    let other = request(&token, node(3, NodeRole::Balancer));
    let outcome = soon(claim(&token, &other, &NodeKey::generate())).await;
    assert_eq!(refusal(outcome), JoinRefusal::TokenBound);
    cluster
        .apply(Command::FinishJoin(NodeId(2)))
        .expect("promoted");
    assert_eq!(
        refusal(soon(claim(&token, &asked, &key)).await),
        JoinRefusal::TokenUsed
    );
    assert_eq!(
        refusal(soon(look(&token, &asked)).await),
        JoinRefusal::TokenUsed
    );
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let cluster = Cluster::start().await;
    let revoked = cluster.token(NodeRole::Balancer);
    let id = TokenId::of(&revoked.secret.hash());
    cluster.apply(Command::RevokeToken(id)).expect("revoked");
    let asked = request(&revoked, node(2, NodeRole::Balancer));
    assert_eq!(
        refusal(soon(look(&revoked, &asked)).await),
        JoinRefusal::TokenUnknown
    );

    let expired = cluster.token(NodeRole::Balancer);
    for record in cluster.state.lock().expect("no panic").tokens.values_mut() {
        record.expires = UnixMillis(now().0 - 1);
    }
    let asked = request(&expired, node(2, NodeRole::Balancer));
    assert_eq!(
        refusal(soon(look(&expired, &asked)).await),
        JoinRefusal::TokenExpired
    );

    let witness = cluster.token(NodeRole::Witness);
    let asked = request(&witness, node(2, NodeRole::Balancer));
    let (token, is) = (NodeRole::Witness, NodeRole::Balancer);
    let expected = JoinRefusal::TokenRole { token, asked: is };
    assert_eq!(refusal(soon(look(&witness, &asked)).await), expected);
}

#[tokio::test]
async fn machines_that_do_not_fit() {
    let cluster = Cluster::start().await;
    let vip = Vip {
        address: [10, 0, 0, 100].into(),
        network: "dmz".parse().expect("a name"),
        gateway: None,
        on_quorum_loss: OnQuorumLoss::Release,
        group: None,
        prefer: None,
    };
    let token = cluster.token(NodeRole::Balancer);
    let good = request(&token, node(2, NodeRole::Balancer));

    // It reads less than what the cluster writes.
    let mut wrong = good.clone();
    wrong.version.wire = 0;
    let outcome = refusal(soon(look(&token, &wrong)).await);
    assert!(
        matches!(outcome, JoinRefusal::VersionMismatch { .. }),
        "{outcome}"
    );

    // The joiner stamps each request itself, so only the leader's look can be shown a wrong clock.
    for clock in [now().0 - 20_000, now().0 + 20_000] {
        let wrong = JoinRequest {
            clock: UnixMillis(clock),
            ..good.clone()
        };
        let state = cluster.state.lock().expect("no panic");
        let outcome = preflight(&state, &wrong, now()).expect_err("20 s are too many");
        assert!(
            matches!(outcome, JoinRefusal::ClockSkew { .. }),
            "{outcome}"
        );
    }

    let name: farmux_raft::id::NodeName = "lb1".parse().expect("a name");
    let same = Node {
        name: name.clone(),
        ..node(2, NodeRole::Balancer)
    };
    let outcome = refusal(soon(look(&token, &request(&token, same))).await);
    assert_eq!(outcome, JoinRefusal::NameTaken(name));

    let first = node(1, NodeRole::Balancer).peer_addresses;
    let same = Node {
        peer_addresses: first,
        ..node(2, NodeRole::Balancer)
    };
    let outcome = soon(claim(&token, &request(&token, same), &NodeKey::generate())).await;
    assert!(matches!(refusal(outcome), JoinRefusal::AddressTaken { .. }));

    {
        let mut state = cluster.state.lock().expect("no panic");
        Arc::make_mut(&mut state.config)
            .vips
            .insert("front".parse().expect("a name"), vip);
    }
    let outcome = refusal(soon(look(&token, &good)).await);
    assert!(
        matches!(outcome, JoinRefusal::NetworkMissing { .. }),
        "{outcome}"
    );
    assert_eq!(
        cluster.state.lock().expect("no panic").last_node,
        NodeId(1),
        "nothing was given"
    );
}

#[tokio::test]
async fn a_token_of_another_cluster_never_leaves_the_joiner() {
    let (home, foreign) = (Cluster::start().await, Cluster::start().await);
    let mut token = home.token(NodeRole::Balancer);
    token.addresses = vec![foreign.port.address];
    let asked = request(&token, node(2, NodeRole::Balancer));
    let outcome = soon(look(&token, &asked)).await;
    assert_eq!(
        outcome.expect_err("foreign"),
        JoinError::ForeignCluster(foreign.port.address)
    );
    assert_eq!(foreign.port.handler.all(), 0);

    // The other way round: the right CA, and a token that it never made.
    let stray = JoinToken::create(
        NodeRole::Balancer,
        fingerprint(home.ca.certificate()),
        &[home.port.address],
    );
    let asked = request(&stray, node(2, NodeRole::Balancer));
    assert_eq!(
        refusal(soon(look(&stray, &asked)).await),
        JoinRefusal::TokenUnknown
    );
}

#[tokio::test]
async fn the_joiner_follows_the_leader_and_passes_over_the_dead() {
    let cluster = Cluster::start().await;
    let leader = vec![cluster.port.address];
    let follower = Counting {
        on_join: Some(Box::new(move |_| {
            Err(JoinRefusal::NotLeader {
                leader: leader.clone(),
            })
        })),
        ..Counting::default()
    };
    let follower = Port::open_with(identity(&cluster.ca, 2), follower, any()).await;
    let (_socket, dead) = deaf();
    let mut token = cluster.token(NodeRole::Balancer);
    token.addresses = vec![dead, follower.address];
    let asked = request(&token, node(3, NodeRole::Balancer));
    let offer = soon(look(&token, &asked))
        .await
        .expect("the leader is found");
    assert_eq!(offer.cluster, ClusterId(7));

    token.addresses = vec![dead];
    let outcome = soon(look(&token, &asked))
        .await
        .expect_err("nobody is there");
    assert!(matches!(outcome, JoinError::Unreachable(_)), "{outcome}");
}
