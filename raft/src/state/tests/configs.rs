//! Configurations: revisions, and every fault that a configuration can have.

use super::*;

#[test]
fn a_change_is_a_numbered_revision_with_author_and_diff() {
    let mut house = House::full();
    let mut config = shop(4);
    server_of(&mut config, "s1").weight = NonZeroU32::new(3).expect("not zero");
    assert_eq!(
        house.configure(config.clone()),
        Ok(Applied::Revision(RevisionId(2)))
    );
    assert_eq!(house.configure(config), Ok(Applied::Unchanged));
    let drained = house.admin("s2", AdminState::Drain);
    assert_eq!(drained, Ok(Applied::Revision(RevisionId(3))));
    assert_eq!(house.admin("s2", AdminState::Drain), Ok(Applied::Unchanged));
    let diffs: Vec<_> = house
        .state
        .revisions
        .iter()
        .skip(1)
        .map(|r| r.diff.clone())
        .collect();
    assert_eq!(
        diffs,
        [
            ["~ farm[shop].server[s1]: weight 1 -> 3"],
            ["~ farm[shop].server[s2]: admin ready -> drain"],
        ]
    );
    let last = house.state.revisions.back().expect("three were made");
    assert_eq!(
        (last.id, last.at, last.author.0.as_str()),
        (RevisionId(3), UnixMillis(house.at - 1_000), "ada")
    );
}

#[test]
fn a_change_from_an_old_revision_is_refused() {
    let mut house = House::full();
    let moved = Reject::RevisionMoved {
        base: RevisionId(0),
        newest: RevisionId(1),
    };
    assert_eq!(house.order(configure(RevisionId(0), shop(1))), Err(moved));
}

#[test]
fn orders_name_things_that_exist() {
    let mut house = House::full();
    let order = |farm, server| set_admin(farm, server, AdminState::Drain);
    assert_eq!(
        house.order(order("nothing", "s1")),
        Err(Reject::UnknownFarm(name("nothing")))
    );
    let (farm, server) = shop_server("s9");
    assert_eq!(
        house.order(order("shop", "s9")),
        Err(Reject::UnknownServer { farm, server })
    );
}

#[test]
fn authors_and_notes_are_texts() {
    let mut house = House::full();
    let with = |author: &str, note: &str| Command::Configure {
        author: Author(author.to_owned()),
        base: RevisionId(1),
        config: Box::new(shop(1)),
        note: note.to_owned(),
    };
    for command in [
        with("", ""),
        with(&"a".repeat(101), ""),
        with("ada\r\n", ""),
        with("ada", &"n".repeat(501)),
        with("ada", "a\0b"),
    ] {
        assert_eq!(
            house.order(command).expect_err("it is no text").code(),
            "FMX-S032"
        );
    }
    assert!(house.order(with("ada", "because")).is_ok());
}

#[test]
fn a_thousand_revisions_are_remembered() {
    let mut house = House::full();
    for n in 0..1_005 {
        let admin = if n % 2 == 0 {
            AdminState::Drain
        } else {
            AdminState::Ready
        };
        house.admin("s1", admin).expect("it was otherwise");
    }
    assert_eq!(house.state.revisions.len(), 1_000);
    assert_eq!(house.state.revision, RevisionId(1_006));
}

#[test]
fn a_diff_compares_secrets_and_never_shows_them() {
    let with = |password: &str| {
        let mut config = shop(1);
        let contact = config.contacts.get_mut("ops").expect("it is there");
        mail_of(contact).relays[0].security = RelaySecurity::Tls;
        mail_of(contact).relays[0].user = Some("farmux".to_owned());
        mail_of(contact).relays[0].password = Some(Secret::new(password.to_owned()));
        config
    };
    assert_eq!(
        diff(&with("old"), &with("new")),
        ["~ contact[ops]: password changed"]
    );
    let added = diff(&Config::default(), &with("hush")).join("\n");
    assert!(
        added.contains("password set") && !added.contains("hush"),
        "{added}"
    );
}

#[test]
fn a_diff_ends_after_a_hundred_lines() {
    let mut config = shop(0);
    shop_of(&mut config).servers = (0..250)
        .map(|n| (name(&format!("s{n}")), server(n)))
        .collect();
    let lines = diff(&Config::default(), &config);
    assert_eq!(lines.len(), 100);
    assert_eq!(lines.last().map(String::as_str), Some("… and 156 more"));
}

/// A change to the shop that makes it invalid.
type Spoil = Box<dyn Fn(&mut Config)>;

fn spoil(change: impl Fn(&mut Config) + 'static) -> Spoil {
    Box::new(change)
}

fn in_vip(change: impl Fn(&mut Vip) + 'static) -> Spoil {
    spoil(move |config| change(config.vips.get_mut("front").expect("it is there")))
}

fn in_service(change: impl Fn(&mut Service) + 'static) -> Spoil {
    spoil(move |config| {
        change(
            shop_of(config)
                .services
                .get_mut("web")
                .expect("it is there"),
        )
    })
}

fn in_check(change: impl Fn(&mut Check) + 'static) -> Spoil {
    in_service(move |service| change(service.check.as_mut().expect("it has one")))
}

fn in_http(change: impl Fn(&mut HttpCheck) + 'static) -> Spoil {
    in_check(move |check| match &mut check.kind {
        CheckKind::Http(http) => change(http),
        CheckKind::Tcp
        | CheckKind::Https(_)
        | CheckKind::Ftp(_)
        | CheckKind::Nfs(_)
        | CheckKind::Greeting(_)
        | CheckKind::Dns(_)
        | CheckKind::Icmp
        | CheckKind::Udp(_)
        | CheckKind::Exec(_) => {
            panic!("the shop is asked over HTTP")
        }
    })
}

fn in_mail(change: impl Fn(&mut MailChannel) + 'static) -> Spoil {
    spoil(move |config| {
        change(mail_of(
            config.contacts.get_mut("ops").expect("it is there"),
        ))
    })
}

fn in_server(change: impl Fn(&mut Server) + 'static) -> Spoil {
    spoil(move |config| change(server_of(config, "s1")))
}

/// Every spoilt configuration, with the places of its faults.
fn spoilt() -> Vec<(Spoil, &'static [&'static str])> {
    let mut cases = spoilt_addresses();
    cases.extend(spoilt_services());
    cases.extend(spoilt_contacts());
    cases
}

fn spoilt_addresses() -> Vec<(Spoil, &'static [&'static str])> {
    vec![
        (
            in_vip(|vip| vip.address = [127, 0, 0, 1].into()),
            &["vip[front].address"],
        ),
        (
            in_vip(|vip| vip.address = [224, 0, 0, 1].into()),
            &["vip[front].address"],
        ),
        (
            in_vip(|vip| vip.address = [0, 0, 0, 0].into()),
            &["vip[front].address"],
        ),
        (
            in_vip(|vip| vip.address = [10, 0, 0, 21].into()),
            &["vip[front].address"],
        ),
        (
            in_vip(|vip| vip.address = [10, 0, 0, 11].into()),
            &["vip[front].address"],
        ),
        (
            in_vip(|vip| vip.address = "fd00::1".parse().expect("an address")),
            &["vip[front].gateway"],
        ),
        (
            in_vip(|vip| vip.gateway = Some([0, 0, 0, 0].into())),
            &["vip[front].gateway"],
        ),
        (
            in_vip(|vip| vip.gateway = Some(vip.address)),
            &["vip[front].gateway"],
        ),
        (
            in_vip(|vip| (vip.gateway, vip.on_quorum_loss) = (None, OnQuorumLoss::Hold)),
            &["vip[front].on_quorum_loss"],
        ),
        (
            in_vip(|vip| (vip.gateway, vip.on_quorum_loss) = (None, OnQuorumLoss::HoldOrTake)),
            &["vip[front].on_quorum_loss"],
        ),
        (
            spoil(|config| {
                let twin = config.vips["front"].clone();
                config.vips.insert(name("twin"), twin);
            }),
            &["vip[twin].address"],
        ),
        (
            spoil(|config| shop_of(config).vip = name("back")),
            &["farm[shop].vip"],
        ),
        (
            in_server(|server| server.address = [127, 0, 0, 1].into()),
            &["farm[shop].server[s1].address"],
        ),
        (
            in_server(|server| server.address = [10, 0, 0, 22].into()),
            &["farm[shop].server[s2].address"],
        ),
        (
            in_server(|server| {
                server.ports.insert(name("ftp"), NonZeroU16::MIN);
            }),
            &["farm[shop].server[s1].ports"],
        ),
        (
            in_server(|server| server.weight = NonZeroU32::new(257).expect("not zero")),
            &["farm[shop].server[s1].weight"],
        ),
    ]
}

fn spoilt_services() -> Vec<(Spoil, &'static [&'static str])> {
    let ms = Duration::from_millis;
    vec![
        (
            spoil(|config| shop_of(config).services.clear()),
            &["farm[shop].service"],
        ),
        (
            spoil(|config| {
                shop_of(config)
                    .services
                    .insert(name("web2"), service(80, None));
            }),
            &["farm[shop].service[web2].port"],
        ),
        (
            in_service(move |s| s.limits.connect = ms(9)),
            &["farm[shop].service[web].limits.connect"],
        ),
        (
            in_service(move |s| s.limits.total = ms(86_400_001)),
            &["farm[shop].service[web].limits.total"],
        ),
        (
            in_check(move |check| {
                check.interval = ms(99);
                check.timeout = ms(99);
            }),
            &["farm[shop].service[web].check.interval"],
        ),
        (
            in_check(move |check| check.interval = ms(3_600_001)),
            &["farm[shop].service[web].check.interval"],
        ),
        (
            in_check(move |check| check.timeout = check.interval + ms(1)),
            &["farm[shop].service[web].check.timeout"],
        ),
        (
            in_check(|check| check.fall = NonZeroU32::new(101).expect("not zero")),
            &["farm[shop].service[web].check.fall"],
        ),
        (
            in_check(|check| check.rise = NonZeroU32::new(101).expect("not zero")),
            &["farm[shop].service[web].check.rise"],
        ),
        (
            in_http(|http| http.path = "health".to_owned()),
            &["farm[shop].service[web].check.path"],
        ),
        (
            in_http(|http| http.path = "/a HTTP/1.1\r\nX: y".to_owned()),
            &["farm[shop].service[web].check.path"],
        ),
        (
            in_http(|http| http.path = format!("/{}", "a".repeat(1_024))),
            &["farm[shop].service[web].check.path"],
        ),
        (
            in_http(|http| http.host = Some("a\r\nb".to_owned())),
            &["farm[shop].service[web].check.host"],
        ),
        (
            in_http(|http| http.host = Some(String::new())),
            &["farm[shop].service[web].check.host"],
        ),
        (
            in_http(|http| http.status = 199),
            &["farm[shop].service[web].check.status"],
        ),
        (
            in_http(|http| http.status = 600),
            &["farm[shop].service[web].check.status"],
        ),
        (
            in_http(|http| http.text = Some("a\nb".to_owned())),
            &["farm[shop].service[web].check.text"],
        ),
        (
            in_http(|http| http.text = Some(String::new())),
            &["farm[shop].service[web].check.text"],
        ),
    ]
}

fn spoilt_contacts() -> Vec<(Spoil, &'static [&'static str])> {
    let login = |mail: &mut MailChannel, user: &str, password: &str| {
        mail.relays[0].security = RelaySecurity::Tls;
        mail.relays[0].user = Some(user.to_owned());
        mail.relays[0].password = Some(Secret::new(password.to_owned()));
    };
    let to = |text: &'static str| in_mail(move |mail| mail.to = vec![text.to_owned()]);
    vec![
        (in_mail(|mail| mail.to.clear()), &["contact[ops].mail.to"]),
        (
            in_mail(|mail| mail.to = vec!["a@b.example".to_owned(); 21]),
            &["contact[ops].mail.to"],
        ),
        (to("nobody"), &["contact[ops].mail.to"]),
        (to("a@b\r\nRCPT TO:<c@d>"), &["contact[ops].mail.to"]),
        (to("a b@c.example"), &["contact[ops].mail.to"]),
        (to("a@"), &["contact[ops].mail.to"]),
        (to("@b"), &["contact[ops].mail.to"]),
        (to("Ada <a@b.example>"), &["contact[ops].mail.to"]),
        (
            in_mail(|mail| mail.from = Some("nobody".to_owned())),
            &["contact[ops].mail.from"],
        ),
        (
            in_mail(|mail| mail.relays[0].host = String::new()),
            &["contact[ops].mail.relay"],
        ),
        (
            in_mail(|mail| mail.relays[0].host = "a:b".to_owned()),
            &["contact[ops].mail.relay"],
        ),
        (
            in_mail(|mail| mail.relays[0].port = 0),
            &["contact[ops].mail.relay"],
        ),
        (
            in_mail(|mail| mail.relays[0].user = Some("ada".to_owned())),
            &["contact[ops].mail.relay"],
        ),
        (
            in_mail(move |mail| {
                login(mail, "ada", "hush");
                mail.relays[0].security = RelaySecurity::None;
            }),
            &["contact[ops].mail.relay"],
        ),
        (
            in_mail(move |mail| login(mail, "a\nb", "hush")),
            &["contact[ops].mail.relay.user"],
        ),
        (
            in_mail(move |mail| login(mail, "ada", "hu\rsh")),
            &["contact[ops].mail.relay.password"],
        ),
    ]
}

#[test]
fn every_fault_is_refused_and_named_with_its_place() {
    let house = House::full();
    assert_eq!(shop(4).faults(&house.state.nodes), []);
    for (number, (spoil, places)) in spoilt().into_iter().enumerate() {
        let mut config = shop(4);
        // A change in any case, also where the spoiling leaves the shop as it was.
        server_of(&mut config, "s4").weight = NonZeroU32::new(2).expect("not zero");
        spoil(&mut config);
        let refused = house.clone().configure(config);
        let Err(Reject::InvalidConfig(faults)) = refused else {
            panic!("case {number}, {places:?}: {refused:?}");
        };
        let unexpected = faults
            .iter()
            .find(|f| !places.iter().any(|place| f.at.starts_with(place)));
        assert_eq!(unexpected, None, "case {number}");
        let missing = places
            .iter()
            .find(|place| !faults.iter().any(|f| f.at.starts_with(**place)));
        assert_eq!(missing, None, "case {number}: {faults:?}");
        assert!(
            faults
                .iter()
                .all(|fault| !fault.to_string().contains("hush")),
            "{faults:?}"
        );
    }
}

#[test]
fn two_farms_may_not_listen_on_one_port() {
    let mut config = shop(4);
    let mut twin = config.farms["shop"].clone();
    for server in twin.servers.values_mut() {
        server.weight = NonZeroU32::new(2).expect("not zero");
    }
    config.farms.insert(name("twin"), twin);
    let faults = config.faults(&BTreeMap::new());
    let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        said,
        ["farm[twin].service[web].port: port 80 of this VIP is taken by shop/web"]
    );
}

#[test]
fn there_is_an_end_to_everything() {
    let mut config = shop(0);
    let vip = |n: u8| Vip {
        address: [10, 1, 0, n].into(),
        ..config.vips["front"].clone()
    };
    let vips = (0..100)
        .map(|n| (name(&format!("v{n}")), vip(n)))
        .collect::<BTreeMap<_, _>>();
    config.vips.extend(vips);
    let contacts = (0..50).map(|n| (name(&format!("c{n}")), contact()));
    config.contacts.extend(contacts.collect::<BTreeMap<_, _>>());
    let many = |n: u16| Server {
        address: [10, 2, n.to_be_bytes()[0], n.to_be_bytes()[1]].into(),
        ..server(1)
    };
    shop_of(&mut config).servers = (1..=5_001)
        .map(|n| (name(&format!("s{n}")), many(n)))
        .collect();
    let faults = config.faults(&BTreeMap::new());
    let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        said,
        [
            "vip: 101 given, at most 100 are possible",
            "farm.server: 5001 given, at most 5000 are possible",
            "contact: 51 given, at most 50 are possible",
        ]
    );
}
