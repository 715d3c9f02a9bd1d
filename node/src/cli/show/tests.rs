//! Golden texts: what an operator sees, byte by byte.
//!
//! After a wanted change: `FARMUX_GOLDEN=write cargo test -p farmux-node golden`, and read the
//! diff.

mod drills;

pub(in crate::cli) mod rehearsals;

mod silences;

mod maintenance;

mod probes;

mod vips;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use farmux_raft::id::{UnixMillis, VipName};
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Advice, Author, Health, PageVerdict, Pause, State, Vip};

use super::super::terminal::Paint;
use super::{
    events, farm, farms, history, page, pages, silence_added, silences, status, token_created,
    token_use, tokens, watch, watches, watches_changed,
};
use crate::api::status::sample::{
    THEN, add_watches, report, server_check, set_health, state, view, watch_check,
};
use crate::api::status::{assemble, farm_report, uptime_of, watch_reports, without_cluster};
use crate::api::types::{
    DeliveryReport, DeliveryState, EventReport, EventsAnswer, Moment, MonthReport, PageReport,
    ProbeReport, Reading, RevisionReport, SilenceAnswer, SilenceReport, TokenAnswer, TokenReport,
    TokenState, WatchAnswer, WatchDetail, WatchReport,
};
use crate::config::read;

/// Five minutes after everything happened.
const NOW: UnixMillis = UnixMillis(THEN.0 + 300_000);

fn golden(name: &str, shown: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/cli/show/golden")
        .join(name);
    if std::env::var_os("FARMUX_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&file, shown).expect("the golden file can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(shown == wanted, "{name} differs; it is now\n{shown}");
}

#[test]
fn golden_status_without_a_cluster() {
    let report = without_cluster(&"lb1".parse().expect("a name"));
    golden("status-no-cluster.txt", &status(&report, Paint::Plain, NOW));
}

#[test]
fn golden_status_of_a_healthy_cluster() {
    let state = state(&[Balancer, Balancer, Witness]);
    let report = assemble(&view(&state, &[1, 2, 3]));
    golden("status-ok.txt", &status(&report, Paint::Plain, NOW));
}

#[test]
fn golden_status_while_paused_with_a_group_and_a_preference() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    let config = Arc::make_mut(&mut state.config);
    let (front, lb2) = (config.vips.first_entry(), "lb2".parse().expect("a name"));
    let front = front.map(|mut entry| {
        let front = entry.get_mut();
        front.group = Some("both".parse().expect("a name"));
        front.prefer = Some(lb2);
        front.clone()
    });
    let front6 = Vip {
        address: "fd00::100".parse().expect("an address"),
        ..front.expect("the sample has a VIP")
    };
    let name: VipName = "front6".parse().expect("a name");
    config.vips.insert(name.clone(), front6);
    state.pause = Some(Pause {
        author: Author("anna".to_owned()),
        why: "racks are moved".to_owned(),
        since: THEN,
    });
    let mut seen = view(&state, &[1, 2, 3]);
    let owner = seen.reports.values_mut().next().expect("lb1 answers");
    owner.held.insert(name);
    let report = assemble(&seen);
    golden("status-paused.txt", &status(&report, Paint::Plain, NOW));
}

#[test]
fn golden_status_of_a_pair() {
    let state = state(&[Balancer, Balancer]);
    let report = assemble(&view(&state, &[1, 2]));
    golden("status-pair.txt", &status(&report, Paint::Plain, NOW));
}

#[test]
fn golden_status_of_a_cluster_in_trouble() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    set_health(&mut state, "s2", Health::Down, "connection refused");
    let mut view = view(&state, &[1]);
    view.log.leader = None;
    view.leases.clear();
    view.reports
        .values_mut()
        .for_each(|report| report.held.clear());
    let report = assemble(&view);
    golden("status-critical.txt", &status(&report, Paint::Plain, NOW));
    golden(
        "status-critical-colour.txt",
        &status(&report, Paint::Colour, NOW),
    );
}

#[test]
fn golden_status_of_a_holder() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    let config = std::sync::Arc::make_mut(&mut state.config);
    for vip in config.vips.values_mut() {
        vip.gateway = Some([10, 0, 0, 1].into());
        vip.on_quorum_loss = farmux_raft::state::OnQuorumLoss::Hold;
    }
    let mut view = view(&state, &[1]);
    view.log.leader = None;
    for report in view.reports.values_mut() {
        report.alone_ms = [("front".parse().expect("a name"), 12_000)].into();
    }
    let report = assemble(&view);
    golden("status-alone.txt", &status(&report, Paint::Plain, NOW));
}

#[test]
fn golden_farms() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    set_health(&mut state, "s2", Health::Down, "connection refused");
    let view = view(&state, &[1, 2, 3]);
    let report = farm_report(&view, &"shop".parse().expect("a name")).expect("it is there");
    let one = Reading {
        fresh: view.freshness(),
        data: report.clone(),
    };
    golden("farm-show.txt", &farm(&one, Paint::Plain, NOW));
    let all = Reading {
        fresh: view.freshness(),
        data: vec![report],
    };
    golden("farm-list.txt", &farms(&all, Paint::Plain));
    let none = Reading {
        fresh: view.freshness(),
        data: vec![],
    };
    golden("farm-none.txt", &farms(&none, Paint::Plain));
}

/// What servers ask for on their own pages: in the health of each, and as notes of the status.
#[test]
fn golden_advice() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    let seven = 7.try_into().expect("not zero");
    for (server, advice) in [
        ("s1", Advice::Weight(seven)),
        ("s2", Advice::Overload),
        ("s3", Advice::Quiesce),
    ] {
        let health = Arc::make_mut(&mut state.health);
        let record = health.get_mut(&server_check(server));
        record.expect("it is up").advice = advice;
    }
    let view = view(&state, &[1, 2, 3]);
    let one = Reading {
        fresh: view.freshness(),
        data: farm_report(&view, &"shop".parse().expect("a name")).expect("it is there"),
    };
    golden("farm-advice.txt", &farm(&one, Paint::Plain, NOW));
    let report = assemble(&view);
    golden("status-advice.txt", &status(&report, Paint::Plain, NOW));
}

/// Everything that a farm may have, one server fallen, one unreachable.
#[test]
fn golden_farm_with_everything() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    let text = include_str!("tests/everything.toml");
    let mut config = read(text, &state.config, &state.nodes).expect("a good configuration");
    // What waits for another node has no page yet.
    config.paging.second_opinion = false;
    state.config = config.into();
    let s2 = ("shop".parse(), "s2".parse());
    let s2 = (s2.0.expect("a name"), s2.1.expect("a name"));
    state.fallen = Arc::new(BTreeSet::from([s2]));
    report(
        &mut state,
        watch_check("fs1"),
        Health::Down,
        "no route to host",
    );
    report(
        &mut state,
        server_check("s1"),
        Health::Down,
        "503 Service Unavailable",
    );
    let view = view(&state, &[1, 2, 3]);
    let report = farm_report(&view, &"shop".parse().expect("a name")).expect("it is there");
    let one = Reading {
        fresh: view.freshness(),
        data: report,
    };
    golden("farm-show-everything.txt", &farm(&one, Paint::Plain, NOW));
    let status_report = assemble(&view);
    golden(
        "status-cause.txt",
        &status(&status_report, Paint::Plain, NOW),
    );
}

#[test]
fn golden_watches() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    report(
        &mut state,
        watch_check("fs1"),
        Health::Down,
        "no route to host",
    );
    report(
        &mut state,
        watch_check("mirror"),
        Health::Down,
        "timeout after 5s",
    );
    let fresh = view(&state, &[1, 2, 3]).freshness();
    let all = Reading {
        fresh: fresh.clone(),
        data: watch_reports(&state),
    };
    golden("watch-list.txt", &watches(&all, Paint::Plain, NOW));
    let mut shown = String::new();
    for (place, each) in all.data.into_iter().enumerate() {
        let one = Reading {
            fresh: fresh.clone(),
            data: detail(&state, each, place == 0),
        };
        shown += &watch(&one, Paint::Plain, NOW);
    }
    golden("watch-show.txt", &shown);
    let none = Reading {
        fresh,
        data: vec![],
    };
    golden("watch-none.txt", &watches(&none, Paint::Plain, NOW));
}

/// How a watch has been; `probed`: by somebody that answers.
fn detail(state: &State, watch: WatchReport, probed: bool) -> WatchDetail {
    let probe = |seconds: u64, took_us, found: &str| ProbeReport {
        at: Moment(UnixMillis(THEN.0 + seconds * 1_000)),
        took_us,
        found: found.to_owned(),
    };
    let month = |month: &str, up_ms, down_ms, downs, up_per_100_000| MonthReport {
        month: month.to_owned(),
        up_ms,
        down_ms,
        unknown_ms: 0,
        downs,
        up_per_100_000,
    };
    let results = vec![
        probe(9, 5_000_123, "timeout"),
        probe(4, 180, "refused"),
        probe(0, 1_234, "well"),
    ];
    let uptime = match probed {
        true => vec![
            month("2026-03", 2_399_568_000, 432_000, 3, Some(99_982)),
            month("2026-02", 2_419_200_000, 0, 0, Some(100_000)),
            month("2026-01", 0, 0, 0, None),
        ],
        false => uptime_of(state, &watch.name, NOW),
    };
    WatchDetail {
        watch,
        results: if probed { results } else { vec![] },
        probed_by: probed.then(|| "lb1".parse().expect("a name")),
        uptime,
        silenced: probed.then(maintenance::silenced_report),
        pages: if probed { vec![page_report()] } else { vec![] },
    }
}

#[test]
fn golden_changes_and_events() {
    let answer = WatchAnswer {
        touched: 2,
        diff: vec![
            "~ watch[w1]: fall 3 -> 4".to_owned(),
            "~ watch[w2]: fall 3 -> 4".to_owned(),
        ],
        revision: None,
    };
    let done = WatchAnswer {
        revision: Some(8),
        ..answer.clone()
    };
    let nothing = WatchAnswer {
        touched: 1,
        diff: vec![],
        revision: None,
    };
    let shown = watches_changed(&answer, true)
        + "\n"
        + &watches_changed(&done, false)
        + "\n"
        + &watches_changed(&nothing, false);
    golden("watch-change.txt", &shown);
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    let fs1 = watch_check("fs1");
    report(&mut state, fs1.clone(), Health::Down, "no route to host");
    report(&mut state, fs1, Health::Up, "connected");
    let entries = state.journal.after(0).map(|entry| {
        let (subject, text) = state.journal_words(entry);
        EventReport {
            number: entry.number,
            at: Moment(entry.at),
            kind: entry.event.kind(),
            subject,
            text,
        }
    });
    let reading = Reading {
        fresh: view(&state, &[1]).freshness(),
        data: EventsAnswer {
            first: 1,
            last: state.journal.last(),
            events: entries.collect(),
        },
    };
    golden("events.txt", &events(&reading, Paint::Plain));
}

/// A cluster that only watches is as whole as any.
#[test]
fn golden_status_without_a_vip() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    add_watches(&mut state);
    let config = Arc::make_mut(&mut state.config);
    config.vips.clear();
    config.farms.clear();
    state.vips.clear();
    let mut all_well = view(&state, &[1, 2, 3]);
    all_well.leases.clear();
    let well = status(&assemble(&all_well), Paint::Plain, NOW);
    let down = watch_check("mirror");
    let mut state = state.clone();
    report(&mut state, down, Health::Down, "connection refused");
    let one_down = view(&state, &[1, 2, 3]);
    let ill = status(&assemble(&one_down), Paint::Plain, NOW);
    golden("status-watching.txt", &(well + "\n" + &ill));
}

#[test]
fn golden_pages() {
    let state = state(&[Balancer, Balancer, Witness]);
    let fresh = view(&state, &[1]).freshness();
    let report = page_report();
    let one = Reading {
        fresh: fresh.clone(),
        data: report.clone(),
    };
    golden("page-show.txt", &page(&one, Paint::Plain));
    golden(
        "page-list.txt",
        &pages(
            &Reading {
                fresh,
                data: vec![report],
            },
            Paint::Plain,
        ),
    );
}

fn page_report() -> PageReport {
    let delivery = |contact: &str, state, failures, error: &str| DeliveryReport {
        contact: contact.to_owned(),
        state,
        step: 1,
        message: 17,
        reminders: 0,
        due: None,
        at: Some(Moment(THEN)),
        failures,
        error: error.to_owned(),
    };
    PageReport {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        kind: farmux_raft::state::PageKind::Down,
        subject: "shop/s2".to_owned(),
        at: Moment(THEN),
        cause: "connection refused".to_owned(),
        left: "2 of 3 up".to_owned(),
        evidence: vec!["web: connection refused".to_owned()],
        verdict: Some(PageVerdict::ServerDown),
        open: true,
        deliveries: vec![
            delivery("ops", DeliveryState::Delivered, 0, ""),
            delivery(
                "boss",
                DeliveryState::Due,
                2,
                "10.0.0.9:25: connection refused",
            ),
        ],
        acknowledged_by: None,
        acknowledged_at: None,
        resolved_by: None,
        resolved_at: None,
        resolved_why: None,
        drill: None,
    }
}

#[test]
fn golden_tokens_and_revisions() {
    let state = state(&[Balancer]);
    let fresh = view(&state, &[1]).freshness();
    let token = TokenReport {
        id: "00ff00ff00ff00ff".to_owned(),
        role: Witness,
        created: Moment(THEN),
        expires: Moment(UnixMillis(THEN.0 + 3_600_000)),
        state: TokenState::Open,
    };
    let all = Reading {
        fresh: fresh.clone(),
        data: vec![token],
    };
    golden("token-list.txt", &tokens(&all, Paint::Plain));
    let made = TokenAnswer {
        token: "fmx1-abc".to_owned(),
        role: Witness,
        ttl_s: 3_600,
    };
    let shown = token_created(&made) + &token_use(&made);
    golden("token-create.txt", &shown);
    let revision = RevisionReport {
        id: 7,
        at: Moment(THEN),
        author: "anna".to_owned(),
        note: "more room".to_owned(),
        diff: vec!["~ farm[shop].server[s1]: weight 1 -> 2".to_owned()],
    };
    golden(
        "config-history.txt",
        &history(
            &Reading {
                fresh,
                data: vec![revision],
            },
            Paint::Plain,
        ),
    );
}
