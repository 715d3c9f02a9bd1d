//! Three daemons in one process: a cluster is made, joined, left, and found again after a restart.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farmux_node::daemon::{InitOrder, JoinOrder, Node, OrderError, TokenOrder};
use farmux_node::settings::Settings;
use farmux_raft::id::NodeId;
use farmux_raft::state::NodeRole;
use tokio::sync::mpsc;

/// A port that was free a moment ago, for TCP; UDP has the same one free on an idle machine.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("loopback has ports")
}

fn settings(name: &str, folder: &Path) -> Settings {
    let text = format!(
        "name = \"{name}\"\npeer = [\"{}\"]\nadmin = \"{}\"\nsocket = \"{}\"\ndata = \"{}\"\n\
         serving_threads = 1\n",
        free(),
        free(),
        folder.join(format!("{name}.sock")).display(),
        folder.join(name).display(),
    );
    Settings::parse(&text).expect("these settings are good")
}

async fn join(node: &Node, token: &str, role: NodeRole) -> Result<NodeId, OrderError> {
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
    let heard = heard.await.expect("listening does not fail");
    let looked = |line: &String| line.contains("would take this machine");
    assert!(heard.iter().any(looked), "{heard:?}");
    joined
}

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
    let nodes: Vec<Arc<Node>> = ["lb1", "lb2", "w1"]
        .iter()
        .map(|name| Arc::new(Node::new(settings(name, folder.path()))))
        .collect();
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    nodes[0].init(init.clone()).await.expect("init");
    assert!(matches!(
        nodes[0].init(init).await,
        Err(OrderError::InCluster(_))
    ));

    let balancer = token(&nodes[0], NodeRole::Balancer).await;
    assert_eq!(
        join(&nodes[1], &balancer, NodeRole::Balancer)
            .await
            .expect("join"),
        NodeId(2)
    );
    let witness = token(&nodes[0], NodeRole::Witness).await;
    assert_eq!(
        join(&nodes[2], &witness, NodeRole::Witness)
            .await
            .expect("join"),
        NodeId(3)
    );

    let members = nodes[1].member().expect("lb2 is a member");
    let mut membership = members.consensus().membership();
    let three = membership.wait_for(|effective| effective.voters().len() == 3);
    let heard = tokio::time::timeout(Duration::from_secs(10), three).await;
    assert!(
        heard.is_ok_and(|seen| seen.is_ok()),
        "lb2 hears of the third voter"
    );

    nodes[1].leave().await.expect("leave");
    let first = nodes[0].member().expect("lb1 is a member");
    let mut membership = first.consensus().membership();
    let two = membership.wait_for(|now| now.voters().len() == 2);
    tokio::time::timeout(Duration::from_secs(10), two)
        .await
        .expect("in time")
        .expect("alive");
    assert!(!first.state().nodes.contains_key(&NodeId(2)));
}
