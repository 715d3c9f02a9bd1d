//! The state as its users see it: commands in, answers, pages and standings out.

mod advices;
mod canaries;
mod causes;
mod configs;
mod deliveries;
mod drills;
mod healths;
mod ladders;
mod lents;
mod machines;
mod maintenance;
mod marks;
mod nodes;
mod opinions;
mod pagings;
mod past;
mod pauses;
mod properties;
mod quiet;
mod refusals;
mod restores;
mod rests;
mod roles;
mod standings;
mod storms;
mod suspicions;
mod tokens;
mod troubles;
mod vips;
mod watches;

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use super::*;
use crate::id::{Ballot, FarmName, RequestId, ServerName, ServiceName};

/// A cluster to play with. Every order is carried out twice, on two copies, which must end equal;
/// a refused one must leave nothing behind.
#[derive(Clone)]
struct House {
    state: State,
    at: u64,
    term: u64,
    requests: u128,
}

impl House {
    /// A cluster of one balancer, `lb1`, with nothing to do.
    fn bare() -> House {
        let mut house = House {
            state: State::default(),
            at: START_MS,
            term: 1,
            requests: 0,
        };
        let command = init(balancer("lb1", 1));
        assert_eq!(house.order(command), Ok(Applied::Node(NodeId(1))));
        house
    }

    /// Two balancers, a witness, and the farm of [`shop`] with everything unknown.
    fn full() -> House {
        let mut house = House::bare();
        house.join(balancer("lb2", 2));
        house.join(Node {
            role: NodeRole::Witness,
            ..balancer("lb3", 3)
        });
        house.configure(shop(4)).expect("the shop is valid");
        house
    }

    /// [`House::full`] with every server up.
    fn up() -> House {
        let mut house = House::full();
        for n in 1..=4 {
            house.report("shop", &format!("s{n}"), "web", Health::Up, "200 OK");
        }
        house
    }

    fn join(&mut self, node: Node) -> NodeId {
        let secret = u8::try_from(self.state.last_node.0).expect("a small cluster");
        let token = token(self.at, [secret; 32], node.role);
        self.order(Command::CreateToken(token))
            .expect("there is room");
        let claim = Command::ClaimToken {
            hash: [secret; 32],
            key: [secret; 32],
            node,
        };
        match self.order(claim) {
            Ok(Applied::Node(id)) => {
                self.order(Command::FinishJoin(id)).expect("it joined");
                id
            }
            other => panic!("a node was wanted, not {other:?}"),
        }
    }

    /// Carries an order out a second after the last one.
    fn order(&mut self, command: Command) -> Result<Applied, Reject> {
        self.requests += 1;
        self.at += 1_000;
        let id = RequestId(self.requests);
        let proposal = Proposal {
            id,
            at: UnixMillis(self.at),
            command,
        };
        let before = self.state.clone();
        let mut twin = self.state.clone();
        let answer = self.state.apply(self.term, proposal.clone());
        assert_eq!(
            twin.apply(self.term, proposal),
            answer,
            "two nodes answered differently"
        );
        assert_eq!(twin, self.state, "two nodes ended differently");
        if answer.is_err() || answer == Ok(Applied::Unchanged) {
            assert_eq!(before, self.state, "{answer:?} left something behind");
        }
        answer
    }

    fn configure(&mut self, config: Config) -> Result<Applied, Reject> {
        let base = self.state.revision;
        self.order(configure(base, config))
    }

    fn admin(&mut self, server: &str, admin: AdminState) -> Result<Applied, Reject> {
        self.order(set_admin("shop", server, admin))
    }

    /// Reports as the owner lb1 under its first ballot.
    fn report(&mut self, farm: &str, server: &str, service: &str, health: Health, reason: &str) {
        let change = change(farm, server, service, health, reason, self.at);
        let answer = self.order(reported(owner(1, 1), vec![change]));
        assert_eq!(answer, Ok(Applied::Done));
    }

    fn down(&mut self, server: &str) {
        self.report("shop", server, "web", Health::Down, "connection refused");
    }

    fn recover(&mut self, server: &str) {
        self.report("shop", server, "web", Health::Up, "200 OK");
    }

    /// Every page so far, as its subject line would say it.
    fn pages(&self) -> Vec<String> {
        self.state.pages.iter().map(line).collect()
    }
}

/// `DOWN shop/s2: connection refused (3 of 4 up)`.
fn line(page: &Page) -> String {
    let kind = match page.kind {
        PageKind::Down => "DOWN",
        PageKind::Degraded => "DEGRADED",
        PageKind::Flapping => "FLAPPING",
        PageKind::Up => "UP",
        PageKind::Notice => "NOTICE",
    };
    format!("{kind} {}: {} ({})", page.title, page.cause, page.left)
}

/// What became of the message that `ops` gets first.
fn record(state: &State, contact: &str, outcome: DeliveryOutcome) -> Command {
    let contact = name(contact);
    let due = state.due_messages().find(|due| *due.contact == contact);
    let due = due.expect("something is due");
    let message = state.message(&contact, due.bundle).expect("it is due");
    Command::RecordDelivery(DeliveryRecord {
        bundle: due.bundle,
        through: message.through,
        round: due.open.round,
        by: NodeId(1),
        tries: vec![ChannelTry {
            channel: ChannelKind::Mail,
            outcome,
        }],
        forlorn: false,
        contact,
    })
}

/// A day in 2026; only differences matter.
const START_MS: u64 = 1_780_000_000_000;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a valid name")
}

fn init(node: Node) -> Command {
    Command::Init {
        cluster: ClusterId(7),
        name: name("prod"),
        secrets: Secrets {
            ca_certificate: "certificate".to_owned(),
            ca_key: Secret::new("key".to_owned()),
            lease_key: LeaseKey([0; 32]),
        },
        node,
    }
}

fn balancer(called: &str, n: u8) -> Node {
    Node {
        name: name(called),
        role: NodeRole::Balancer,
        peer_addresses: vec![([10, 0, 0, 10 + n], 7946).into()],
        admin_address: ([10, 0, 0, 10 + n], 9443).into(),
        joined: UnixMillis(0),
        condition: NodeCondition::Reachable,
    }
}

fn token(at: u64, hash: [u8; 32], role: NodeRole) -> Token {
    let (created, expires) = (UnixMillis(at), UnixMillis(at + 3_600_000));
    Token {
        hash,
        role,
        created,
        expires,
        claimed: None,
        used: false,
    }
}

fn configure(base: RevisionId, config: Config) -> Command {
    Command::Configure {
        author: Author("ada".to_owned()),
        base,
        config: Box::new(config),
        note: String::new(),
    }
}

fn set_admin(farm: &str, server: &str, admin: AdminState) -> Command {
    Command::SetAdmin(AdminOrder {
        author: Author("ada".to_owned()),
        servers: Ordered::One(name(farm), name(server)),
        admin,
        allow_empty: true,
        comment: String::new(),
        until: None,
    })
}

fn owner(node: u64, counter: u64) -> Authority {
    Authority::Owner(Ballot {
        counter,
        node: NodeId(node),
    })
}

fn reported(authority: Authority, changes: Vec<HealthChange>) -> Command {
    Command::ReportHealth { authority, changes }
}

fn check_key(farm: &str, server: &str, service: &str) -> CheckKey {
    CheckKey::Server {
        farm: name(farm),
        server: name(server),
        service: name(service),
    }
}

fn change(
    farm: &str,
    server: &str,
    service: &str,
    health: Health,
    reason: &str,
    at: u64,
) -> HealthChange {
    let check = check_key(farm, server, service);
    HealthChange {
        check,
        health,
        reason: reason.to_owned(),
        at: UnixMillis(at),
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    }
}

fn http_check() -> Check {
    Check {
        kind: CheckKind::Http(HttpCheck {
            path: "/health".to_owned(),
            host: None,
            status: 200,
            text: None,
            obey: false,
        }),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        fall: NonZeroU32::new(3).expect("not zero"),
        rise: NonZeroU32::new(2).expect("not zero"),
    }
}

fn service(port: u16, check: Option<Check>) -> Service {
    let port = NonZeroU16::new(port).expect("not zero");
    Service {
        check,
        ..Service::plain(ServiceKind::Http, port)
    }
}

fn server(n: u8) -> Server {
    Server::plain([10, 0, 0, 20 + n].into())
}

/// A VIP `front`, a farm `shop` with a checked service `web` and servers `s1` …, a contact `ops`.
fn shop(servers: u8) -> Config {
    let farm = Farm {
        services: BTreeMap::from([(name("web"), service(80, Some(http_check())))]),
        servers: (1..=servers)
            .map(|n| (name(&format!("s{n}")), server(n)))
            .collect(),
        ..Farm::plain(name("front"))
    };
    let vip = Vip {
        address: [10, 0, 0, 100].into(),
        network: name("lan"),
        gateway: Some([10, 0, 0, 1].into()),
        on_quorum_loss: OnQuorumLoss::Release,
        group: None,
        prefer: None,
    };
    Config {
        vips: BTreeMap::from([(name("front"), vip)]),
        farms: BTreeMap::from([(name("shop"), farm)]),
        groups: BTreeMap::new(),
        watches: BTreeMap::new(),
        drills: BTreeMap::new(),
        contacts: BTreeMap::from([(name("ops"), contact())]),
        ladders: BTreeMap::new(),
        // Whoever tests second opinions turns them on.
        paging: Paging {
            second_opinion: false,
            ..Paging::default()
        },
    }
}

/// The mail channel of a contact that has one.
fn mail_of(contact: &mut Contact) -> &mut MailChannel {
    match &mut contact.channels[0] {
        Channel::Mail(mail) => mail,
        Channel::Webhook(_) | Channel::Snpp(_) | Channel::Syslog(_) => panic!("no mail"),
    }
}

fn contact() -> Contact {
    Contact::by_mail(MailChannel {
        to: vec!["ops@example.com".to_owned()],
        from: None,
        relays: vec![Relay {
            host: "10.0.0.9".to_owned(),
            port: 25,
            security: RelaySecurity::None,
            user: None,
            password: None,
        }],
    })
}

/// The farm `shop` of a configuration, to be changed.
fn shop_of(config: &mut Config) -> &mut Farm {
    config.farms.get_mut("shop").expect("the shop is there")
}

/// The server of the farm `shop`, to be changed.
fn server_of<'a>(config: &'a mut Config, called: &str) -> &'a mut Server {
    shop_of(config)
        .servers
        .get_mut(called)
        .expect("the server is there")
}

fn shop_server(called: &str) -> (FarmName, ServerName) {
    (name("shop"), name(called))
}

fn web() -> ServiceName {
    name("web")
}
