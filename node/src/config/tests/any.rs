//! Any configuration that is valid, with everything an operator can write.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use farmux_raft::id::DrillName;
use farmux_raft::state::drill::{Drill, DrillKind};
use farmux_raft::state::*;
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

fn word<T: Word + std::fmt::Debug>() -> impl Strategy<Value = T> {
    (0..T::WORDS.len()).prop_map(|place| T::WORDS[place].1)
}

fn millis(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least..=most).prop_map(Duration::from_millis)
}

fn count(most: u32) -> impl Strategy<Value = NonZeroU32> {
    (1..=most).prop_map(|count| NonZeroU32::new(count).expect("not zero"))
}

fn port() -> impl Strategy<Value = NonZeroU16> {
    (1024..=u16::MAX).prop_map(|port| NonZeroU16::new(port).expect("not zero"))
}

const TEXT: &str = "[ -~ä\"\\\\]{1,20}";

fn any_check_kind() -> impl Strategy<Value = CheckKind> {
    let http = (
        "/[!-\"$-~]{0,20}",
        option::of("[a-z0-9.-]{1,20}"),
        200..600u16,
        option::of(TEXT),
        any::<bool>(),
    );
    let http = http.prop_map(|(path, host, status, text, obey)| HttpCheck {
        obey,
        path,
        host,
        status,
        text,
    });
    let ftp = (TEXT, TEXT, option::of(TEXT)).prop_map(|(user, password, fetch)| FtpCheck {
        user,
        password: Secret::new(password),
        fetch,
    });
    let nfs = (word(), 3..=4u32, any::<bool>());
    let nfs = nfs.prop_map(|(transport, version, portmapper)| NfsCheck {
        transport,
        version,
        portmapper,
    });
    let exec = ("[a-z_]{1,20}", prop::collection::vec(TEXT, 0..3));
    let exec = exec.prop_map(|(command, arguments)| ExecCheck { command, arguments });
    let https = (http.clone(), any::<bool>(), 0..=398u32);
    let https = https.prop_map(|(http, verify, days_left)| HttpsCheck {
        http,
        verify,
        days_left,
    });
    let dns = ("[a-z0-9.-]{1,20}", word(), option::of(TEXT));
    let dns = dns.prop_map(|(name, record, text)| DnsCheck {
        name,
        record,
        value: text.map(|text| dns_value(record, text)),
    });
    let udp = ("[a-z]{1,9}", "[a-z]{0,9}").prop_map(|(send, expect)| UdpCheck { send, expect });
    prop_oneof![
        Just(CheckKind::Tcp),
        Just(CheckKind::Icmp),
        word().prop_map(CheckKind::Greeting),
        https.prop_map(CheckKind::Https),
        dns.prop_map(CheckKind::Dns),
        udp.prop_map(CheckKind::Udp),
        http.prop_map(CheckKind::Http),
        ftp.prop_map(CheckKind::Ftp),
        nfs.prop_map(CheckKind::Nfs),
        exec.prop_map(CheckKind::Exec),
    ]
}

/// What a record can be; only a text can be anything.
fn dns_value(record: DnsRecord, text: String) -> String {
    match record {
        DnsRecord::A => "192.0.2.1".to_owned(),
        DnsRecord::Aaaa => "2001:db8::1".to_owned(),
        DnsRecord::Soa => "2026112601".to_owned(),
        DnsRecord::Cname | DnsRecord::Mx | DnsRecord::Ns | DnsRecord::Ptr => {
            "a.example.".to_owned()
        }
        DnsRecord::Txt => text,
    }
}

fn any_check() -> impl Strategy<Value = Check> {
    let times = (millis(100, 3_599_999), millis(10, 100));
    (any_check_kind(), times, count(100), count(100)).prop_map(
        |(kind, (interval, timeout), fall, rise)| Check {
            kind,
            interval,
            timeout,
            fall,
            rise,
        },
    )
}

fn any_service(number: u16) -> impl Strategy<Value = Service> {
    let first = 40_000 + number * 10;
    let data_ports = PortRange {
        first,
        last: first + 9,
    };
    let tls = FtpTls::Refuse;
    let kind = prop_oneof![
        (Just(ServiceKind::Tcp), option::of(word())),
        (Just(ServiceKind::Http), option::of(word())),
        (Just(ServiceKind::Ftp(Ftp { data_ports, tls })), Just(None)),
    ];
    let limit = || millis(10, 86_400_000);
    let limits = (limit(), limit(), limit(), limit());
    let queue = (0..=100_000u32, millis(10, 3_600_000));
    let networks = prop::collection::vec("10\\.[0-9]\\.0\\.0/(16|24)|fd00::/64", 0..3);
    let more = (option::of(count(9_999)), queue, networks);
    (kind, option::of(any_check()), limits, more).prop_map(move |(kind, check, limits, more)| {
        let (connect, header, idle, total) = limits;
        let (max_connections, (length, timeout), networks) = more;
        Service {
            kind: kind.0,
            port: NonZeroU16::new(number).expect("not zero"),
            check,
            limits: Limits {
                connect,
                header,
                idle,
                total,
            },
            max_connections,
            queue: Queue { length, timeout },
            send_proxy: kind.1,
            accept_proxy: networks
                .iter()
                .map(|network| network.parse().expect("a network"))
                .collect(),
        }
    })
}

fn any_server(n: u8) -> impl Strategy<Value = Server> {
    let admin = prop_oneof![Just(AdminState::Ready), Just(AdminState::Drain)];
    let ordered = (count(256), option::of(port()), admin, word());
    (ordered, option::of(count(9_999)), parents()).prop_map(move |(ordered, most, parents)| {
        let (weight, port, admin, role) = ordered;
        Server {
            ports: port.map(|port| (name("web"), port)).into_iter().collect(),
            weight,
            role,
            admin,
            max_connections: most,
            depends_on: parents,
            ..Server::plain([10, 0, 1, n].into())
        }
    })
}

/// Nothing, or the watch that is always there.
fn parents() -> impl Strategy<Value = BTreeSet<Parent>> {
    any::<bool>().prop_map(|some| {
        some.then(|| Parent::Watch(name("fs1")))
            .into_iter()
            .collect()
    })
}

fn any_farm() -> impl Strategy<Value = Farm> {
    let persistence = (8..=32u8, 16..=128u8, millis(1_000, 86_400_000));
    let persistence = persistence.prop_map(|(prefix_v4, prefix_v6, timeout)| Persistence {
        prefix_v4,
        prefix_v6,
        timeout,
    });
    let page = (200..600u16, "[ -~\n<>]{0,30}");
    let page = page.prop_map(|(status, body)| LastResortPage { status, body });
    let extras = (
        option::of(persistence),
        millis(0, 3_600_000),
        option::of(page),
    );
    // Never above the number of servers, and degraded before down.
    let bounds = prop_oneof![Just((0, 1)), Just((1, 1))];
    let services = (any_service(80), option::of(any_service(81)));
    let servers = (any_server(1), option::of(any_server(2)));
    let words = (word(), word(), word(), parents());
    (words, extras, bounds, services, servers).prop_map(
        |(words, extras, bounds, (web, api), (s1, s2))| {
            let mut services = BTreeMap::from([(name("web"), web)]);
            services.extend(api.map(|api| (name("api.v2"), api)));
            let mut servers = BTreeMap::from([(name("s1"), s1)]);
            servers.extend(s2.map(|s2| (name("2"), s2)));
            let (method, fate, on_parent_down, depends_on) = words;
            let (persistence, slow_start, last_resort) = extras;
            Farm {
                vip: name("front"),
                method,
                fate,
                persistence,
                slow_start,
                last_resort,
                degraded_below: bounds.0,
                down_below: NonZeroU32::new(bounds.1).expect("not zero"),
                depends_on,
                on_parent_down,
                ladder: None,
                services,
                servers,
                more_vips: vec![],
            }
        },
    )
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z=;]{1,9}", "[ -~]{0,9}", 0..3)
}

/// One without a check has its group's, which is there for that.
fn any_watch() -> impl Strategy<Value = Watch> {
    let grouped = prop_oneof![
        (Just(true), Just(None)),
        (any::<bool>(), any_check().prop_map(Some)),
    ];
    (port(), labels(), grouped).prop_map(|(port, labels, (grouped, check))| Watch {
        address: [10, 0, 0, 50].into(),
        port: Some(port),
        group: grouped.then(|| name("web")),
        labels,
        check,
        depends_on: BTreeSet::new(),
        ladder: None,
    })
}

fn any_group() -> impl Strategy<Value = Group> {
    (labels(), any_check()).prop_map(|(labels, check)| Group {
        labels,
        check: Some(check),
        depends_on: BTreeSet::new(),
    })
}

fn any_mail() -> impl Strategy<Value = MailChannel> {
    let security = prop_oneof![Just(RelaySecurity::Starttls), Just(RelaySecurity::Tls)];
    let host = prop_oneof!["[a-z][a-z0-9-]{0,9}", Just("fd00::9".to_owned())];
    let login = option::of(("[!-~]{1,20}", "[ -~]{1,20}"));
    (
        host,
        1..=u16::MAX,
        security,
        login,
        option::of("[a-z]{1,9}@x\\.example"),
    )
        .prop_map(|(host, port, security, login, from)| {
            let (user, password) = login.unzip();
            let password = password.map(Secret::new);
            let relay = Relay {
                host,
                port,
                security,
                user,
                password,
            };
            let to = vec!["ops@example.com".to_owned(), "o'b+x@example.com".to_owned()];
            let backup = Relay {
                port: 26,
                ..relay.clone()
            };
            let relays = vec![relay, backup];
            MailChannel { to, from, relays }
        })
}

fn any_url() -> impl Strategy<Value = WebUrl> {
    let host = prop_oneof!["[a-z][a-z0-9-]{0,9}", Just("fd00::9".to_owned())];
    (any::<bool>(), host, 1..=u16::MAX, "/[a-z0-9?=&_-]{0,9}").prop_map(
        |(tls, host, port, path)| WebUrl {
            tls,
            host,
            port,
            path,
        },
    )
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let webhook = (any_url(), any::<bool>()).prop_map(|(url, allow_local)| WebhookChannel {
        secret: Some(Secret::new("hush".to_owned())),
        shape: WebhookShape::Farmux,
        url,
        allow_local,
    });
    let snpp = (1..=u16::MAX, word()).prop_map(|(port, words)| SnppChannel {
        host: "pager.example".to_owned(),
        port,
        pager: "5551234".to_owned(),
        words,
    });
    let syslog = (1..=u16::MAX, word()).prop_map(|(port, transport)| SyslogChannel {
        host: "fd00::9".to_owned(),
        port,
        transport,
    });
    let channels = (any_mail(), webhook, snpp, syslog);
    let channels = channels.prop_map(|(mail, webhook, snpp, syslog)| {
        vec![
            Channel::Mail(mail),
            Channel::Webhook(webhook),
            Channel::Snpp(snpp),
            Channel::Syslog(syslog),
        ]
    });
    let chosen = (channels.prop_shuffle(), 1..=4usize);
    chosen.prop_map(|(mut channels, count)| {
        channels.truncate(count);
        Contact { channels }
    })
}

fn any_paging() -> impl Strategy<Value = Paging> {
    let heartbeat = (any_url(), millis(10_000, 86_400_000), any::<bool>());
    let heartbeat = heartbeat.prop_map(|(url, every, allow_local)| Heartbeat {
        url,
        every,
        allow_local,
    });
    (
        millis(0, 600_000),
        any::<bool>(),
        option::of(heartbeat),
        option::of(0..1_440u16),
        option::of(any_url()),
    )
        .prop_map(
            |(storm, second_opinion, heartbeat, canary, link_base)| Paging {
                // Whom there is to name, `any_config` knows.
                storm,
                second_opinion,
                heartbeat,
                canary,
                link_base,
                ..Paging::default()
            },
        )
}

/// One that says all, and one that says what it must; none where nobody is paged.
fn drills_of(some: bool) -> BTreeMap<DrillName, Drill> {
    let drill = |kind: DrillKind, target: Option<&str>, weekly: &str, tz: &str| Drill {
        kind,
        target: target.map(str::to_owned),
        weekly: weekly.parse().expect("a time of the week"),
        tz: tz.parse().expect("a zone"),
    };
    let crash = drill(
        DrillKind::OwnerCrash,
        Some("front"),
        "Tue 03:00",
        "Europe/Berlin",
    );
    let test = drill(DrillKind::PageTest, None, "Sun 23:59", "UTC");
    let all = [(name("crash"), crash), (name("page-test"), test)];
    all.into_iter().filter(|_| some).collect()
}

pub(super) fn any_config() -> impl Strategy<Value = Config> {
    let policy = prop_oneof![
        Just(OnQuorumLoss::Release),
        Just(OnQuorumLoss::Hold),
        Just(OnQuorumLoss::HoldOrTake)
    ];
    let gateway = (option::of(Just([10, 0, 0, 1].into())), policy);
    let contact = option::of(any_contact());
    let ladder = option::of(millis(1_000, 86_400_000));
    let watches = (any_watch(), any_group());
    // A second VIP, of the same group or of none, and whom both prefer.
    let more = option::of(any::<bool>());
    let vips = (gateway, more, option::of(Just(name("lb2"))));
    let others = (vips, any_farm(), watches, contact, any_paging(), ladder);
    others.prop_map(|(vips, farm, (watch, group), contact, paging, after)| {
        let ((gateway, policy), more, prefer) = vips;
        let (mut farm, mut watch, mut paging) = (farm, watch, paging);
        let vip = Vip {
            address: [10, 0, 0, 100].into(),
            network: name("lan"),
            gateway,
            on_quorum_loss: if gateway.is_some() {
                policy
            } else {
                OnQuorumLoss::Release
            },
            group: more.filter(|together| *together).map(|_| name("both")),
            prefer,
        };
        let front6 = more.map(|_| {
            farm.more_vips.push(name("front6"));
            let front6 = Vip {
                address: std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100).into(),
                gateway: None,
                on_quorum_loss: OnQuorumLoss::Release,
                ..vip.clone()
            };
            (name("front6"), front6)
        });
        let mut contacts: BTreeMap<_, _> = contact
            .map(|contact| (name("ops"), contact))
            .into_iter()
            .collect();
        let mut ladders = BTreeMap::new();
        if let (Some(after), Some(ops)) = (after, contacts.get("ops").cloned()) {
            contacts.insert(name("boss"), ops);
            let step = |after, who: &str| Step {
                after,
                contacts: [name(who)].into(),
            };
            let steps = vec![step(Duration::ZERO, "ops"), step(after, "boss")];
            ladders.insert(name("duty"), Ladder { steps });
            farm.ladder = Some(name("duty"));
            watch.ladder = Some(name("duty"));
            paging.ladder = Some(name("duty"));
            paging.drill_contacts = [name("boss")].into();
        }
        Config {
            drills: drills_of(paging.ladder.is_some()),
            vips: [(name("front"), vip)].into_iter().chain(front6).collect(),
            farms: BTreeMap::from([(name("shop"), farm)]),
            groups: BTreeMap::from([(name("web"), group)]),
            watches: BTreeMap::from([(name("fs1"), watch)]),
            contacts,
            ladders,
            paging,
        }
    })
}
