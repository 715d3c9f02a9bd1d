//! What the pager's tests share: a small cluster's state, and changes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::consensus::{BoxFuture, Quorum, Role, Standing};
use farmux_raft::id::{ClusterId, NodeId, RequestId, UnixMillis, WatchName};
use farmux_raft::state::{
    Advice, Applied, Authority, Channel, ChannelKind, Check, CheckKey, CheckKind, Command, Contact,
    DeliveryOutcome, Farm, Health, HealthChange, LeaseKey, MailChannel, Node, NodeCondition,
    NodeRole, OnQuorumLoss, Page, PageKind, Parent, Proposal, Relay, RelaySecurity, Secret,
    Secrets, Server, Service, ServiceKind, State, Subject, Vip, Watch, page_id,
};
use tokio::sync::watch;

use super::call::{Call, Said, Word};
use super::courier::{Errand, Receipt, Try};
use super::propose::{NotDecided, Proposer};

/// A cluster that decides whatever is proposed.
pub(crate) struct Decider(pub(crate) watch::Sender<Arc<State>>);

impl Proposer for Decider {
    fn confirm(&self) -> BoxFuture<'static, bool> {
        Box::pin(async { true })
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Result<Applied, NotDecided>> {
        let mut answer = Ok(Applied::Unchanged);
        self.0.send_modify(|state| {
            let applied = Arc::make_mut(state).apply(TERM, proposal);
            answer = applied.map_err(NotDecided::Rejected);
        });
        Box::pin(async move { answer })
    }
}

/// Where node 1 stands: it leads with its majority, or it follows node 2.
pub(crate) fn standing(leads: bool) -> Standing {
    let since = Instant::now();
    Standing {
        me: NodeId(1),
        term: TERM,
        role: if leads { Role::Leader } else { Role::Follower },
        leader: Some(NodeId(if leads { 1 } else { 2 })),
        last_index: None,
        applied_index: None,
        snapshot_index: None,
        quorum: match leads {
            true => Quorum::Fresh { since },
            false => Quorum::NotLeader,
        },
        lag: BTreeMap::new(),
    }
}

/// Waits for a condition, with a deadline.
pub(crate) async fn until(what: &str, mut met: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !met() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The term in which everything here happens.
pub(crate) const TERM: u64 = 3;

/// A cluster `prod` of so many nodes, with farm `shop` (servers s1 to s4, all up, one check `web`)
/// behind VIP `front`, and these contacts.
pub(crate) fn state(nodes: u64, contacts: &[(&str, Contact)]) -> State {
    let mut state = State::default();
    let secrets = Secrets {
        ca_certificate: String::new(),
        ca_key: Secret::new(String::new()),
        lease_key: LeaseKey([0; 32]),
    };
    let init = Command::Init {
        cluster: ClusterId(7),
        name: "prod".parse().expect("a name"),
        secrets,
        node: node(1),
    };
    apply(&mut state, init);
    for number in 2..=nodes {
        state.nodes.insert(NodeId(number), node(number));
        state.last_node = NodeId(number);
    }
    let config = Arc::make_mut(&mut state.config);
    // Whoever tests second opinions turns them on.
    config.paging.second_opinion = false;
    config.vips.insert("front".parse().expect("a name"), vip());
    config.farms.insert("shop".parse().expect("a name"), farm());
    for (name, contact) in contacts {
        config
            .contacts
            .insert(name.parse().expect("a name"), contact.clone());
    }
    for server in ["s1", "s2", "s3", "s4"] {
        report(&mut state, server, Health::Up, "status 200", 1_000);
    }
    state
}

/// Applies a command that must be taken.
pub(crate) fn apply(state: &mut State, command: Command) -> Applied {
    let proposal = Proposal {
        id: RequestId::random(),
        at: UnixMillis(1_000_000),
        command,
    };
    state.apply(TERM, proposal).expect("a good command")
}

/// One server's check changed.
pub(crate) fn report(state: &mut State, server: &str, health: Health, reason: &str, at: u64) {
    report_check(state, check(server), health, reason, at);
}

/// A watch at this address, up, on which every farm depends.
pub(crate) fn add_parent(state: &mut State, name: &str, address: [u8; 4]) {
    let name: WatchName = name.parse().expect("a name");
    let rule = Check {
        kind: CheckKind::Tcp,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        fall: NonZeroU32::new(3).expect("not zero"),
        rise: NonZeroU32::new(2).expect("not zero"),
    };
    let watch = Watch {
        address: address.into(),
        port: NonZeroU16::new(2_049),
        group: None,
        labels: BTreeMap::new(),
        check: Some(rule),
        depends_on: BTreeSet::new(),
        ladder: None,
    };
    let config = Arc::make_mut(&mut state.config);
    config.watches.insert(name.clone(), watch);
    for farm in config.farms.values_mut() {
        farm.depends_on.insert(Parent::Watch(name.clone()));
    }
    report_check(state, CheckKey::Watch(name), Health::Up, "connected", 1_000);
}

/// Any check changed.
pub(crate) fn report_check(
    state: &mut State,
    check: CheckKey,
    health: Health,
    reason: &str,
    at: u64,
) {
    let authority = Authority::Leader {
        term: TERM,
        node: NodeId(1),
    };
    let changes = vec![HealthChange {
        check,
        health,
        reason: reason.to_owned(),
        at: UnixMillis(at),
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    }];
    apply(state, Command::ReportHealth { authority, changes });
}

/// A report of one server's check, to be applied at whatever time.
pub(crate) fn reported(server: &str, health: Health) -> Command {
    let authority = Authority::Leader {
        term: TERM,
        node: NodeId(1),
    };
    let changes = vec![change(server, health, "connection refused", 900_000)];
    Command::ReportHealth { authority, changes }
}

/// A change of one server's check.
pub(crate) fn change(server: &str, health: Health, reason: &str, at: u64) -> HealthChange {
    HealthChange {
        check: check(server),
        health,
        reason: reason.to_owned(),
        at: UnixMillis(at),
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    }
}

/// The check of one server.
pub(crate) fn check(server: &str) -> CheckKey {
    CheckKey::Server {
        farm: "shop".parse().expect("a name"),
        server: server.parse().expect("a name"),
        service: "web".parse().expect("a name"),
    }
}

/// The newest page.
pub(crate) fn newest(state: &State) -> &Page {
    state.pages.iter().next_back().expect("a page was opened")
}

/// A contact with these recipients behind a relay in the clear.
pub(crate) fn contact(to: &[&str], port: u16) -> Contact {
    Contact::by_mail(MailChannel {
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        from: None,
        relays: vec![Relay {
            host: "127.0.0.1".to_owned(),
            port,
            security: RelaySecurity::None,
            user: None,
            password: None,
        }],
    })
}

/// What a contact `ops` is told of one page.
pub(crate) fn call(state: &State, page: Page, word: Word) -> Call {
    let cluster = state.cluster.as_ref().expect("a cluster");
    let ops = "ops".parse().expect("a name");
    Call::of_page(cluster, Arc::new(page), ops, word)
}

/// A page about a watch, at this address.
pub(crate) fn watch_page(name: &str, kind: PageKind, cause: &str, at: [u8; 4]) -> Page {
    let mut state = state(3, &[]);
    report(&mut state, "s2", Health::Down, "x", 900_000);
    let watch: WatchName = name.parse().expect("a name");
    let subject = Subject::Watch(watch);
    let transition = u64::from(kind == PageKind::Up);
    Page {
        id: page_id(ClusterId(7), &subject, transition),
        title: name.to_owned(),
        target: Some((at, 80).into()),
        subject,
        transition,
        kind,
        cause: cause.to_owned(),
        left: String::new(),
        evidence: vec![format!("check: {cause}")],
        over: (kind == PageKind::Up).then_some(UnixMillis(900_000)),
        ..newest(&state).clone()
    }
}

/// What a contact `ops` is told of a page that drill 7 did, and of one more.
pub(crate) fn drilled(pages: Vec<Page>) -> Call {
    let drill = Some(farmux_raft::state::drill::RunId(7));
    call_of(
        pages
            .into_iter()
            .map(|page| Page { drill, ..page })
            .collect(),
    )
}

/// A storm: `fs1` and so many servers down, one up.
pub(crate) fn storm(down: usize) -> Vec<Page> {
    let page = |number: usize| {
        let [.., high, low] = u32::try_from(number).expect("few").to_be_bytes();
        let name = format!("web{number:03}");
        watch_page(&name, PageKind::Down, "no route", [10, 1, high, low])
    };
    let up = watch_page("dns9", PageKind::Up, "up again after 3m", [10, 0, 0, 9]);
    (1..=down).map(page).chain([up]).collect()
}

/// What a contact `ops` of cluster `prod` is told of these pages.
pub(crate) fn call_of(pages: Vec<Page>) -> Call {
    let state = state(3, &[]);
    let first = pages.first().expect("a page").clone();
    Call {
        said: Said::Pages {
            pages: pages.into_iter().map(Arc::new).collect(),
            word: Word::Committed,
        },
        ..call(&state, first, Word::Committed)
    }
}

/// A test for a contact `ops`, ordered at this node.
pub(crate) fn test_call() -> Call {
    let state = state(3, &[]);
    let cluster = state.cluster.as_ref().expect("a cluster");
    let ops = "ops".parse().expect("a name");
    Call::test(cluster, ops, "lb1".to_owned(), 0xabc, UnixMillis(900_000))
}

/// The recipients of the mail that an errand becomes.
pub(crate) fn recipients(errand: &Errand) -> Vec<String> {
    let mail = errand.channels.iter().find_map(|channel| match channel {
        Channel::Mail(mail) => Some(mail.to.clone()),
        Channel::Webhook(_) | Channel::Snpp(_) | Channel::Syslog(_) => None,
    });
    mail.unwrap_or_default()
}

/// A receipt for a mail, with words of a relay.
pub(crate) fn receipt(outcome: DeliveryOutcome, reached: BTreeSet<String>) -> Receipt {
    let tries = vec![Try {
        channel: ChannelKind::Mail,
        outcome,
        words: "250 taken".to_owned(),
    }];
    Receipt { tries, reached }
}

fn node(number: u64) -> Node {
    let address = |port: u16| {
        format!("10.0.0.1{number}:{port}")
            .parse()
            .expect("an address")
    };
    Node {
        name: format!("lb{number}").parse().expect("a name"),
        role: NodeRole::Balancer,
        peer_addresses: vec![address(7946)],
        admin_address: address(9443),
        joined: UnixMillis(0),
        condition: NodeCondition::Reachable,
    }
}

fn vip() -> Vip {
    Vip {
        address: "10.0.0.100".parse().expect("an address"),
        network: "lan".parse().expect("a name"),
        gateway: None,
        on_quorum_loss: OnQuorumLoss::Release,
        group: None,
        prefer: None,
    }
}

fn farm() -> Farm {
    let rule = Check {
        kind: CheckKind::Tcp,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        fall: NonZeroU32::new(3).expect("not zero"),
        rise: NonZeroU32::new(2).expect("not zero"),
    };
    let service = Service {
        check: Some(rule),
        ..Service::plain(ServiceKind::Http, NonZeroU16::new(80).expect("not zero"))
    };
    let server = |number: u8| Server::plain([10, 0, 0, 20 + number].into());
    let servers = (1..=4).map(|n| (format!("s{n}").parse().expect("a name"), server(n)));
    Farm {
        services: BTreeMap::from([("web".parse().expect("a name"), service)]),
        servers: servers.collect(),
        ..Farm::plain("front".parse().expect("a name"))
    }
}
