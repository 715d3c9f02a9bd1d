//! Tables of what a view becomes.

mod causes;

mod alone;
mod silences;

use farmux_raft::id::NodeId;
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{AdminState, Ftp, FtpTls, Health, NodeRole, Service, ServiceKind, State};

use super::sample::{add_watches, report, server_check, set_health, state, view, watch_check};
use super::{assemble, farm_report, watch_report, watch_reports, without_cluster};
use crate::api::report::Unfenced;
use crate::api::types::{Condition, Footing, Overall, StatusReport, WatchCounts};

const ALL: [&str; 3] = ["s1", "s2", "s3"];

fn survived(report: &StatusReport) -> Option<u32> {
    report
        .cluster
        .as_ref()
        .expect("a cluster")
        .survives
        .failures
}

fn hint(report: &StatusReport) -> String {
    let hint = report
        .cluster
        .as_ref()
        .expect("a cluster")
        .survives
        .hint
        .clone();
    hint.unwrap_or_default()
}

#[test]
fn survives_counts_voters_and_balancers_that_answer() {
    type Row = (
        &'static [NodeRole],
        &'static [u64],
        Option<u32>,
        &'static str,
    );
    let rows: [Row; 11] = [
        (&[Balancer], &[1], Some(0), "without redundancy"),
        (
            &[Balancer; 2],
            &[1, 2],
            Some(0),
            "farmux cluster token create --witness",
        ),
        (&[Balancer; 2], &[1], None, "start lb2"),
        (&[Balancer, Balancer, Witness], &[1, 2, 3], Some(1), ""),
        (
            &[Balancer, Balancer, Witness],
            &[1, 3],
            Some(0),
            "start lb2",
        ),
        (
            &[Balancer, Balancer, Witness],
            &[1],
            None,
            "start lb2 and lb3",
        ),
        (
            &[Balancer, Witness, Witness],
            &[1, 2, 3],
            Some(0),
            "one balancer is left",
        ),
        (&[Balancer; 3], &[1, 2, 3], Some(1), ""),
        (&[Balancer; 3], &[1, 2], Some(0), "start lb3"),
        (&[Balancer; 4], &[1, 2, 3, 4], Some(1), ""),
        (&[Balancer; 5], &[1, 2, 3, 4, 5], Some(2), ""),
    ];
    for (roles, answering, failures, words) in rows {
        let state = state(roles);
        let report = assemble(&view(&state, answering));
        assert_eq!(survived(&report), failures, "{roles:?} {answering:?}");
        assert!(
            hint(&report).contains(words),
            "{roles:?} {answering:?}: {}",
            hint(&report)
        );
        assert_eq!(
            hint(&report).is_empty(),
            words.is_empty(),
            "{}",
            hint(&report)
        );
    }
}

/// What broke: a node that had just come back counted as redundancy, and a VIP whose owner died
/// then waited for up to 1.1 s.
#[test]
fn a_node_that_just_started_is_no_redundancy_yet() {
    let state = state(&[Balancer; 3]);
    let mut view = view(&state, &[1, 2, 3]);
    view.reports.entry(NodeId(2)).or_default().settling = true;
    let report = assemble(&view);
    assert_eq!(survived(&report), Some(0));
    assert!(hint(&report).contains("ask again"), "{}", hint(&report));
    assert_eq!(report.overall, Overall::Degraded);
    assert!(report.reasons[0].text.contains("lb2 started a moment ago"));

    for report in view.reports.values_mut() {
        report.settling = true;
    }
    let all = assemble(&view);
    assert_eq!(survived(&all), Some(0), "changes are still agreed on");
}

#[test]
fn while_joint_the_weaker_half_decides() {
    let state = state(&[Balancer; 4]);
    let mut view = view(&state, &[1, 2, 3]);
    let ids = |numbers: &[u64]| numbers.iter().copied().map(NodeId).collect();
    view.halves = vec![ids(&[1, 2, 3]), ids(&[1, 2, 3, 4])];
    assert_eq!(survived(&assemble(&view)), Some(0), "three of four answer");
    view.halves = vec![ids(&[1, 2, 3]), ids(&[1, 4])];
    assert_eq!(
        survived(&assemble(&view)),
        None,
        "one of two is no majority"
    );
}

#[test]
fn a_view_without_members_survives_nothing() {
    let state = state(&[Balancer]);
    let mut view = view(&state, &[1]);
    view.halves = vec![];
    let report = assemble(&view);
    assert_eq!(survived(&report), None);
    assert_eq!(report.overall, Overall::Critical);
}

/// Every single thing that may be wrong, with the level and the words that it must have.
#[test]
fn each_trouble_has_its_level_and_words() {
    type Harm = fn(&mut State);
    let harms: [(&str, Harm, Overall, &str); 8] = [
        ("nothing", |_| {}, Overall::Ok, ""),
        (
            "a server down",
            |state| set_health(state, "s2", Health::Down, "connection refused"),
            Overall::Degraded,
            "server shop/s2 is down: connection refused",
        ),
        (
            "too few servers",
            |state| {
                let config = std::sync::Arc::make_mut(&mut state.config);
                let farm = config.farms.values_mut().next().expect("one farm");
                farm.degraded_below = 3;
                set_health(state, "s2", Health::Down, "connection refused");
            },
            Overall::Degraded,
            "farm shop is degraded: 2 of 3 up, fewer than 3",
        ),
        (
            "all servers down",
            |state| {
                ALL.iter()
                    .for_each(|s| set_health(state, s, Health::Down, ""))
            },
            Overall::Critical,
            "farm shop is down: no server left",
        ),
        (
            "no verdict yet",
            |state| state.health = Default::default(),
            Overall::Ok,
            "3 servers wait for their first verdict",
        ),
        (
            "maintenance of a dead server",
            |state| {
                set_health(state, "s2", Health::Down, "connection refused");
                order(state, "s2", AdminState::Maintenance);
            },
            Overall::Ok,
            "",
        ),
        (
            "a drained server that died",
            |state| {
                set_health(state, "s2", Health::Down, "connection refused");
                order(state, "s2", AdminState::Drain);
            },
            Overall::Degraded,
            "server shop/s2 is down",
        ),
        (
            "everything drained",
            |state| ALL.iter().for_each(|s| order(state, s, AdminState::Drain)),
            Overall::Critical,
            "farm shop serves nothing",
        ),
    ];
    for (what, harm, level, words) in harms {
        let mut state = state(&[Balancer, Balancer, Witness]);
        harm(&mut state);
        let report = assemble(&view(&state, &[1, 2, 3]));
        assert_eq!(report.overall, level, "{what}: {:?}", report.reasons);
        let told = report
            .reasons
            .first()
            .map_or("", |reason| reason.text.as_str());
        assert!(told.contains(words), "{what}: {:?}", report.reasons);
        assert_eq!(told.is_empty(), words.is_empty(), "{what}: {told}");
    }
}

#[test]
fn the_cluster_itself_may_be_in_trouble() {
    let state = state(&[Balancer, Balancer, Witness]);
    let silent = assemble(&view(&state, &[1, 2]));
    assert_eq!(silent.overall, Overall::Degraded);
    assert_eq!(silent.reasons[0].text, "node lb3 does not answer");

    let mut leaderless = view(&state, &[1, 2, 3]);
    leaderless.log.leader = None;
    let report = assemble(&leaderless);
    assert_eq!(report.overall, Overall::Critical);
    assert!(report.reasons[0].text.contains("no leader"));
    assert_eq!(report.cluster.expect("a cluster").fresh.leader, None);

    let mut ownerless = view(&state, &[1, 2, 3]);
    ownerless
        .reports
        .values_mut()
        .for_each(|report| report.held.clear());
    assert_eq!(
        assemble(&ownerless).overall,
        Overall::Ok,
        "our acceptor still knows the owner"
    );
    ownerless.leases.clear();
    let report = assemble(&ownerless);
    assert_eq!(report.overall, Overall::Critical);
    assert_eq!(report.reasons[0].text, "nobody owns VIP front (10.0.0.100)");

    let mut twice = view(&state, &[1, 2, 3]);
    let held = twice.reports[&NodeId(1)].held.clone();
    twice.reports.get_mut(&NodeId(2)).expect("n2 answers").held = held;
    let report = assemble(&twice);
    assert_eq!(report.overall, Overall::Critical);
    assert!(
        report.reasons[0]
            .text
            .starts_with("lb1 and lb2 both say they own VIP front")
    );
}

#[test]
fn what_stands_in_the_way_of_a_vip_is_told_for_every_node() {
    let state = state(&[Balancer, Balancer, Witness]);
    for (node, level) in [(1, Overall::Critical), (2, Overall::Degraded)] {
        let mut view = view(&state, &[1, 2, 3]);
        let report = view.reports.get_mut(&NodeId(node)).expect("it answers");
        report
            .troubles
            .insert("front".parse().expect("a name"), "eth0 is down".to_owned());
        let report = assemble(&view);
        assert_eq!(report.overall, level);
        assert_eq!(
            report.reasons[0].text,
            format!("VIP front on lb{node}: eth0 is down")
        );
    }
}

#[test]
fn a_node_without_a_fence_says_so_once() {
    let state = state(&[Balancer, Balancer, Witness]);
    for (at_all, level) in [(true, Overall::Degraded), (false, Overall::Ok)] {
        let mut view = view(&state, &[1, 2, 3]);
        let report = view.reports.get_mut(&NodeId(2)).expect("it answers");
        for vip in ["front", "back"] {
            let why = "no fence in the kernel".to_owned();
            let unfenced = Unfenced { at_all, why };
            report
                .unfenced
                .insert(vip.parse().expect("a name"), unfenced);
        }
        let report = assemble(&view);
        assert_eq!(report.overall, level);
        let texts: Vec<&str> = report.reasons.iter().map(|r| r.text.as_str()).collect();
        assert_eq!(texts, ["node lb2: no fence in the kernel"]);
    }
}

#[test]
fn what_disturbs_a_node_degrades_and_no_more() {
    let state = state(&[Balancer, Balancer, Witness]);
    let mut view = view(&state, &[1, 2, 3]);
    let report = view.reports.get_mut(&NodeId(1)).expect("it answers");
    report.disturbances = vec!["no gateway: so".to_owned()];
    let report = assemble(&view);
    assert_eq!(report.overall, Overall::Degraded);
    assert_eq!(report.reasons[0].text, "node lb1: no gateway: so");
}

#[test]
fn what_keeps_a_node_from_its_checks_is_told() {
    let state = state(&[Balancer, Balancer, Witness]);
    let mut view = view(&state, &[1, 2, 3]);
    let report = view.reports.get_mut(&NodeId(2)).expect("it answers");
    report.shortages = vec!["5000 targets are neighbours".to_owned()];
    report.blind = 7;
    report.blind_some = vec!["fs1 (no own address)".to_owned()];
    let report = assemble(&view);
    assert_eq!(report.overall, Overall::Degraded);
    let texts: Vec<&str> = report.reasons.iter().map(|r| r.text.as_str()).collect();
    let wanted = [
        "node lb2: 5000 targets are neighbours",
        "node lb2 cannot make 7 of its checks, and their verdicts are old: fs1 (no own \
         address), …",
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn the_worst_reason_comes_first() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    set_health(&mut state, "s2", Health::Down, "connection refused");
    let mut view = view(&state, &[1, 2]);
    view.log.leader = None;
    let levels: Vec<Overall> = assemble(&view).reasons.iter().map(|r| r.level).collect();
    assert_eq!(
        levels,
        [Overall::Critical, Overall::Degraded, Overall::Degraded]
    );
}

#[test]
fn without_a_cluster_it_says_what_to_do() {
    let report = without_cluster(&"lb1".parse().expect("a name"));
    assert_eq!(report.overall, Overall::NoCluster);
    assert!(report.cluster.is_none());
    assert!(report.reasons[0].text.contains("farmux cluster join TOKEN"));
}

#[test]
fn a_farm_shows_what_is_in_flight_only_if_the_owner_says() {
    let state = state(&[Balancer, Balancer, Witness]);
    let farm = "shop".parse().expect("a name");
    let active = |answering: &[u64], leases: bool| {
        let mut view = view(&state, answering);
        if !leases {
            view.leases.clear();
        }
        let report = farm_report(&view, &farm).expect("the farm is there");
        report.servers[0].active
    };
    assert_eq!(active(&[1, 2, 3], true), Some(0));
    assert_eq!(active(&[2, 3], true), None, "the owner is silent");
    assert_eq!(
        active(&[2, 3], false),
        Some(0),
        "nobody owns the VIP: the rest is all there is"
    );
    let other = "other".parse().expect("a name");
    assert_eq!(farm_report(&view(&state, &[1]), &other), None);
}

fn order(state: &mut State, server: &str, admin: AdminState) {
    let config = std::sync::Arc::make_mut(&mut state.config);
    let farm = config.farms.values_mut().next().expect("one farm");
    farm.servers
        .get_mut(server)
        .expect("the server is there")
        .admin = admin;
}
