//! What is unreachable, because of what, and kinds as words.

use super::*;

fn texts(state: &State) -> Vec<String> {
    let report = assemble(&view(state, &[1, 2, 3]));
    let reasons = report.reasons.into_iter();
    reasons.map(|reason| reason.text).collect()
}

/// One line a cause: what it took with it is told there, and has no line of its own.
#[test]
fn what_is_unreachable_is_told_with_its_cause() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    set_health(&mut state, "s3", Health::Up, "200 OK");
    report(
        &mut state,
        watch_check("fs1"),
        Health::Down,
        "connection refused",
    );
    for server in ["s1", "s2"] {
        report(&mut state, server_check(server), Health::Down, "503");
    }
    assert_eq!(
        texts(&state),
        [
            "watch fs1 is down: connection refused; because of it 2 are unreachable: shop/s1 \
             shop/s2"
        ]
    );
    let view = view(&state, &[1, 2, 3]);
    let farm = farm_report(&view, &"shop".parse().expect("a name")).expect("it is there");
    let s1 = &farm.servers[0];
    assert_eq!(s1.unreachable_because.as_deref(), Some("fs1"));
    assert_eq!((s1.health, s1.footing), (Health::Down, Footing::Kept));
    assert_eq!(s1.serves.len(), 1, "it stays in use");
    assert_eq!(farm.condition, Condition::Serving);
    let line = &assemble(&view).cluster.expect("a cluster").farms[0];
    assert_eq!((line.serving, line.down, line.unreachable), (3, 0, 2));

    report(&mut state, watch_check("fs1"), Health::Up, "connected");
    assert_eq!(
        texts(&state),
        ["watch fs1 is not down any more; for now 2 are unreachable: shop/s1 shop/s2"]
    );
}

#[test]
fn the_cause_that_took_most_comes_first_and_its_line_is_bounded() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    let config = std::sync::Arc::make_mut(&mut state.config);
    let farm = config.farms.values_mut().next().expect("one farm");
    let one = farm.servers.values().next().expect("a server").clone();
    for number in 10..40_u8 {
        let mut server = one.clone();
        server.address = [10, 0, 1, number].into();
        farm.servers
            .insert(format!("t{number}").parse().expect("a name"), server);
    }
    let alone = config.watches.values().next().expect("a watch").clone();
    config.watches.insert("alone".parse().expect("a name"), {
        let mut alone = alone;
        alone.address = [10, 0, 0, 60].into();
        alone
    });
    for watch in ["alone", "fs1"] {
        report(&mut state, watch_check(watch), Health::Down, "no route");
    }
    for number in 10..40 {
        let check = server_check(&format!("t{number}"));
        report(&mut state, check, Health::Down, "503");
    }
    let texts = texts(&state);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].starts_with("watch fs1 is down: no route; because of it 30 are unreachable: "),
        "{texts:?}"
    );
    assert!(texts[0].ends_with("shop/t17 …"), "{texts:?}");
    assert_eq!(texts[1], "watch alone is down: no route");
}

#[test]
fn a_watch_shows_what_it_depends_on_and_who_on_it() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    report(&mut state, watch_check("fs1"), Health::Down, "no route");
    report(&mut state, watch_check("mirror"), Health::Down, "timeout");
    let all = watch_reports(&state);
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0].dependants,
        ["mirror", "shop/s1", "shop/s2", "shop/s3"]
    );
    assert_eq!(all[0].unreachable_because, None);
    let mirror = watch_report(&state, &"mirror".parse().expect("a name")).expect("it is there");
    assert_eq!(mirror, all[1]);
    assert_eq!(mirror.depends_on, ["fs1"]);
    assert_eq!(mirror.unreachable_because.as_deref(), Some("fs1"));
    assert_eq!(mirror.target.to_string(), "10.0.0.51:2049");
    let counts = assemble(&view(&state, &[1, 2, 3]))
        .cluster
        .expect("a cluster")
        .watches;
    let wanted = WatchCounts {
        down: 1,
        unreachable: 1,
        ..WatchCounts::default()
    };
    assert_eq!(counts, wanted);
    assert!(watch_report(&state, &"other".parse().expect("a name")).is_none());
}

/// Programs read the kind of a service as a word, whatever it has besides.
#[test]
fn a_kind_is_a_plain_word() {
    let mut state = state(&[Balancer]);
    let config = std::sync::Arc::make_mut(&mut state.config);
    let farm = config.farms.values_mut().next().expect("one farm");
    let files = Service::plain(
        ServiceKind::Ftp(Ftp {
            data_ports: "40000-40999".parse().expect("a range"),
            tls: FtpTls::Pass,
        }),
        21.try_into().expect("not zero"),
    );
    farm.services
        .insert("files".parse().expect("a name"), files);
    let report = farm_report(&view(&state, &[1]), &"shop".parse().expect("a name"));
    let json = serde_json::to_value(report.expect("it is there")).expect("plain data");
    let services = &json["services"];
    assert_eq!(services[0]["kind"], "ftp");
    assert_eq!(services[0]["ftp"]["data_ports"], "40000-40999");
    assert_eq!(services[0]["ftp"]["tls"], "pass");
    assert_eq!(services[1]["kind"], "http");
    assert!(services[1]["ftp"].is_null());
}
