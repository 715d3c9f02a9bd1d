//! Who meets which server: methods, persistence, slow start, tiers, and the page after them all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use farmux_netplane::plan::{
    Admission, Footing, Health, LastResortPage, Method, Persistence, ProbeKey, ServerPlan,
    ServiceKey, ServiceKind, ServicePlan, Tier,
};

use crate::harness::{
    CALM, GET, GET_CLOSE, Origin, PATIENCE, Peer, Wire, field, free_address, key,
};

fn ask(peer: &mut Peer) -> String {
    peer.send(GET);
    peer.message().1
}

fn ask_from(wire: &Wire, ip: Ipv4Addr) -> String {
    ask(&mut wire.connect_from(ip))
}

/// Forty clients of two networks.
fn clients() -> impl Iterator<Item = Ipv4Addr> {
    (0..40).map(|nth| Ipv4Addr::new(127, 0, 1 + nth % 2, 1 + nth))
}

fn whom_all_meet(wire: &Wire) -> BTreeMap<Ipv4Addr, String> {
    clients().map(|ip| (ip, ask_from(wire, ip))).collect()
}

fn named_three() -> [Origin; 3] {
    [
        Origin::named("s1"),
        Origin::named("s2"),
        Origin::named("s3"),
    ]
}

fn http(origins: &[Origin; 3]) -> ServicePlan {
    let each = origins.iter().enumerate();
    let servers = each.map(|(place, origin)| {
        (
            format!("s{}", place + 1).into(),
            ServerPlan::plain(origin.address),
        )
    });
    ServicePlan {
        servers: servers.collect(),
        ..ServicePlan::plain(free_address(), ServiceKind::Http, CALM)
    }
}

#[test]
fn source_hash_is_equal_on_every_node_and_moves_only_whom_it_must() {
    let origins = named_three();
    let mut plan = http(&origins);
    plan.method = Method::SourceHash;
    let mut one = Wire::with(plan.clone(), 2);
    plan.listen = free_address();
    let two = Wire::with(plan, 1);
    let met = whom_all_meet(&one);
    assert_eq!(whom_all_meet(&one), met, "and again");
    assert_eq!(whom_all_meet(&two), met, "on another node");
    let names: BTreeSet<_> = met.values().map(String::as_str).collect();
    assert_eq!(names.len(), 3, "{met:?}");

    one.server("s1").admission = Admission::Drain;
    one.apply();
    let away = |met: &BTreeMap<Ipv4Addr, String>| met.values().all(|name| name != "s1");
    one.until("nobody meets it", |_| away(&whom_all_meet(&one)));
    for (ip, name) in whom_all_meet(&one) {
        assert!(
            met[&ip] == "s1" || met[&ip] == name,
            "{ip} moved for nothing"
        );
    }
    one.server("s1").admission = Admission::Ready;
    one.apply();
    one.until("everybody is back", |_| whom_all_meet(&one) == met);
}

#[test]
fn random_of_two_avoids_who_is_busy() {
    let busy = Origin::start(|call| {
        call.request();
        call.peer.rest();
    });
    let quick = Origin::named("s2");
    let mut wire = Wire::http(&[busy.address, quick.address]);
    wire.plan.method = Method::RandomOfTwo;
    let wire = wire.again(1);
    let _clients = wire.occupy_first();
    let before = wire.counts().servers["s1"].taken;
    for _ in 0..20 {
        assert_eq!(ask(&mut wire.connect()), "s2");
    }
    assert_eq!(wire.counts().servers["s1"].taken, before);
}

/// A farm of HTTP and TCP over the same servers, on two runtimes.
struct Farm {
    wire: Wire,
    raw: ServicePlan,
    _origins: Vec<Origin>,
}

impl Farm {
    fn start(persistence: Persistence) -> Farm {
        let origins = named_three();
        let mut plan = http(&origins);
        plan.persistence = Some(persistence);
        let says = |name: &'static str| Origin::start(move |call| call.send(name));
        let greeters = [says("s1"), says("s2"), says("s3")];
        let mut raw = http(&greeters);
        raw.kind = ServiceKind::Tcp;
        raw.persistence = Some(persistence);
        let farm = Farm {
            wire: Wire::with(plan, 2),
            raw,
            _origins: origins.into_iter().chain(greeters).collect(),
        };
        farm.apply();
        farm.wire.until("both listen", |_| {
            farm.wire
                .serving
                .counts()
                .values()
                .all(|counts| counts.listening == 2)
        });
        farm
    }

    fn apply(&self) {
        let raw = ServiceKey {
            service: "raw".into(),
            ..key()
        };
        let both = [(key(), self.wire.plan.clone()), (raw, self.raw.clone())];
        self.wire.serving.apply(both.into());
    }

    fn admit(&mut self, name: &str, admission: Admission) {
        for plan in [&mut self.wire.plan, &mut self.raw] {
            plan.servers.get_mut(name).expect("it is there").admission = admission;
        }
        self.apply();
    }

    fn greeted(&self, ip: Ipv4Addr) -> String {
        crate::harness::connect_from(ip, self.raw.listen).rest()
    }
}

const HOUR: Persistence = Persistence {
    prefix_v4: 32,
    prefix_v6: 64,
    timeout: Duration::from_secs(3600),
};

#[test]
fn a_client_meets_one_server_in_all_services_and_runtimes() {
    let mut farm = Farm::start(HOUR);
    let mut met = BTreeMap::new();
    for ip in clients() {
        // All at once, as a browser does, on whichever runtime the kernel picks.
        let mut peers: Vec<Peer> = (0..6).map(|_| farm.wire.connect_from(ip)).collect();
        peers.iter_mut().for_each(|peer| peer.send(GET));
        let names: BTreeSet<String> = peers.iter_mut().map(|peer| peer.message().1).collect();
        assert_eq!(names.len(), 1, "{ip} met {names:?}");
        let name = names.into_iter().next().unwrap_or_default();
        assert_eq!(farm.greeted(ip), name);
        met.insert(ip, name);
    }
    let names: BTreeSet<_> = met.values().cloned().collect();
    assert_eq!(names.len(), 3, "the method decides about new ones");

    farm.admit("s1", Admission::Drain);
    farm.wire.until("nobody meets it", |_| {
        clients().all(|ip| farm.greeted(ip) != "s1" && ask_from(&farm.wire, ip) != "s1")
    });
    let moved = whom_all_meet(&farm.wire);
    for (ip, name) in &moved {
        assert!(
            met[ip] == "s1" || met[ip] == *name,
            "{ip} moved for nothing"
        );
    }
    farm.admit("s1", Admission::Ready);
    let mut last = 0;
    farm.wire.until("somebody new meets it", |_| {
        last += 1;
        ask_from(&farm.wire, Ipv4Addr::new(127, 0, 8, last)) == "s1"
    });
    assert_eq!(
        whom_all_meet(&farm.wire),
        moved,
        "nobody goes back by itself"
    );
}

#[test]
fn clients_are_told_apart_by_their_prefix_only() {
    let farm = Farm::start(Persistence {
        prefix_v4: 24,
        ..HOUR
    });
    let met = whom_all_meet(&farm.wire);
    let names: BTreeSet<_> = met.values().collect();
    assert!(names.len() <= 2, "two networks are two clients: {met:?}");
    for (ip, name) in &met {
        assert_eq!(
            farm.greeted(Ipv4Addr::new(127, 0, ip.octets()[2], 250)),
            *name
        );
    }
}

fn probe(server: &str) -> ProbeKey {
    ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: "web".into(),
    }
}

fn share(wire: &Wire, name: &str) -> usize {
    let mut client = wire.connect();
    (0..200).filter(|_| ask(&mut client) == name).count()
}

/// Turns began again whenever a weight had grown: with few requests all went to the first server.
#[test]
fn a_server_that_came_back_has_its_share_of_few_requests() {
    const SLOW_START: Duration = Duration::from_secs(2);
    let origins = named_three();
    let mut wire = Wire::http(&[origins[0].address, origins[1].address]);
    wire.plan.slow_start = SLOW_START;
    wire.apply();
    let overlay = wire.serving.overlay();
    overlay.set([
        (probe("s1"), Some(Health::Up)),
        (probe("s2"), Some(Health::Down)),
    ]);
    assert_eq!(share(&wire, "s2"), 0);
    overlay.set([(probe("s2"), Some(Health::Up))]);
    let begun = Instant::now();
    let (mut all, mut given) = (0, 0);
    while begun.elapsed() < SLOW_START {
        // Weights are looked at anew with every plan.
        wire.apply();
        given += usize::from(ask(&mut wire.connect()) == "s2");
        all += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    // On the way from nothing to an equal weight: 1 - ln 2 of them.
    assert!(given * 5 > all, "{given} of {all}");
}

#[test]
fn a_server_that_came_back_begins_slowly_and_ends_whole() {
    let origins = named_three();
    let mut wire = Wire::http(&[origins[0].address, origins[1].address]);
    wire.plan.slow_start = Duration::from_secs(3);
    wire.apply();
    let overlay = wire.serving.overlay();
    overlay.set(["s1", "s2"].map(|name| (probe(name), Some(Health::Up))));
    let half = share(&wire, "s2");
    assert!(
        (95..=105).contains(&half),
        "it was up when we came: {half} of 200"
    );

    overlay.set([(probe("s2"), Some(Health::Down))]);
    assert_eq!(share(&wire, "s2"), 0);
    overlay.set([(probe("s2"), Some(Health::Up))]);
    let begun = Instant::now();
    let first = share(&wire, "s2");
    assert!(first > 0, "it gets something at once");
    assert!(
        first < 70 || begun.elapsed() > Duration::from_secs(1),
        "{first} of 200"
    );
    wire.until("it has its whole share", |_| {
        (95..=105).contains(&share(&wire, "s2"))
    });
    assert!(
        begun.elapsed() > Duration::from_secs(2),
        "after {:?}",
        begun.elapsed()
    );

    // Alone it gets everything, however long ago it came up.
    overlay.set(["s1", "s2"].map(|name| (probe(name), Some(Health::Down))));
    assert!(wire.ask(GET_CLOSE).starts_with("HTTP/1.1 503 "));
    overlay.set([(probe("s2"), Some(Health::Up))]);
    assert_eq!(share(&wire, "s2"), 200);
}

#[test]
fn tiers_follow_each_other_and_a_page_comes_last() {
    let origins = named_three();
    let mut plan = http(&origins);
    plan.last_resort = Some(LastResortPage {
        status: 503,
        body: "<h1>geschlossen, für heute</h1>".into(),
    });
    let mut wire = Wire::with(plan, 2);
    wire.server("s2").tier = Tier::Standby;
    wire.server("s3").tier = Tier::LastResort;
    wire.apply();
    let meets = |wire: &Wire, name: &str| {
        wire.until(name, |_| (0..8).all(|_| ask(&mut wire.connect()) == name));
    };
    let overlay = wire.serving.overlay();
    let set = |name: &str, health| overlay.set([(probe(name), Some(health))]);
    ["s1", "s2", "s3"]
        .iter()
        .for_each(|name| set(name, Health::Up));
    meets(&wire, "s1");
    set("s1", Health::Down);
    meets(&wire, "s2");
    set("s2", Health::Down);
    meets(&wire, "s3");
    set("s2", Health::Up);
    meets(&wire, "s2");
    set("s1", Health::Up);
    meets(&wire, "s1");
    for name in ["s1", "s2", "s3"] {
        set(name, Health::Down);
    }
    meets(&wire, "<h1>geschlossen, für heute</h1>");
    wire.server("s3").footing = Footing::Kept;
    wire.apply();
    meets(&wire, "s3");
}

#[test]
fn the_page_is_an_answer_like_any_other() {
    let mut wire = Wire::http(&[]);
    wire.plan.last_resort = Some(LastResortPage {
        status: 200,
        body: "<p>ü".into(),
    });
    wire.apply();
    wire.until("it is there", |_| {
        wire.ask(GET_CLOSE).starts_with("HTTP/1.1 200 OK\r\n")
    });
    let before = wire.counts();
    let mut client = wire.connect();
    client.send(GET);
    let (head, body) = client.message();
    assert_eq!(body, "<p>ü");
    let told = |name| field(&head, name);
    assert_eq!(
        told("Content-Type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(told("Content-Length").as_deref(), Some("5"));
    assert_eq!(told("Connection"), None);
    assert!(told("Date").is_some());
    // HEAD has no body, and a body that came whole is out of the way: the connection goes on.
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        field(&client.head(), "Content-Length").as_deref(),
        Some("5")
    );
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.message().1, "<p>ü");
    assert_eq!(ask(&mut client), "<p>ü");
    assert_eq!(wire.counts().last_resorts - before.last_resorts, 4);
    assert_eq!(
        wire.counts().failures["no-server"] - before.failures["no-server"],
        4
    );
    // What is still to come of a body cannot be told from a request.
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nabc");
    let (head, body) = client.message();
    assert_eq!(
        (field(&head, "Connection").as_deref(), body.as_str()),
        (Some("close"), "<p>ü")
    );
    client.close_half();
    let end = Instant::now() + PATIENCE;
    assert!(client.is_closed() && Instant::now() < end);
    let old = wire.ask("GET / HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("Connection: close\r\n\r\n<p>ü"), "{old}");
}
