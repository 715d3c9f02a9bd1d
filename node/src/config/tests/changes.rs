//! Changes of watches by themselves: orders, sheets, groups.

use std::collections::BTreeMap;

use farmux_raft::state::{CheckKind, Config, diff};
use proptest::prelude::*;

use super::super::{
    Chosen, ConfigError, Import, WatchFields, WatchOrder, change_watches, export, export_csv,
    import_csv, read,
};
use super::any::any_config;

const SITE: &str = r#"
[[group]]
name = "web"
labels = { kind = "web" }
check = { kind = "http", path = "/up", host = "www.example", interval = "1s" }
depends_on = ["gate"]

[[watch]]
name = "gate"
address = "10.0.0.1"
check = { kind = "icmp" }

[[watch]]
name = "w1"
address = "10.0.0.11"
group = "web"
labels = { site = "berlin" }

[[watch]]
name = "w2"
address = "10.0.0.12"
group = "web"
check = { interval = "2s", fall = 5 }

[[watch]]
name = "w3"
address = "10.0.0.13"
group = "web"
check = { kind = "http" }
"#;

fn site() -> Config {
    read(SITE, &Config::default(), &BTreeMap::new()).expect("a good configuration")
}

fn words(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ConfigError::to_string).collect()
}

fn order(config: &Config, order: &WatchOrder) -> Result<Vec<String>, Vec<String>> {
    let changed = change_watches(config, &BTreeMap::new(), order);
    match changed {
        Ok((changed, _)) => Ok(diff(config, &changed)),
        Err(errors) => Err(words(&errors)),
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a good request")
}

#[test]
fn a_check_without_a_kind_is_the_groups_with_changes() {
    let config = site();
    let check = |watch: &str| {
        let watch = config.watches.get(watch).expect("it is there");
        config.check_of(watch).expect("it has one").clone()
    };
    let path = |watch: &str| {
        let kind = check(watch).kind;
        let CheckKind::Http(http) = kind else {
            panic!("{kind:?}");
        };
        (http.path, http.host)
    };
    let host = Some("www.example".to_owned());
    assert_eq!(path("w1"), ("/up".to_owned(), host.clone()));
    assert_eq!(path("w2"), ("/up".to_owned(), host));
    assert_eq!(
        path("w3"),
        ("/".to_owned(), None),
        "one with a kind is whole"
    );
    let millis = |watch: &str| check(watch).interval.as_millis();
    assert_eq!(
        [millis("w1"), millis("w2"), millis("w3")],
        [1_000, 2_000, 5_000]
    );
    let again = read(&export(&config), &config, &BTreeMap::new());
    assert_eq!(again.map_err(|errors| words(&errors)), Ok(config));
}

#[test]
fn a_check_that_nobody_says_is_told_with_its_line() {
    let text = "[[watch]]\nname = \"w\"\naddress = \"10.0.0.9\"\ncheck = { fall = 2 }\n";
    let errors = read(text, &Config::default(), &BTreeMap::new()).expect_err("no kind");
    assert_eq!(
        words(&errors),
        ["line 2: watch[w].check: a check needs a kind, as in kind = \"http\""]
    );
    let text = "[[watch]]\nname = \"w\"\naddress = \"10.0.0.9\"\n";
    let errors = read(text, &Config::default(), &BTreeMap::new()).expect_err("no check");
    assert!(words(&errors)[0].starts_with("line 2: watch[w].check: no check"));
}

#[test]
fn watches_are_added_changed_and_removed() {
    let config = site();
    let add = r#"{"add": {"name": "w4", "fields": {"address": "10.0.0.14", "group": "web",
                 "labels": {"site": "bonn"}, "check": {"timeout": "500ms"}}}}"#;
    let lines = order(&config, &json(add)).expect("it is good");
    assert_eq!(
        lines,
        [
            "+ watch[w4]: target 10.0.0.14:80, group web, labels site=bonn, check http, path /up, \
          host www.example, status 200, obey false, interval 1s, timeout 500ms, fall 3, rise 2"
        ]
    );
    let set = r#"{"set": {"which": {"labels": {"kind": "web"}}, "fields": {"labels": {"tier": "1"},
                 "check": {"fall": 4}}}}"#;
    let lines = order(&config, &json(set)).expect("it is good");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].contains("fall 5 -> 4"), "{lines:?}");
    let other = r#"{"set": {"which": {"names": ["w2"]}, "fields": {"check": {"kind": "https"}}}}"#;
    let lines = order(&config, &json(other)).expect("it is good");
    assert!(lines[0].contains("check http -> https"), "{lines:?}");
    assert!(lines[0].contains("path /up -> /"), "{lines:?}");
    assert!(!lines[0].contains("interval"), "the pace stays: {lines:?}");
    let back = r#"{"set": {"which": {"names": ["w2"]}, "fields": {"inherit_check": true}}}"#;
    let lines = order(&config, &json(back)).expect("it is good");
    assert!(lines[0].contains("fall 5 -> none"), "{lines:?}");
    let remove = r#"{"remove": {"which": {"group": "web", "names": ["w1", "w2"]}}}"#;
    assert_eq!(
        order(&config, &json(remove)),
        Ok(vec!["- watch[w1]".into(), "- watch[w2]".into()])
    );
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let config = site();
    for (request, wanted) in [
        (
            r#"{"add": {"name": "w1", "fields": {"address": "10.0.0.14"}}}"#,
            "watch[w1]: there is one of this name already: farmux watch set",
        ),
        (
            r#"{"add": {"name": "w9", "fields": {"address": "ten"}}}"#,
            "watch[w9].address: \"ten\" is not an IP address; names are not looked up",
        ),
        (
            r#"{"set": {"which": {}, "fields": {}}}"#,
            "which watches? name them, or say labels, a group, or all",
        ),
        (
            r#"{"set": {"which": {"labels": {"kind": "mail"}}, "fields": {}}}"#,
            "no watch is meant by this",
        ),
        (
            r#"{"remove": {"which": {"names": ["w7"]}}}"#,
            "watch[w7]: there is no such watch",
        ),
        (
            r#"{"remove": {"which": {"names": ["gate"]}}}"#,
            "watch[gate]: it stays while others depend on it: group web",
        ),
        (
            r#"{"set": {"which": {"all": true}, "fields": {"check": {"path": "/x"}}}}"#,
            "watch[gate].check.path: only a check of kind \"http\" or \"https\" has this",
        ),
    ] {
        let errors = order(&config, &json(request)).expect_err(request);
        assert_eq!(errors, [wanted]);
    }
    let unknown = serde_json::from_str::<WatchOrder>(r#"{"add": {"name": "w", "colour": 1}}"#);
    assert!(unknown.is_err());
    assert!(serde_json::from_str::<WatchFields>(r#"{"check": {"colour": 1}}"#).is_err());
}

#[test]
fn a_password_follows_no_watch_to_another_address() {
    let text = r#"
[[watch]]
name = "files"
address = "10.0.0.9"
check = { kind = "ftp", user = "anna", password = "hush" }
"#;
    let config = read(text, &Config::default(), &BTreeMap::new()).expect("it is good");
    let stay = r#"{"set": {"which": {"all": true}, "fields": {"check": {"fall": 2}}}}"#;
    let lines = order(&config, &json(stay)).expect("the password stays");
    assert_eq!(lines, ["~ watch[files]: fall 3 -> 2"]);
    let go = r#"{"set": {"which": {"all": true}, "fields": {"address": "10.0.0.66"}}}"#;
    let errors = order(&config, &json(go)).expect_err("it must not go along");
    assert!(
        errors[0].contains("no password is stored for this"),
        "{errors:?}"
    );
    assert!(!export_csv(&config, &Chosen::default()).contains("hush"));
}

fn import(config: &Config, csv: &str, replace: Option<Chosen>) -> Result<Vec<String>, Vec<String>> {
    let import = Import {
        csv: csv.to_owned(),
        replace,
    };
    match import_csv(config, &BTreeMap::new(), &import) {
        Ok((changed, _)) => Ok(diff(config, &changed)),
        Err(errors) => Err(words(&errors)),
    }
}

#[test]
fn every_bad_line_is_named() {
    let csv = "name,address,group,labels,check,interval,port,depends_on\n\
               a1,10.0.1.1,,site=x;floor=2,http,1s,,\n\
               a2,10.0.1.2,web,,,,,gate;a1\n\
               a3,10.0.1,,,http,1s,,\n\
               A4,10.0.1.4,,,http,1s,,\n\
               a5,10.0.1.5,,,htp,1s,,\n\
               a6,10.0.1.6,,,http,1,,\n\
               a7,10.0.1.7,,,tcp,1s,,\n\
               a8,10.0.1.8,,,,,,\n\
               a9,10.0.1.9,,,http,1s\n\
               a10,10.0.1.10,nobody,,http,1s,,\n\
               a11,10.0.1.11,,,http,1s,eighty,\n\
               a12,10.0.1.12,,,http,1s,,nobody\n\
               a13,10.0.1.13,,site,http,1s,,\n\
               a1,10.0.1.14,,,http,1s,,\n\
               a15,10.0.1.15,,,http,1ms,,\n\
               a16,10.0.1.16,,,http,1s,,a5\n";
    let errors = import(&site(), csv, None).expect_err("most are bad");
    let mut lines: Vec<&str> = errors
        .iter()
        .map(|error| error.split(':').next().unwrap_or_default())
        .collect();
    // A line may have several faults; each is told.
    lines.dedup();
    let wanted: Vec<String> = (4..=16).map(|line| format!("line {line}")).collect();
    assert_eq!(lines, wanted, "{errors:#?}");
    assert_eq!(
        errors[0],
        "line 4: watch[a3].address: \"10.0.1\" is not an IP address; names are not looked up"
    );
    let many: String = (0..500)
        .map(|n| match n % 4 {
            0 => format!("b{n},nowhere,http\n"),
            _ => format!("b{n},10.1.{}.{},http\n", n / 250, n % 250 + 1),
        })
        .collect();
    let csv = format!("name,address,check\n{many}");
    let errors = import(&site(), &csv, None).expect_err("125 are bad");
    assert_eq!(errors.len(), 125, "all of them, however many");
}

#[test]
fn a_sheet_adds_changes_and_replaces() {
    let config = site();
    let csv = "name,address,labels\nw1,10.0.0.11,site=bonn\n";
    assert_eq!(
        import(&config, csv, None),
        Ok(vec![
            "~ watch[w1]: labels site=berlin -> site=bonn".to_owned()
        ]),
        "a column that is not there leaves alone what the watch has"
    );
    let web = Chosen {
        group: Some("web".to_owned()),
        ..Chosen::default()
    };
    let csv = "name,address,group,check\nw1,10.0.0.11,web,\nw9,10.0.0.19,web,\n";
    let lines = import(&config, csv, Some(web.clone())).expect("it is good");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("- watch[w2]"), "{lines:?}");
    assert!(lines[2].starts_with("+ watch[w9]"), "{lines:?}");
    let all = Chosen {
        all: true,
        ..Chosen::default()
    };
    let errors = import(&config, csv, Some(all)).expect_err("the gate is needed");
    assert!(
        errors[0].contains("it stays while others depend on it"),
        "{errors:?}"
    );
    for (csv, wanted) in [
        ("", "the sheet is empty: its first line names the columns"),
        ("address\n10.0.0.1\n", "line 1: the column name is missing"),
        ("name,name\n", "line 1: column name is there twice"),
    ] {
        assert_eq!(import(&config, csv, None), Err(vec![wanted.to_owned()]));
    }
    let csv = "name,adress\n";
    let errors = import(&config, csv, None).expect_err("a typing error");
    assert!(errors[0].starts_with("line 1: there is no column \"adress\"; possible: name, "));
}

#[test]
fn five_thousand_lines_are_read_quickly() {
    let lines: String = (0..4_990)
        .map(|n| {
            format!(
                "m{n},10.2.{}.{},web,site=s{}\n",
                n / 200,
                n % 200 + 1,
                n % 7
            )
        })
        .collect();
    let csv = format!("name,address,group,labels\n{lines}");
    let begun = std::time::Instant::now();
    let lines = import(&site(), &csv, None).expect("all are good");
    let took = begun.elapsed();
    assert_eq!(lines.len(), 100, "the diff is bounded");
    assert!(took.as_secs() < 3, "{took:?}");
}

proptest! {
    #[test]
    fn a_sheet_that_was_written_changes_nothing(config in any_config()) {
        let import = Import {
            csv: export_csv(&config, &Chosen::default()),
            replace: Some(Chosen { all: true, ..Chosen::default() }),
        };
        let again = import_csv(&config, &BTreeMap::new(), &import);
        let again = again.map_err(|errors| words(&errors));
        prop_assert_eq!(again, Ok((config, 1)));
    }
}

/// Found by a fuzz target: each of a million commas in a header was answered by a complaint of its
/// own, 300 times as long as what it complained of.
#[test]
fn a_header_of_commas_is_refused_in_few_words() {
    let csv = format!("name,address{}\n", ",".repeat(100_000));
    let import = Import { csv, replace: None };
    let refused = import_csv(&Config::default(), &BTreeMap::new(), &import);
    let errors = refused.expect_err("there are no such columns");
    assert!(errors.len() <= 20, "{}", errors.len());
}
