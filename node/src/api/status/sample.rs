//! A cluster for the tests: three nodes, one VIP, one farm of three servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use farmux_raft::id::{Ballot, ClusterId, NodeId, RequestId, UnixMillis};
use farmux_raft::state::{
    AdminOrder, AdminState, Advice, Author, Authority, Check, CheckKey, CheckKind, Cluster,
    Command, Config, Farm, Health, HealthChange, HealthRecord, LeaseKey, Node, NodeCondition,
    NodeRole, Ordered, Parent, Proposal, Secret, Secrets, Server, Service, ServiceKind, State, Vip,
    VipStanding, Watch,
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
        group: None,
        prefer: None,
    };
    let mut config = Config::default();
    // Whoever tests second opinions turns them on.
    config.paging.second_opinion = false;
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

/// A file server `fs1` on which the farm depends, and a watch behind it.
pub(crate) fn add_watches(state: &mut State) {
    let check = Check {
        kind: CheckKind::Tcp,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        fall: 3.try_into().expect("not zero"),
        rise: 2.try_into().expect("not zero"),
    };
    let watch = |last: u8, depends_on: BTreeSet<Parent>| Watch {
        address: [10, 0, 0, last].into(),
        port: 2049.try_into().ok(),
        labels: BTreeMap::from([("site".to_owned(), "berlin".to_owned())]),
        group: None,
        check: Some(check.clone()),
        depends_on,
        ladder: None,
    };
    let fs1 = Parent::Watch(name("fs1"));
    let config = Arc::make_mut(&mut state.config);
    config
        .watches
        .insert(name("fs1"), watch(50, BTreeSet::new()));
    let behind = watch(51, BTreeSet::from([fs1.clone()]));
    config.watches.insert(name("mirror"), behind);
    let farm = config.farms.values_mut().next().expect("one farm");
    farm.depends_on.insert(fs1);
    for watch in ["fs1", "mirror"] {
        report(state, watch_check(watch), Health::Up, "connected");
    }
}

/// Has the log take in what the check of a thing says, with all that follows.
pub(crate) fn report(state: &mut State, check: CheckKey, health: Health, reason: &str) {
    let authority = Authority::Leader {
        term: 3,
        node: NodeId(1),
    };
    let change = HealthChange {
        check,
        health,
        reason: reason.to_owned(),
        at: THEN,
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    };
    let changes = vec![change];
    apply(state, Command::ReportHealth { authority, changes });
}

/// Has the log take in a command.
pub(crate) fn apply(state: &mut State, command: Command) {
    let proposal = Proposal {
        id: RequestId::random(),
        at: THEN,
        command,
    };
    state.apply(3, proposal).expect("a good command");
}

/// Anna orders a server of the shop into maintenance, until a moment or without an end.
pub(crate) fn maintain(state: &mut State, server: &str, comment: &str, until: Option<UnixMillis>) {
    let server = server.parse().expect("a name");
    let order = AdminOrder {
        author: Author("anna".to_owned()),
        servers: Ordered::One("shop".parse().expect("a name"), server),
        admin: AdminState::Maintenance,
        allow_empty: true,
        comment: comment.to_owned(),
        until,
    };
    apply(state, Command::SetAdmin(order));
}

/// The check of `web` on a server.
pub(crate) fn server_check(server: &str) -> CheckKey {
    CheckKey::Server {
        farm: name("shop"),
        server: name(server),
        service: name("web"),
    }
}

/// The check of a watch.
pub(crate) fn watch_check(watch: &str) -> CheckKey {
    CheckKey::Watch(name(watch))
}

/// The verdict of the check of `web` on a server.
pub(crate) fn set_health(state: &mut State, server: &str, health: Health, reason: &str) {
    let authority = Some(Authority::Owner(Ballot {
        counter: 1,
        node: NodeId(1),
    }));
    let record = HealthRecord {
        advice: Advice::None,
        health,
        reason: reason.to_owned(),
        since: THEN,
        reached: true,
        authority,
    };
    Arc::make_mut(&mut state.health).insert(server_check(server), record);
}

fn farm() -> Farm {
    let check = serde_json::from_str(
        r#"{"kind":{"http":{"path":"/health","host":null,"status":200,"text":null,"obey":false}},
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
            reads: farmux_raft::codec::NEWEST,
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
        now: THEN,
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
