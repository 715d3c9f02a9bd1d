//! Every documented command line is understood, and what is wrong is refused with exit code 2.

use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::args::{
    Action, Arguments, ClusterAction, ConfigAction, InitArguments, Output, PageAction,
    ServerAction, TokenAction, Which,
};

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

/// As issue 2 and the README write them.
#[test]
fn every_documented_line_is_understood() {
    let lines = [
        "farmux run --config node.toml",
        "farmux run",
        "farmux cluster init --name prod",
        "farmux cluster init --name prod --vip 10.0.0.100 --network lan --gateway 10.0.0.1",
        "farmux cluster recover",
        "farmux cluster recover --config /etc/farmux/node.toml --yes prod --accept-data-loss",
        "farmux cluster init --name prod --vip 10.0.0.100 --network lan --vip-name shop",
        "farmux cluster token create",
        "farmux cluster token create --witness --ttl 2h",
        "farmux cluster token list -o json",
        "farmux cluster token revoke 00ff00ff00ff00ff",
        "farmux cluster join fmx1-abc",
        "farmux cluster join fmx1-abc --witness",
        "farmux cluster join -",
        "farmux cluster remove lb2",
        "farmux cluster remove lb2 --yes",
        "farmux cluster leave --yes",
        "farmux cluster pause",
        "farmux cluster pause -m racks",
        "farmux cluster resume -o json",
        "farmux vip prefer front --node lb2",
        "farmux vip prefer front --clear -m even",
        "farmux cluster switchover",
        "farmux cluster switchover --to lb2 --wait 1m --yes -o json",
        "farmux vip list",
        "farmux vip show",
        "farmux vip show front -o json",
        "farmux vip move front --to lb2",
        "farmux vip move front --to lb2 --wait 0 -y",
        "farmux vip move front --to lb2 --wait 10m",
        "farmux node maintenance lb1 on",
        "farmux node maintenance lb1 on -m fan -y",
        "farmux node maintenance lb1 off",
        "farmux status",
        "farmux status -o json",
        "farmux -o json status",
        "farmux --socket /run/other.sock status",
        "farmux status --connect 10.0.0.11:9443 --cert ops.pem",
        "farmux config apply cluster.toml",
        "farmux config apply cluster.toml --dry-run",
        "farmux config apply - --note because",
        "farmux config export",
        "farmux config show",
        "farmux config show --revision 3 -o json",
        "farmux config rollback r3 --note because",
        "farmux config rollback 3 --dry-run",
        "farmux config history --output json",
        "farmux farm list",
        "farmux farm show shop -o json",
        "farmux server drain shop/s1",
        "farmux server drain shop/s1 --wait --timeout 300s",
        "farmux server drain shop/s1 --allow-empty",
        "farmux server drain --everywhere 10.0.0.21 --wait",
        "farmux server ready shop/s1",
        "farmux server ready --everywhere fd00::21",
        "farmux server maintenance shop/s1",
        "farmux server maintenance shop/s1 --for 2h -m disks",
        "farmux server maintenance --everywhere 10.0.0.21 --allow-empty",
        "farmux watch list",
        "farmux watch show fs1 -o json",
        "farmux contact test ops",
        "farmux contact test ops --channel webhook",
        "farmux silence add watch=web* label:site=berlin --for 2h -m moving",
        "farmux silence list -o json",
        "farmux silence end 7",
        "farmux page resolve 00ff -m mended",
        "farmux page history",
        "farmux page preview fs1",
        "farmux watch set w1 --ladder night",
        "farmux page list",
        "farmux page list --all -o json",
        "farmux page show 00ff",
        "farmux page ack 00ff --by anna",
        "farmux admin-cert create anna",
        "farmux admin-cert create anna --out anna.pem",
        "farmux admin-cert list -o json",
        "farmux admin-cert revoke anna",
        "farmux status --connect [fd00::11]:9443 --cert ops.pem",
        "farmux cluster token create --ttl 1m",
        "farmux cluster token create --ttl 7d",
        "farmux explain FMX-204",
        "farmux explain",
        "farmux version",
        "farmux snapshot save prod.farmux",
        "farmux snapshot save a.farmux --passphrase-file p --connect 10.0.0.11:9443 --cert x",
        "farmux snapshot inspect prod.farmux -o json",
        "farmux snapshot restore prod.farmux --config node.toml --passphrase-file - --yes prod",
        "farmux doctor",
        "farmux doctor --config node.toml -o json",
    ];
    for line in lines {
        if let Err(error) = parse(line) {
            panic!("{line}\n{error}");
        }
    }
}

#[test]
fn every_line_of_watching_is_understood() {
    let lines = [
        "farmux watch list --label site=berlin --group web --down --kind http",
        "farmux watch add w1 10.0.0.21 --group web --label site=berlin --interval 1s",
        "farmux watch add w1 10.0.0.21 --check https --port 8443 --path /x --fall 2 --dry-run",
        "farmux watch add w1 10.0.0.21 --check dns --lookup a.example --depends-on shop/s1",
        "farmux watch set w1 w2 --fall 4 -m calmer -y",
        "farmux watch set --label site=berlin --put-label tier=1 --unlabel old --no-group",
        "farmux watch set --group web --to-group mail --group-check",
        "farmux watch set --all --no-depends-on fs1 --dry-run",
        "farmux watch remove w1 --yes",
        "farmux watch remove --label site=berlin",
        "farmux watch import sheet.csv --dry-run",
        "farmux watch import - -m moved",
        "farmux watch import sheet.csv --replace --group web -y",
        "farmux watch export --csv",
        "farmux events",
        "farmux events -f -o json",
        "farmux events --since 1h --subject fs1 --kind health",
    ];
    for line in lines {
        if let Err(error) = parse(line) {
            panic!("{line}\n{error}");
        }
    }
}

#[test]
fn every_line_of_measuring_is_understood() {
    let lines = [
        "farmux probe http://10.0.0.100/",
        "farmux probe https://[fd00::100]:8443/a?b --every 5ms --for 30s --timeout 200ms",
        "farmux probe tcp://db.test:5432 --until-outage -o json",
        "farmux probe http://10.0.0.100/ --host shop.test --status 200 --keep-alive",
        "farmux probe https://10.0.0.100/ --insecure",
        "farmux probe ftp://ann:secret@10.0.0.100/file --for 1m",
    ];
    for line in lines {
        if let Err(error) = parse(line) {
            panic!("{line}\n{error}");
        }
    }
}

#[test]
fn every_line_of_drilling_is_understood() {
    let lines = [
        "farmux drill list",
        "farmux drill list -o json",
        "farmux drill plan owner-crash",
        "farmux drill plan server-down --target shop/s1 --outside -o json",
        "farmux drill run owner-crash",
        "farmux drill run vip-move --target front --dry-run",
        "farmux drill run owner-crash --yes --bound 1 -o json",
        "farmux drill run quorum-loss --force prod",
        "farmux drill abort",
        "farmux drill abort 7",
        "farmux drill lock -m sale",
        "farmux drill unlock",
        "farmux drill history --limit 5",
        "farmux drill report 7",
        "farmux drill report 7 -o text",
        "farmux drill report 7 -o md",
        "farmux drill report 7 -o html",
        "farmux drill schedule list",
        "farmux drill schedule remove owner-crash",
        "farmux drill schedule owner-crash --weekly Tue_03:00 --tz Europe/Berlin --target front",
    ];
    for line in lines {
        if let Err(error) = parse(line) {
            panic!("{line}\n{error}");
        }
    }
}

#[test]
fn what_is_wrong_is_a_usage_error() {
    let lines = [
        "farmux drill",
        "farmux drill run",
        "farmux drill run earthquake",
        "farmux drill run owner-crash --bound soon",
        "farmux drill lock",
        "farmux drill report",
        "farmux drill report last",
        "farmux drill abort now",
        "farmux drill report 7 -o pdf",
        "farmux drill schedule",
        "farmux drill schedule owner-crash",
        "farmux drill schedule earthquake --weekly Tue_03:00",
        "farmux",
        "farmux nonsense",
        "farmux cluster init",
        "farmux cluster init --name Prod",
        "farmux cluster init --name prod --vip 10.0.0.100",
        "farmux cluster init --name prod --vip 10.0.0.256 --network lan",
        "farmux cluster init --name prod --network lan",
        "farmux cluster token create --ttl 1",
        "farmux cluster token create --ttl 1s",
        "farmux cluster token create --ttl 59s",
        "farmux cluster token create --ttl 8d",
        "farmux status --cert ops.pem --connect 10.0.0.11",
        "farmux status --cert ops.pem --connect 10.0.0.11:",
        "farmux status --cert ops.pem --connect 10.0.0.11:0",
        "farmux status --cert ops.pem --connect :9443",
        "farmux status --cert ops.pem --connect fd00::11:9443",
        "farmux status --cert ops.pem --connect lb1:https",
        "farmux config rollback",
        "farmux config rollback yesterday",
        "farmux config show --revision -1",
        "farmux admin-cert revoke",
        "farmux cluster join",
        "farmux vip move front",
        "farmux vip move --to lb2",
        "farmux vip move front --to lb2 --wait 11m",
        "farmux vip move front --to lb2 --wait 5",
        "farmux node maintenance lb1",
        "farmux node maintenance lb1 perhaps",
        "farmux server drain s1",
        "farmux server drain",
        "farmux server drain shop/s1 --everywhere 10.0.0.21",
        "farmux server drain --everywhere s1",
        "farmux server ready shop/s1 --allow-empty",
        "farmux watch show",
        "farmux watch add w1",
        "farmux watch add w1 nowhere",
        "farmux watch set --fall 4",
        "farmux watch set --all w1",
        "farmux watch remove",
        "farmux watch add w1 10.0.0.21 --label site",
        "farmux watch import sheet.csv --replace",
        "farmux watch import sheet.csv --all",
        "farmux events --kind rumour",
        "farmux server drain shop/s1 --timeout 5",
        "farmux status --connect 10.0.0.11:9443",
        "farmux status -o yaml",
        "farmux admin-cert create Anna/../x",
        "farmux config apply",
        "farmux snapshot",
        "farmux snapshot restore",
        "farmux snapshot restore prod.farmux --yes",
        "farmux doctor now",
        "farmux probe",
        "farmux probe 10.0.0.100",
        "farmux probe gopher://10.0.0.100/",
        "farmux probe http://10.0.0.100/ --every 0ms",
        "farmux probe http://10.0.0.100/ --timeout 11s",
        "farmux probe http://10.0.0.100/ --status 600",
        "farmux probe http://10.0.0.100/ --host a/b",
    ];
    for line in lines {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }
}

#[test]
fn words_become_types() {
    let parsed = parse("farmux cluster init --name prod --vip 10.0.0.100 --network lan");
    let Ok(Action::Cluster(ClusterAction::Init(init))) = parsed.map(|parsed| parsed.action) else {
        panic!("an init");
    };
    let wanted = InitArguments {
        name: "prod".parse().expect("a name"),
        vip: Some("10.0.0.100".parse().expect("an address")),
        vip_name: "front".parse().expect("a name"),
        network: Some("lan".parse().expect("a name")),
        gateway: None,
    };
    assert_eq!(init, wanted);

    let drain = parse("farmux server drain shop/s1 --wait").expect("a drain");
    let wanted = ServerAction::Drain {
        which: Which {
            server: Some("shop/s1".parse().expect("a place")),
            everywhere: None,
        },
        allow_empty: false,
        wait: true,
        timeout: Duration::from_secs(300),
    };
    assert_eq!(drain.action, Action::Server(wanted));

    let token = parse("farmux cluster token create").expect("a token");
    let wanted = TokenAction::Create {
        witness: false,
        ttl: Duration::from_secs(3_600),
    };
    assert_eq!(token.action, Action::Cluster(ClusterAction::Token(wanted)));

    let apply = parse("farmux config apply - -o json").expect("an apply");
    let wanted = ConfigAction::Apply {
        file: "-".into(),
        dry_run: false,
        note: String::new(),
        base: None,
    };
    assert_eq!(apply.action, Action::Config(wanted));
    assert_eq!(apply.target.output, Output::Json);

    let ack = parse("farmux page ack 00ff").expect("an ack");
    let wanted = PageAction::Ack {
        ids: vec!["00ff".to_owned()],
        all_open: false,
        message: None,
        by: None,
    };
    assert_eq!(ack.action, Action::Page(wanted));
}

#[test]
fn help_says_what_farmux_is_and_lists_the_exit_codes() {
    let help = Arguments::command().render_long_help().to_string();
    assert!(
        help.starts_with("Two or three Linux machines as one load balancer"),
        "{help}"
    );
    assert!(help.contains("5   no answer in time"), "{help}");
}
