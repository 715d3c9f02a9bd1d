//! A cluster for the tests: three nodes, one VIP, one farm of three servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farmux_raft::id::{Ballot, ClusterId, NodeId, UnixMillis};
use farmux_raft::state::{
    Authority, CheckKey, Cluster, Config, Farm, Health, HealthRecord, LeaseKey, Node,
    NodeCondition, NodeRole, Secret, Secrets, Server, Service, ServiceKind, State, Vip,
    VipStanding,
};

use super::{LogView, VERSION, View};
use crate::api::report::NodeReport;

/// When everything in it happened.
pub(crate) const THEN: UnixMillis = UnixMillis(1_772_366_400_000);

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// Nodes with these roles, n1 to n…, named lb1 to lb….
pub(crate) fn state(roles: &[NodeRole]) -> State {
    let secrets = Secrets {
        ca_certificate: String::new(),
        ca_key: Secret::new(String::new()),
        lease_key: LeaseKey([0; 32]),
    };
    let mut state = State {
        cluster: Some(Cluster {
            id: ClusterId(7),
            name: name("prod"),
            epoch: 0,
            secrets,
        }),
        ..State::default()
    };
    for (number, role) in (1_u64..).zip(roles) {
        let node = Node {
            name: name(&format!("lb{number}")),
            role: *role,
            peer_addresses: vec![
                format!("10.0.0.1{number}:7946")
                    .parse()
                    .expect("an address"),
            ],
            admin_address: format!("10.0.0.1{number}:9443")
                .parse()
                .expect("an address"),
            joined: THEN,
            condition: NodeCondition::Reachable,
        };
        state.nodes.insert(NodeId(number), node);
    }
    let front = Vip {
        address: "10.0.0.100".parse().expect("an address"),
        network: name("lan"),
        gateway: None,
        on_quorum_loss: Default::default(),
    };
    let mut config = Config::default();
    config.vips.insert(name("front"), front);
    config.farms.insert(name("shop"), farm());
    state.config = config.into();
    let ballot = Ballot {
        counter: 1,
        node: NodeId(1),
    };
    let standing = VipStanding {
        owner: NodeId(1),
        ballot,
        since: THEN,
    };
    state.vips.insert(name("front"), standing);
    for server in ["s1", "s2", "s3"] {
        set_health(&mut state, server, Health::Up, "200 OK");
    }
    state
}

/// The verdict of the check of `web` on a server.
pub(crate) fn set_health(state: &mut State, server: &str, health: Health, reason: &str) {
    let key = CheckKey::Server {
        farm: name("shop"),
        server: name(server),
        service: name("web"),
    };
    let authority = Some(Authority::Owner(Ballot {
        counter: 1,
        node: NodeId(1),
    }));
    let record = HealthRecord {
        health,
        reason: reason.to_owned(),
        since: THEN,
        authority,
    };
    Arc::make_mut(&mut state.health).insert(key, record);
}

fn farm() -> Farm {
    let check = serde_json::from_str(
        r#"{"kind":{"http":{"path":"/health","host":null,"status":200,"text":null}},
            "interval":{"secs":2,"nanos":0},"timeout":{"secs":1,"nanos":0},"fall":3,"rise":2}"#,
    );
    let server = |last: u8| Server {
        weight: 10.try_into().expect("not zero"),
        ..Server::plain([10, 0, 0, last].into())
    };
    let web = Service {
        check: Some(check.expect("a check")),
        ..Service::plain(ServiceKind::Http, 80.try_into().expect("not zero"))
    };
    Farm {
        services: BTreeMap::from([(name("web"), web)]),
        servers: (1..=3)
            .map(|n| (name(&format!("s{n}")), server(20 + n)))
            .collect(),
        ..Farm::plain(name("front"))
    }
}

/// How n1 sees it: all nodes vote, those in `answering` answer, n1 leads and owns the VIP.
pub(crate) fn view<'a>(state: &'a State, answering: &[u64]) -> View<'a> {
    let voters: BTreeSet<NodeId> = state.nodes.keys().copied().collect();
    let report = |&number: &u64| {
        let held = match number {
            1 => BTreeSet::from([name("front")]),
            _ => BTreeSet::new(),
        };
        let report = NodeReport {
            version: VERSION.to_owned(),
            held,
            ..NodeReport::default()
        };
        (NodeId(number), report)
    };
    View {
        me: NodeId(1),
        name: &state.nodes[&NodeId(1)].name,
        state,
        log: LogView {
            removed: false,
            term: 3,
            leader: Some(NodeId(1)),
            applied: 812,
            lag: BTreeMap::new(),
        },
        halves: vec![voters],
        learners: BTreeSet::new(),
        leases: BTreeMap::from([(name("front"), NodeId(1))]),
        reports: answering.iter().map(report).collect(),
    }
}
