//! A scrape says what it should, and is the same text for the same facts.

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_netplane::fence::{DropReason, FenceMode, FenceStatus, Stand};
use farmux_netplane::plan::ServiceKey;
use farmux_netplane::probe::{Lag, ProbeCounts, Scarce, Shortage};
use farmux_netplane::serve::{ServerCounts, ServiceCounts};
use farmux_netplane::vip::Claim;
use farmux_raft::state::Health;
use farmux_raft::state::NodeRole::{Balancer, Witness};

use super::super::status::sample::{
    add_watches, report, server_check, set_health, state, view, watch_check,
};
use super::{WireView, expose};

fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|own| own == line),
        "{line} is not in\n{text}"
    );
}

#[test]
fn without_a_cluster_there_is_little_to_say() {
    let text = expose(None, None);
    has(&text, "farmux_member 0");
    assert!(!text.contains("raft_term"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_member_tells_of_log_vips_farms_and_pages() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    set_health(&mut state, "s2", Health::Down, "connection refused");
    let mut view = view(&state, &[1, 2, 3]);
    view.log.lag.insert(farmux_raft::id::NodeId(2), 4);
    let text = expose(Some(&view), None);
    for line in [
        "farmux_member 1",
        "farmux_raft_term 3",
        "farmux_raft_leads 1",
        "farmux_raft_applied_index 812",
        "farmux_raft_lag_entries{node=\"lb2\"} 4",
        "farmux_raft_voters 3",
        "farmux_vip_held{vip=\"front\"} 1",
        "farmux_farm_servers{farm=\"shop\",condition=\"up\"} 2",
        "farmux_farm_servers{farm=\"shop\",condition=\"down\"} 1",
        "farmux_check_up{farm=\"shop\",server=\"s2\",service=\"web\"} 0",
        "farmux_farm_condition{farm=\"shop\",condition=\"serving\"} 1",
        "farmux_farm_condition{farm=\"shop\",condition=\"down\"} 0",
        "farmux_server_role_now{farm=\"shop\",server=\"s2\",role=\"favorite\"} 1",
        "farmux_holds{kind=\"shadowed\"} 0",
        "farmux_incidents_open 0",
    ] {
        has(&text, line);
    }
}

#[test]
fn who_is_held_is_counted_by_why() {
    let mut state = state(&[Balancer]);
    add_watches(&mut state);
    report(&mut state, watch_check("fs1"), Health::Down, "no route");
    report(&mut state, server_check("s1"), Health::Down, "503");
    let text = expose(Some(&view(&state, &[1])), None);
    for line in [
        "farmux_watch_up{watch=\"fs1\"} 0",
        "farmux_holds{kind=\"shadowed\"} 1",
        "farmux_holds{kind=\"asking\"} 0",
        "farmux_farm_servers{farm=\"shop\",condition=\"unreachable\"} 1",
    ] {
        has(&text, line);
    }
}

#[test]
fn the_wire_is_counted_by_service_and_server() {
    let key = ServiceKey {
        farm: "shop".into(),
        service: "web".into(),
    };
    let server = ServerCounts {
        active: 2,
        taken: 9,
        connects_failed: 1,
        failures: 0,
    };
    let counts = ServiceCounts {
        open: 3,
        accepted: 7,
        requests: 9,
        queued_now: 2,
        queued: 6,
        last_resorts: 1,
        refusals: BTreeMap::from([("two-lengths", 5)]),
        servers: BTreeMap::from([("s1".into(), server)]),
        ..ServiceCounts::default()
    };
    let wire = WireView {
        services: BTreeMap::from([(key, counts)]),
        leases: vec![("gained", 1)],
        hold_ends: vec![("claimed", 2)],
        probes: ProbeCounts {
            lag: Lag {
                counts: [7, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1],
                sum: Duration::from_millis(1500),
            },
            ..ProbeCounts::default()
        },
        blind: 2,
        shortages: vec![Shortage {
            of: Scarce::NeighboursV4,
            need: 5000,
            have: 1024,
        }],
        fences: BTreeMap::from([("front".into(), fence())]),
        fences_at_ns: 9_000_000_000,
        ..WireView::default()
    };
    let text = expose(None, Some(&wire));
    for line in [
        "farmux_service_open{farm=\"shop\",service=\"web\"} 3",
        "farmux_service_requests_total{farm=\"shop\",service=\"web\"} 9",
        "farmux_service_refused_total{farm=\"shop\",service=\"web\",reason=\"two-lengths\"} 5",
        "farmux_service_queued_now{farm=\"shop\",service=\"web\"} 2",
        "farmux_service_queued_total{farm=\"shop\",service=\"web\"} 6",
        "farmux_service_last_resorts_total{farm=\"shop\",service=\"web\"} 1",
        "farmux_server_active{farm=\"shop\",service=\"web\",server=\"s1\"} 2",
        "farmux_server_taken_total{farm=\"shop\",service=\"web\",server=\"s1\"} 9",
        "farmux_lease_events_total{event=\"gained\"} 1",
        "farmux_hold_ends_total{reason=\"claimed\"} 2",
        "farmux_probes_started_total 0",
        "# TYPE farmux_probe_lag_seconds histogram",
        "farmux_probe_lag_seconds_bucket{le=\"0.001\"} 7",
        "farmux_probe_lag_seconds_bucket{le=\"0.005\"} 9",
        "farmux_probe_lag_seconds_bucket{le=\"1.0\"} 9",
        "farmux_probe_lag_seconds_bucket{le=\"+Inf\"} 10",
        "farmux_probe_lag_seconds_sum 1.5",
        "farmux_probe_lag_seconds_count 10",
        "farmux_probe_blind 2",
        "farmux_vip_fence{vip=\"front\",mode=\"tcx\"} 1",
        "farmux_vip_fence{vip=\"front\",mode=\"none\"} 0",
        "farmux_vip_fence_open{vip=\"front\"} 1",
        "farmux_vip_fence_drops_total{vip=\"front\",reason=\"packet-in\"} 4",
        "farmux_vip_claims_total{vip=\"front\"} 2",
        "farmux_vip_last_claim_age_seconds{vip=\"front\"} 7",
        "farmux_probe_shortage{of=\"neighbours-v4\"} 3976",
        "farmux_probe_shortage{of=\"descriptors\"} 0",
    ] {
        has(&text, line);
    }
}

fn fence() -> FenceStatus {
    FenceStatus {
        mode: FenceMode::Tcx,
        stand: Stand::Open,
        pinned: true,
        claim: Some(Claim {
            at_ns: 2_000_000_000,
            mac: [2, 0, 0, 0, 0, 7],
        }),
        claims: 2,
        drops: BTreeMap::from([(DropReason::PacketIn, 4)]),
        trouble: None,
    }
}

#[test]
fn drills_tell_what_they_proved_and_when() {
    use farmux_raft::state::drill::{Aborted, DrillKind, Lapse, Verdict};

    let mut state = state(&[Balancer, Balancer, Witness]);
    let text = expose(Some(&view(&state, &[1, 2, 3])), None);
    assert!(!text.contains("drill=\""), "nothing was proved: {text}");
    for (id, verdict) in [
        (1, Verdict::Pass),
        (2, Verdict::Fail(vec![Lapse::Silent])),
        (3, Verdict::Aborted(Aborted::NotSteady)),
    ] {
        let mut run = crate::drill::tests::record(id);
        run.kind = DrillKind::OwnerCrash;
        run.verdict = verdict;
        state.drills.past.add(run);
    }
    let mut view = view(&state, &[1, 2, 3]);
    view.now = farmux_raft::id::UnixMillis(1_772_366_440_000 + 3 * 86_400_000);
    let text = expose(Some(&view), None);
    for line in [
        "farmux_drill_last_outage_seconds{drill=\"owner-crash\"} 0.139",
        "farmux_drill_last_passed{drill=\"owner-crash\"} 0",
        "farmux_drill_age_seconds{drill=\"owner-crash\"} 86400",
        "farmux_drill_runs_total{drill=\"owner-crash\",verdict=\"pass\"} 1",
        "farmux_drill_runs_total{drill=\"owner-crash\",verdict=\"fail\"} 1",
        "farmux_drill_runs_total{drill=\"owner-crash\",verdict=\"aborted\"} 1",
    ] {
        has(&text, line);
    }
}
