//! Plans: for each standpoint, what a machine shows, serves and probes.

mod advice;
mod opinions;
mod vips;

use farmux_raft::id::{ClusterId, RequestId, RevisionId, UnixMillis};
use farmux_raft::state::{
    AdminOrder, Advice, Author, Command, HealthChange, LeaseKey, Node, NodeCondition, Ordered,
    Proposal, Secret, Secrets,
};

use super::*;
use crate::config;

const DOCUMENT: &str = r#"
[[vip]]
name = "back"
address = "10.1.0.100"
network = "dmz"

[[vip]]
name = "front"
address = "10.0.0.100"
network = "lan"

[[farm]]
name = "shop"
vip = "front"
method = "least-connections"

[[farm.service]]
name = "web"
kind = "http"
port = 80
check = { kind = "http", path = "/health", interval = "2s", timeout = "1s", text = "ok" }

[[farm.service]]
name = "raw"
kind = "tcp"
port = 8080

[[farm.server]]
name = "s1"
address = "10.0.0.21"
ports = { web = 8081 }
weight = 2

[[farm.server]]
name = "s2"
address = "10.0.0.22"

[[farm]]
name = "wiki"
vip = "back"
fate = "each"

[[farm.service]]
name = "web"
kind = "tcp"
port = 80
check = { kind = "tcp" }

[[farm.server]]
name = "w1"
address = "fd00::21"
"#;

fn obey(state: &mut State, command: Command) {
    let id = RequestId(u128::from(state.revision.0) << 64 | state.health.len() as u128);
    let proposal = Proposal {
        id,
        at: UnixMillis(1_000),
        command,
    };
    state.apply(1, proposal).expect("it is a good command");
}

fn state() -> State {
    state_of(DOCUMENT)
}

fn state_of(document: &str) -> State {
    let mut state = State::default();
    let node = Node {
        name: "lb1".parse().expect("a name"),
        role: NodeRole::Balancer,
        peer_addresses: vec![([10, 0, 0, 11], 7946).into()],
        admin_address: ([10, 0, 0, 11], 9443).into(),
        joined: UnixMillis(0),
        condition: NodeCondition::Reachable,
    };
    let secrets = Secrets {
        ca_certificate: String::new(),
        ca_key: Secret::new(String::new()),
        lease_key: LeaseKey([0; 32]),
    };
    let init = Command::Init {
        cluster: ClusterId(1),
        name: "prod".parse().expect("a name"),
        secrets,
        node,
    };
    let first = Proposal {
        id: RequestId(u128::MAX),
        at: UnixMillis(0),
        command: init,
    };
    state.apply(1, first).expect("it is the first");
    let config = config::read(document, &state.config, &state.nodes).expect("it is valid");
    let (author, note) = (Author("ada".to_owned()), String::new());
    obey(
        &mut state,
        Command::Configure {
            author,
            base: RevisionId(0),
            config: Box::new(config),
            note,
        },
    );
    state
}

fn check(farm: &str, server: &str, service: &str) -> CheckKey {
    CheckKey::Server {
        farm: farm.parse().expect("a name"),
        server: server.parse().expect("a name"),
        service: service.parse().expect("a name"),
    }
}

fn report(state: &mut State, server: &str, health: state::Health) {
    let check = check("shop", server, "web");
    let change = HealthChange {
        check,
        health,
        reason: "seen".to_owned(),
        at: UnixMillis(1),
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    };
    let authority = Authority::Leader { term: 1, node: ME };
    obey(
        state,
        Command::ReportHealth {
            authority,
            changes: vec![change],
        },
    );
}

fn order(state: &mut State, server: &str, admin: AdminState) {
    obey(
        state,
        Command::SetAdmin(AdminOrder {
            author: Author("ada".to_owned()),
            servers: Ordered::One(
                "shop".parse().expect("a name"),
                server.parse().expect("a name"),
            ),
            admin,
            allow_empty: true,
            comment: String::new(),
            until: None,
        }),
    );
}

const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

/// A standpoint that owns itself.
struct Place {
    role: NodeRole,
    held: BTreeMap<VipName, Ballot>,
    seen: BTreeMap<VipName, (NodeId, Ballot)>,
    interfaces: BTreeMap<NetworkName, String>,
    leads: Option<u64>,
}

impl Place {
    /// A stand-by on the LAN that sees nobody.
    fn standby() -> Place {
        Place {
            role: NodeRole::Balancer,
            held: BTreeMap::new(),
            seen: BTreeMap::new(),
            interfaces: BTreeMap::from([("lan".parse().expect("a name"), "eth0".to_owned())]),
            leads: None,
        }
    }

    fn holds(mut self, vip: &str) -> Place {
        self.held.insert(vip.parse().expect("a name"), ballot(ME));
        self.sees(vip, ME)
    }

    fn sees(mut self, vip: &str, owner: NodeId) -> Place {
        self.seen
            .insert(vip.parse().expect("a name"), (owner, ballot(owner)));
        self
    }

    fn leads(self, term: u64) -> Place {
        Place {
            leads: Some(term),
            ..self
        }
    }

    fn witness(self) -> Place {
        Place {
            role: NodeRole::Witness,
            ..self
        }
    }

    fn stand(&self) -> Standpoint<'_> {
        let Place {
            role,
            held,
            seen,
            interfaces,
            leads,
        } = self;
        Standpoint {
            me: ME,
            role: *role,
            held,
            seen,
            interfaces,
            leads: *leads,
        }
    }

    fn plan(&self, state: &State) -> Plan {
        plan(state, &self.stand())
    }
}

fn ballot(node: NodeId) -> Ballot {
    Ballot { counter: 5, node }
}

#[test]
fn who_probes_a_farm_and_by_what_right() {
    let owner = Some(Authority::Owner(ballot(ME)));
    let leader = Some(Authority::Leader { term: 7, node: ME });
    let at = Place::standby;
    let table = [
        ("stand-by, nobody owns", at(), None),
        ("stand-by, another owns", at().sees("front", OTHER), None),
        ("owner", at().holds("front"), owner),
        ("owner and leader", at().holds("front").leads(7), owner),
        (
            "owner, as an older grant says otherwise",
            at().holds("front").sees("front", OTHER),
            owner,
        ),
        ("leader, nobody owns", at().leads(7), leader),
        (
            "leader, another owns",
            at().leads(7).sees("front", OTHER),
            None,
        ),
        (
            "leader, we just lost it",
            at().leads(7).sees("front", ME),
            leader,
        ),
        (
            "leader, another farm's VIP is owned",
            at().leads(7).sees("back", OTHER),
            leader,
        ),
        ("witness", at().witness(), None),
        (
            "witness that leads, nobody owns",
            at().witness().leads(7),
            leader,
        ),
        (
            "witness that leads, another owns",
            at().witness().leads(7).sees("front", OTHER),
            None,
        ),
        ("a witness never owns", at().witness().holds("front"), None),
    ];
    let state = state();
    for (what, place, wanted) in table {
        let seen = authority(&place.stand(), &state, &check("shop", "s1", "web"));
        assert_eq!(seen, wanted, "{what}");
        let probed = place
            .plan(&state)
            .probes
            .keys()
            .any(|key| key.to_string().starts_with("shop/"));
        assert_eq!(
            probed,
            wanted.is_some(),
            "{what}: who reports probes, and nobody else"
        );
    }
}

#[test]
fn every_balancer_listens_and_only_the_owner_holds() {
    let state = state();
    for (place, held) in [
        (Place::standby(), false),
        (Place::standby().holds("front"), true),
    ] {
        let plan = place.plan(&state);
        let front = VipPlan {
            address: [10, 0, 0, 100].into(),
            interface: Some(Arc::from("eth0")),
            held,
        };
        assert_eq!(plan.vips["front"], front);
        assert_eq!(
            plan.vips["back"].interface, None,
            "this machine is not in that network"
        );
        let listens: Vec<String> = plan
            .services
            .iter()
            .map(|(key, s)| format!("{key} {}", s.listen))
            .collect();
        assert_eq!(
            listens,
            [
                "shop/raw 10.0.0.100:8080",
                "shop/web 10.0.0.100:80",
                "wiki/web 10.1.0.100:80"
            ]
        );
    }
}

#[test]
fn a_witness_serves_nothing() {
    let plan = Place::standby().witness().holds("front").plan(&state());
    assert_eq!(plan, Plan::default());
}

#[test]
fn servers_carry_weight_port_order_and_health() {
    let mut state = state();
    report(&mut state, "s1", state::Health::Up);
    order(&mut state, "s2", AdminState::Drain);
    let plan = Place::standby().plan(&state);
    let find = |service: &str| {
        let found = plan
            .services
            .iter()
            .find(|(key, _)| key.to_string() == service);
        found.expect("it is served").1
    };
    let planned = |address: ([u8; 4], u16), weight, admission, healthy| ServerPlan {
        weight,
        admission,
        footing: Footing::Checked { healthy },
        ..ServerPlan::plain(address.into())
    };
    let web = find("shop/web");
    assert_eq!(
        (web.method, web.kind, web.shared_fate),
        (Method::LeastConnections, ServiceKind::Http, true)
    );
    assert_eq!(
        web.servers["s1"],
        planned(([10, 0, 0, 21], 8081), 2, Admission::Ready, true)
    );
    assert_eq!(
        web.servers["s2"],
        planned(([10, 0, 0, 22], 80), 1, Admission::Drain, false)
    );
    let raw = find("shop/raw");
    assert_eq!(
        raw.servers["s1"],
        planned(([10, 0, 0, 21], 8080), 2, Admission::Ready, true)
    );
    assert!(
        raw.servers["s2"].footing == Footing::Checked { healthy: false },
        "without a check of its own it shares web's fate"
    );
    assert!(!find("wiki/web").shared_fate);

    report(&mut state, "s1", state::Health::Down);
    let plan = Place::standby().plan(&state);
    assert!(
        plan.services
            .values()
            .flat_map(|service| service.servers.values())
            .all(|server| server.footing == Footing::Checked { healthy: false })
    );
}

#[test]
fn probes_go_where_the_server_answers_and_on_from_what_is_known() {
    let mut state = state();
    report(&mut state, "s1", state::Health::Down);
    order(&mut state, "s2", AdminState::Maintenance);
    let plan = Place::standby().holds("front").plan(&state);
    let probes: Vec<_> = plan.probes.into_iter().collect();
    let [(key, probe)] = probes.as_slice() else {
        panic!("one check of one server is left: {probes:?}");
    };
    assert_eq!(key.to_string(), "shop/s1/web");
    assert_eq!(probe.target, ([10, 0, 0, 21], 8081).into());
    assert_eq!(probe.remembered, Health::Down);
    assert_eq!((probe.interval.as_secs(), probe.timeout.as_secs()), (2, 1));
    assert_eq!((probe.fall, probe.rise), (3, 2));
    let kind = ProbeKind::Http {
        obey: false,
        tls: None,
        path: Arc::from("/health"),
        host: Arc::from("10.0.0.21:8081"),
        status: 200,
        text: Some(Arc::from("ok")),
    };
    assert_eq!(probe.kind, kind);
}

/// A server that demands a header gets one from its checks, too; a watch is nobody's server.
#[test]
fn checks_begin_as_their_service_does() {
    let watch = r#"
[[watch]]
name = "fs1"
address = "10.0.0.40"
port = 2049
check = { kind = "tcp" }
"#;
    for (word, version) in [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)] {
        let sending = format!("port = 80\nsend_proxy = \"{word}\"\ncheck = {{ kind = \"http\"");
        let document = DOCUMENT.replace("port = 80\ncheck = { kind = \"http\"", &sending) + watch;
        let plan = Place::standby().leads(7).plan(&state_of(&document));
        let begins: Vec<_> = plan
            .probes
            .iter()
            .map(|(key, probe)| (key.to_string(), probe.proxy))
            .collect();
        let wanted = [
            ("shop/s1/web", Some(version)),
            ("shop/s2/web", Some(version)),
            ("wiki/w1/web", None),
            ("fs1", None),
        ];
        assert_eq!(begins, wanted.map(|(key, begin)| (key.to_owned(), begin)));
    }
}

#[test]
fn a_host_field_names_the_port_unless_it_is_the_usual_one() {
    for (address, port, wanted) in [
        ("10.0.0.21", 80, "10.0.0.21"),
        ("10.0.0.21", 8080, "10.0.0.21:8080"),
        ("fd00::21", 80, "[fd00::21]"),
        ("fd00::21", 8080, "[fd00::21]:8080"),
    ] {
        assert_eq!(
            host_of(address.parse().expect("an address"), port, 80),
            wanted
        );
    }
}
