//! Documents: what they mean, what is wrong with them, and that an export means the same again.

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_raft::state::{
    AdminState, CheckKind, Config, Fate, HttpCheck, Limits, Method, OnQuorumLoss, ServiceKind,
};
use proptest::prelude::*;

mod any;
mod changes;
mod drills;

use any::any_config;

use super::{ConfigError, export, read};

fn fresh(text: &str) -> Result<Config, Vec<ConfigError>> {
    read(text, &Config::default(), &BTreeMap::new())
}

/// What is wrong with a document, line by line.
fn wrong(text: &str) -> Vec<String> {
    let errors = fresh(text).expect_err("it is wrong");
    errors.iter().map(ConfigError::to_string).collect()
}

const EXAMPLE: &str = include_str!("../../../deploy/example/cluster.toml");

const SMALL: &str = r#"
[[vip]]
name = "front"
address = "10.0.0.100"
network = "lan"

[[farm]]
name = "shop"
vip = "front"

[[farm.service]]
name = "web"
kind = "http"
port = 80
check = { kind = "http" }

[[farm.server]]
name = "s1"
address = "10.0.0.21"
"#;

#[test]
fn the_example_is_a_shop_with_two_servers() {
    let config = fresh(EXAMPLE).expect("the example is valid");
    let shop = &config.farms["shop"];
    let weights: Vec<u32> = shop
        .servers
        .values()
        .map(|server| server.weight.get())
        .collect();
    assert_eq!(weights, [2, 1]);
    let kinds: Vec<ServiceKind> = shop.services.values().map(|service| service.kind).collect();
    assert_eq!(kinds, [ServiceKind::Tcp, ServiceKind::Http], "raw, web");
    assert_eq!(
        config.contacts["ops"].mail().expect("mail").relays[0].to_string(),
        "smtp://10.0.0.9:25"
    );
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = fresh(SMALL).expect("it is valid");
    let shop = &config.farms["shop"];
    assert_eq!((shop.method, shop.fate), (Method::RoundRobin, Fate::Shared));
    let server = &shop.servers["s1"];
    assert_eq!((server.weight.get(), server.admin), (1, AdminState::Ready));
    let web = &shop.services["web"];
    assert_eq!(web.limits, Limits::default());
    let check = web.check.as_ref().expect("it has one");
    assert_eq!(
        (check.interval, check.timeout),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert_eq!((check.fall.get(), check.rise.get()), (3, 2));
    let http = HttpCheck {
        obey: false,
        path: "/".to_owned(),
        host: None,
        status: 200,
        text: None,
    };
    assert_eq!(check.kind, CheckKind::Http(http));
}

#[test]
fn the_default_timeout_is_never_above_the_interval() {
    let text = SMALL.replace("kind = \"http\" }", "kind = \"http\", interval = \"2s\" }");
    let config = fresh(&text).expect("it is valid");
    let check = config.farms["shop"].services["web"]
        .check
        .clone()
        .expect("it has one");
    assert_eq!(check.timeout, Duration::from_secs(2));
}

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let text = SMALL
        .replace("address = \"10.0.0.100\"", "address = \"front.example\"")
        .replace("port = 80", "port = 70000")
        .replace("name = \"s1\"", "name = \"S1\"\nweight = 0")
        .replace(
            "check = { kind = \"http\" }",
            "check = { kind = \"tcp\", path = \"/\" }",
        );
    assert_eq!(
        wrong(&text),
        [
            "line 4: vip[front].address: \"front.example\" is not an IP address; names are not \
             looked up",
            "line 14: farm[shop].service[web].port: 70000 is outside 1 to 65535",
            "line 15: farm[shop].service[web].check.path: only a check of kind \"http\" or \
             \"https\" has this",
            "line 18: farm[shop].server[S1]: \"S1\": a name is made of a-z, 0-9, '-', '_' and \
             '.', and starts with a letter or a digit",
            "line 19: farm[shop].server[S1].weight: 0 is too few: it is 1 at least",
        ]
    );
}

#[test]
fn faults_of_the_whole_are_told_with_the_line_of_their_place() {
    let text = SMALL
        .replace("vip = \"front\"", "vip = \"back\"")
        .replace("10.0.0.21", "127.0.0.1")
        .replace(
            "kind = \"http\" }",
            "kind = \"http\", interval = \"1ms\", path = \"x y\" }",
        );
    let errors = wrong(&text);
    let heads: Vec<&str> = errors.iter().filter_map(|e| e.split(": ").nth(1)).collect();
    assert_eq!(
        heads,
        [
            "farm[shop].service[web].check.interval",
            "farm[shop].service[web].check.timeout",
            "farm[shop].service[web].check.path",
            "farm[shop].server[s1].address",
            "farm[shop].vip",
        ]
    );
    let lines: Vec<&str> = errors.iter().filter_map(|e| e.split(": ").next()).collect();
    assert_eq!(
        lines,
        ["line 15", "line 15", "line 15", "line 19", "line 9"]
    );
}

fn after(line: &str, added: &str) -> String {
    SMALL.replace(line, &format!("{line}\n{added}"))
}

/// `web` as another kind of service.
fn service(kind: &str) -> String {
    SMALL.replace("kind = \"http\"\nport", &format!("kind = {kind}\nport"))
}

/// `web` with another check.
fn checked(check: &str) -> String {
    SMALL.replace("kind = \"http\" }", &format!("kind = {check} }}"))
}

fn assert_refused(text: &str, wanted: &str) {
    let errors = wrong(text);
    assert!(
        errors.iter().any(|error| error.contains(wanted)),
        "{wanted}: {errors:?}"
    );
    assert!(
        errors.iter().all(|error| error.starts_with("line ")),
        "{errors:?}"
    );
}

#[test]
fn a_vip_is_held_where_there_is_a_gateway_to_ask() {
    let gateway = "gateway = \"10.0.0.1\"\n";
    for (words, wanted) in [
        ("", OnQuorumLoss::Release),
        (gateway, OnQuorumLoss::Hold),
        (
            &format!("{gateway}on_quorum_loss = \"release\""),
            OnQuorumLoss::Release,
        ),
        (
            &format!("{gateway}pair_takeover = \"never\""),
            OnQuorumLoss::Hold,
        ),
        (
            &format!("{gateway}pair_takeover = \"gateway\""),
            OnQuorumLoss::HoldOrTake,
        ),
    ] {
        let config = fresh(&after("network = \"lan\"", words)).expect(words);
        assert_eq!(config.vips["front"].on_quorum_loss, wanted, "{words}");
    }
}

#[test]
fn what_comes_later_or_never_is_refused_by_name() {
    for (text, wanted) in [
        (
            service("\"udp\""),
            "\"udp\" comes with a later version; possible now: \"tcp\" or \"http\" or \"ftp\"",
        ),
        (
            service("\"gopher\""),
            "\"gopher\" is not possible here; possible: \"tcp\" or",
        ),
        (
            after("network = \"lan\"", "on_quorum_loss = \"keep\""),
            "possible: \"hold\" or \"release\"",
        ),
        (
            after("network = \"lan\"", "on_quorum_loss = \"hold\""),
            "vip[front].on_quorum_loss: hold needs a gateway",
        ),
        (
            after("network = \"lan\"", "pair_takeover = \"gateway\""),
            "vip[front].pair_takeover: who takes a VIP without a majority has to hold it",
        ),
        (
            after("address = \"10.0.0.21\"", "role = \"spare\""),
            "possible: \"favorite\" or \"active\" or \"standby\" or \"last-resort\"",
        ),
        (
            after("vip = \"front\"", "depends_on = [\"fs1\"]"),
            "farm[shop].depends_on: there is no watch called fs1",
        ),
        (
            format!("{SMALL}\n[[vip]]\n{}", &SMALL[9..64]),
            "front is there twice",
        ),
        (after("port = 80", "port = 81"), "duplicate key"),
        (after("port = 80", "prot = 81"), "unknown field `prot`"),
        (format!("{SMALL}\nport = \n"), "line 21"),
    ] {
        assert_refused(&text, wanted);
    }
}

#[test]
fn words_of_one_kind_are_refused_at_another() {
    let ftp = |more: &str| service(&format!("\"ftp\"\ndata_ports = \"40000-40999\"\n{more}"));
    for (text, wanted) in [
        (service("\"ftp\""), "an ftp service needs data_ports"),
        (
            service("\"tcp\"\ndata_ports = \"40000-40999\""),
            "service[web].data_ports: only a service of kind \"ftp\" has this",
        ),
        (
            after("port = 80", "tls = \"pass\""),
            "service[web].tls: only a service of kind \"ftp\" has this",
        ),
        (
            ftp("tls = \"terminate\""),
            "\"terminate\" is not possible here; possible: \"refuse\" or \"pass\"",
        ),
        (
            ftp("tls = \"pass\""),
            "server[s1].data_ports: with tls = \"pass\" every server needs data_ports",
        ),
        (
            ftp("send_proxy = \"v1\""),
            "service[web].send_proxy: FTP servers are told no client address",
        ),
        (
            after("port = 80", "accept_proxy = [\"0.0.0.0/0\"]"),
            "service[web].accept_proxy: 0.0.0.0/0 is everybody",
        ),
        (
            checked("\"ftp\", path = \"/\""),
            "check.path: only a check of kind \"http\" or \"https\" has this",
        ),
        (
            checked("\"exec\""),
            "needs a command, the name of a file in exec_dir",
        ),
        (
            checked("\"exec\", command = \"../true\""),
            "\"../true\" is not the name of a file in exec_dir",
        ),
    ] {
        assert_refused(&text, wanted);
    }
}

#[test]
fn a_circle_of_parents_is_refused_and_shown() {
    let watch = |name: &str, parent: &str| {
        format!(
            "\n[[watch]]\nname = \"{name}\"\naddress = \"10.0.0.50\"\nport = 80\n\
             check = {{ kind = \"tcp\" }}\ndepends_on = [\"{parent}\"]\n"
        )
    };
    let text = format!("{SMALL}{}{}", watch("fs1", "fs2"), watch("fs2", "fs1"));
    assert_refused(&text, "depends on itself: fs1 -> fs2 -> fs1");
}

/// 15,000 servers took 17 s to be refused when each place was counted from the first line on.
#[test]
fn far_too_many_servers_are_counted_and_refused_at_once() {
    let servers: String = (0..15_000)
        .map(|n| format!("\n[[farm.server]]\nname = \"t{n}\"\naddress = \"10.0.0.21\"\n"))
        .collect();
    let errors = wrong(&format!("{SMALL}{servers}"));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("farm.server: 15001 given, at most 5000"),
        "{errors:?}"
    );
}

fn contact(relay: &str, password: &str) -> String {
    format!(
        "[[contact]]\nname = \"ops\"\n[contact.mail]\nto = [\"a@b.example\"]\n\
         relay = \"{relay}\"\n{password}\n"
    )
}

#[test]
fn a_stored_password_is_kept_for_the_same_relay_and_user_only() {
    let written = contact("smtps://ops@mail", "password = \"hush\"");
    let current = fresh(&written).expect("it is valid");
    let text = export(&current);
    assert!(
        text.contains("stored = true") && !text.contains("hush"),
        "{text}"
    );
    assert_eq!(read(&text, &current, &BTreeMap::new()), Ok(current.clone()));

    for relay in [
        "smtps://ops@evil",
        "smtps://eve@mail",
        "smtp+starttls://ops@mail:465",
    ] {
        let moved = contact(relay, "password = { stored = true }");
        let errors = read(&moved, &current, &BTreeMap::new()).expect_err("it is not for there");
        assert!(
            errors[0].what.contains("no password is stored"),
            "{errors:?}"
        );
        assert_eq!(errors[0].line, Some(6));
    }
    assert!(
        fresh(&text).is_err(),
        "another cluster has no such password"
    );
}

#[test]
fn no_message_repeats_a_password() {
    for (relay, password) in [
        ("smtps://ops@mail", "password = \"hush"),
        ("smtps://ops@mail", "password = [\"hush\"]"),
        ("smtps://ops@mail", "password = { hush = true }"),
        ("smtps://ops@mail", "password = { stored = \"hush\" }"),
        ("smtps://ops@mail", "password = \"hush\\u0007\""),
        ("smtp://ops@mail", "password = \"hush\""),
        ("smtps://mail", "password = \"hush\""),
        ("smtps://ops:hush@mail", ""),
    ] {
        let errors = wrong(&contact(relay, password));
        assert!(
            !errors.iter().any(|error| error.contains("hush")),
            "{errors:?}"
        );
    }
}

#[test]
fn applying_a_document_leaves_orders_as_they_are() {
    let mut current = fresh(SMALL).expect("it is valid");
    let shop = current.farms.get_mut("shop").expect("it is there");
    shop.servers.get_mut("s1").expect("it is there").admin = AdminState::Drain;
    assert_eq!(read(SMALL, &current, &BTreeMap::new()), Ok(current.clone()));
}

proptest! {
    #[test]
    fn an_export_means_the_same_again(config in any_config()) {
        prop_assert_eq!(config.faults(&BTreeMap::new()), []);
        let text = export(&config);
        prop_assert_eq!(read(&text, &config, &BTreeMap::new()), Ok(config), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}|[\\[\\]a-z= \"\n{}]{0,200}") {
        let _ = fresh(&text);
    }
}
