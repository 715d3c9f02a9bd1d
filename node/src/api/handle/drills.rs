//! Drills: what there is, beginning and ending one, how far it is, what it came to.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use farmux_raft::id::{DrillName, UnixMillis};
use farmux_raft::state::drill::{Drill, DrillOrder, ZoneName};
use farmux_raft::state::{Applied, Command, Config, State};
use serde::Deserialize;
use tokio::task::JoinSet;

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::gather::gather;
use super::super::types::{
    ApplyAnswer, Done, DrillBegun, DrillDue, DrillEntry, DrillList, DrillLock, DrillLockRequest,
    DrillPlan, DrillProgress, DrillRequest, DrillRun, DrillRunning, DrillScheduleReport,
    DrillScheduleRequest, DrillStanding, Moment, Reading,
};
use super::watches::{Wish, bring_about};
use super::{Daemon, change, freshness, member};
use crate::daemon::{Member, wall_clock};
use crate::drill::{
    self, Bounds, Consent, DrillKind, Plan, Report, RunId, Standing, Target, Track,
};
use crate::fault::{Code, Fault};
use crate::rehearsal::{self, Word};

/// `GET /v1/drills`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<DrillList>> {
    let member = member(&node)?;
    answer(Reading {
        fresh: freshness(&node, &member),
        data: listed(&member.state(), wall_clock()),
    })
}

/// `POST /v1/drills/plan`.
pub(crate) async fn plan(
    Shared(node): Daemon,
    Order(request): Order<DrillRequest>,
) -> Answer<DrillPlan> {
    let gathered = gather(&node, &*member(&node)?).await;
    answer(DrillPlan::from(&planned(&gathered.view(), &request)?))
}

/// `POST /v1/drills/run`. It is begun when it is in the log; the leader conducts it.
pub(crate) async fn run(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<DrillRequest>,
) -> Answer<DrillBegun> {
    let member = member(&node)?;
    let gathered = gather(&node, &member).await;
    let plan = planned(&gathered.view(), &request)?;
    let lasts = u64::try_from(plan.longest().as_millis()).unwrap_or(u64::MAX);
    let order = DrillOrder {
        kind: request.kind,
        target: chosen(&plan, request.target),
        outside: request.outside,
        typed: request.typed,
        bounds: request.bound_ms.map(|outage_ms| Bounds {
            outage_ms,
            ..request.kind.bounds()
        }),
        by: caller.author().0,
        scheduled: None,
        until: UnixMillis(wall_clock().0.saturating_add(lasts)),
    };
    match member.change(Command::BeginDrill(Box::new(order))).await? {
        Applied::Drill(RunId(run)) => answer(DrillBegun { run }),
        Applied::Done
        | Applied::Unchanged
        | Applied::Revision(_)
        | Applied::Node(_)
        | Applied::Silence(_) => Err(Fault::new(Code::Broken).why("the run has no number")),
    }
}

/// What was shown is what is run: whoever conducts it does not choose again.
fn chosen(plan: &Plan, typed: Option<String>) -> Option<String> {
    match &plan.target {
        // All of them have no name, and one was typed.
        Target::Contacts(_) => typed,
        target @ (Target::Vip(_) | Target::Node(_) | Target::Server(..) | Target::Watch(_)) => {
            Some(target.to_string())
        }
    }
}

/// `POST /v1/drills/RUN/abort`.
pub(crate) async fn abort(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(run): Path<u64>,
) -> Answer<Done> {
    let (run, who) = (RunId(run), caller.author().0);
    // A failure that takes the majority can be written off nowhere.
    let here = member(&node)?.drills().call_off(run, who.clone());
    match change(&node, Command::AbortDrill { run, who }).await {
        Err(_) if here.is_ok() => answer(Done { changed: true }),
        changed => answer(changed?),
    }
}

/// `POST /v1/drills/lock`.
pub(crate) async fn lock(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<DrillLockRequest>,
) -> Answer<Done> {
    let command = Command::LockDrills {
        author: caller.author(),
        why: request.why,
    };
    answer(change(&node, command).await?)
}

/// `POST /v1/drills/unlock`.
pub(crate) async fn unlock(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    let author = caller.author();
    answer(change(&node, Command::UnlockDrills { author }).await?)
}

/// The parameters of `GET /v1/drills/history`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    /// How many at most.
    #[serde(default = "shown")]
    limit: usize,
}

/// As many as a person looks through.
fn shown() -> usize {
    50
}

/// `GET /v1/drills/history`, the newest first.
pub(crate) async fn history(
    Shared(node): Daemon,
    Query(asked): Query<Asked>,
) -> Answer<Reading<Vec<DrillRun>>> {
    let member = member(&node)?;
    let state = member.state();
    let runs = state.drills.past.newest_first().take(asked.limit);
    answer(Reading {
        fresh: freshness(&node, &member),
        data: runs.map(DrillRun::from).collect(),
    })
}

/// `POST /v1/drills/schedules`.
pub(crate) async fn schedule(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<DrillScheduleRequest>,
) -> Answer<ApplyAnswer> {
    let name = request.kind.word().parse().map_err(unfit)?;
    let tz = request
        .tz
        .map_or_else(|| Ok(ZoneName::utc()), |tz| tz.parse());
    let drill = Drill {
        kind: request.kind,
        target: request.target,
        weekly: request.weekly.parse().map_err(unfit)?,
        tz: tz.map_err(unfit)?,
    };
    let note = format!("drill schedule {name}");
    let change = |config: &mut Config| {
        config.drills.insert(DrillName::clone(&name), drill.clone());
    };
    answer(reschedule(&*member(&node)?, &caller, note, change).await?)
}

/// `DELETE /v1/drills/schedules/NAME`.
pub(crate) async fn unschedule(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer<ApplyAnswer> {
    let name: DrillName = parse(&name)?;
    let member = member(&node)?;
    if !member.state().config.drills.contains_key(&name) {
        let fault = Fault::new(Code::DrillUnknown);
        return Err(fault
            .what(format!("there is no schedule {name}"))
            .mend("farmux drill schedule list"));
    }
    let note = format!("drill schedule remove {name}");
    let change = |config: &mut Config| {
        config.drills.remove(&name);
    };
    answer(reschedule(&member, &caller, note, change).await?)
}

async fn reschedule(
    member: &Member,
    caller: &Caller,
    note: String,
    change: impl Fn(&mut Config),
) -> Result<ApplyAnswer, Fault> {
    let wish = Wish {
        dry_run: false,
        note,
    };
    let changed = |state: &State| {
        let mut config = Config::clone(&state.config);
        change(&mut config);
        Ok((config, 1))
    };
    let made = bring_about(member, caller, wish, changed).await?;
    Ok(ApplyAnswer {
        diff: made.diff,
        revision: made.revision,
    })
}

fn unfit(why: impl std::fmt::Display) -> Fault {
    Fault::new(Code::RequestInvalid)
        .what("that is no schedule of a drill")
        .why(why)
        .mend("farmux drill schedule NAME --weekly \"Tue 03:00\" --tz Europe/Berlin")
}

/// `GET /v1/drills/RUN`: how far it is, or what it came to.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(run): Path<u64>,
) -> Answer<Reading<DrillStanding>> {
    let member = member(&node)?;
    let (state, id) = (member.state(), RunId(run));
    let record = state.drills.past.get(id).map(DrillRun::from);
    let runs = state.drills.running.as_ref().map(|running| running.id) == Some(id);
    let progress = match (&record, runs) {
        (None, false) => return Err(unknown(run)),
        (None, true) => progress(&member, id).await,
        (Some(_), _) => None,
    };
    answer(Reading {
        fresh: freshness(&node, &member),
        data: DrillStanding {
            run,
            progress,
            record,
        },
    })
}

/// In which form a report is wanted.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    #[default]
    Text,
    Md,
    Json,
    Html,
}

/// The parameters of `GET /v1/drills/RUN/report`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Formed {
    #[serde(default)]
    form: Form,
}

/// `GET /v1/drills/RUN/report`.
pub(crate) async fn report(
    Shared(node): Daemon,
    Path(run): Path<u64>,
    Query(Formed { form }): Query<Formed>,
) -> Result<Response, Fault> {
    let member = member(&node)?;
    let (state, id) = (member.state(), RunId(run));
    let Some(record) = state.drills.past.get(id) else {
        let running = state.drills.running.as_ref();
        return match running.filter(|running| running.id == id) {
            None => Err(unknown(run)),
            Some(_) => Err(Fault::new(Code::DrillBusy)
                .what(format!("run {run} is not over"))
                .why("its report is made of what it came to")
                .mend(format!("once more when it is: farmux drill report {run}"))),
        };
    };
    let cluster = state.cluster.as_ref();
    let cluster = cluster.map_or_else(String::new, |cluster| cluster.name.to_string());
    let track = track(&member, id).await;
    let report = Report {
        cluster: &cluster,
        record,
        track: track.as_ref(),
        previous: state.drills.past.before(record.kind, id).collect(),
    };
    let (kind, text) = match form {
        Form::Text => ("text/plain; charset=utf-8", drill::text(&report)),
        Form::Md => ("text/markdown; charset=utf-8", drill::markdown(&report)),
        Form::Json => ("application/json", drill::json(&report)),
        Form::Html => ("text/html; charset=utf-8", drill::html(&report)),
    };
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

fn unknown(run: u64) -> Fault {
    Fault::new(Code::DrillUnknown).what(format!("there is no run {run}"))
}

fn listed(state: &State, now: UnixMillis) -> DrillList {
    let drills = &state.drills;
    let entry = |kind: DrillKind| DrillEntry {
        kind,
        hypothesis: kind.hypothesis().to_owned(),
        bounds: kind.bounds(),
        stop: kind.stop(),
        undo: kind.undo(),
        due: DrillDue::from(drills.past.due(kind, now)),
        last: drills.past.last_of(kind).map(DrillRun::from),
    };
    DrillList {
        lock: drills.lock.as_ref().map(|lock| DrillLock {
            by: lock.author.0.clone(),
            why: lock.why.clone(),
        }),
        running: drills.running.as_ref().map(|running| DrillRunning {
            run: running.id.0,
            kind: running.order.kind,
            by: running.order.by.clone(),
            began: Moment(running.began),
        }),
        drills: DrillKind::ALL.into_iter().map(entry).collect(),
        schedules: state
            .config
            .drills
            .iter()
            .map(|(name, drill)| scheduled(name, drill, now))
            .collect(),
    }
}

fn scheduled(name: &DrillName, drill: &Drill, now: UnixMillis) -> DrillScheduleReport {
    DrillScheduleReport {
        name: name.to_string(),
        kind: drill.kind,
        weekly: drill.weekly.to_string(),
        tz: drill.tz.to_string(),
        target: drill.target.clone(),
        next: drill.next_due(now).map(Moment),
    }
}

/// What it would do now, in the words of whoever asked.
fn planned(view: &super::super::status::View<'_>, request: &DrillRequest) -> Result<Plan, Fault> {
    let drills = &view.state.drills;
    let lock = drills.lock.as_ref();
    // One whose time is over has lost its conductor, and stands in nobody's way.
    let running = drills.running.as_ref();
    let running = running.filter(|running| running.order.until > view.now);
    let standing = Standing {
        lock: lock.map(|lock| (lock.author.0.clone(), lock.why.clone())),
        running: running.map(|running| running.order.kind),
    };
    let consent = Consent {
        target: request.target.clone(),
        typed: request.typed.clone(),
        outside: request.outside,
    };
    let kind = request.kind;
    let plan = drill::plan(kind, view, &standing, &consent);
    let mut plan = plan.map_err(|refusal| refusal.fault(kind))?;
    plan.bounds.outage_ms = request.bound_ms.unwrap_or(plan.bounds.outage_ms);
    Ok(plan)
}

/// How far a run is, from whoever conducts it.
async fn progress(member: &Arc<Member>, run: RunId) -> Option<DrillProgress> {
    if let Some(progress) = member.drills().progress(run) {
        return Some(progress);
    }
    let leader = member.consensus().standing().borrow().leader?;
    let said = rehearsal::say(member, leader, Word::Progress { run }).await;
    match said {
        Ok(rehearsal::Answer::Progress(progress)) => serde_json::from_value(progress).ok(),
        Ok(_) | Err(_) => None,
    }
}

/// What happened in a run over time, from whoever conducted it.
async fn track(member: &Arc<Member>, run: RunId) -> Option<Track> {
    if let Some(track) = member.drills().track(run) {
        return Some(track);
    }
    let mut asked = JoinSet::new();
    let me = member.me();
    for node in member
        .state()
        .nodes
        .keys()
        .copied()
        .filter(|node| *node != me)
    {
        let member = Arc::clone(member);
        asked.spawn(async move { rehearsal::say(&member, node, Word::Track { run }).await });
    }
    let first = async {
        while let Some(said) = asked.join_next().await {
            if let Ok(Ok(rehearsal::Answer::Track(track))) = said {
                return Some(track);
            }
        }
        None
    };
    tokio::time::timeout(TRACK_WITHIN, first)
        .await
        .ok()
        .flatten()
}

/// A report without one says so; nobody waits long for a dead node.
const TRACK_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use farmux_raft::state::NodeRole::{Balancer, Witness};

    use super::*;
    use crate::api::status::sample::{state, view};

    /// On whichever node it is planned again, it hits what was shown.
    #[test]
    fn what_was_shown_is_what_is_run() {
        let state = state(&[Balancer, Balancer, Witness]);
        let mut view = view(&state, &[1, 2, 3]);
        let applied = view.log.applied;
        let reports = view.reports.values_mut();
        reports.for_each(|report| report.applied = applied);
        let kinds = [
            (DrillKind::OwnerCrash, "front"),
            (DrillKind::ServerDown, "shop/s1"),
            (DrillKind::Restore, "lb1"),
        ];
        for (kind, target) in kinds {
            let mut request = DrillRequest {
                kind,
                target: None,
                outside: false,
                typed: None,
                bound_ms: None,
            };
            let shown = planned(&view, &request).expect("it is well");
            request.target = chosen(&shown, None);
            assert_eq!(request.target.as_deref(), Some(target));
            view.me = farmux_raft::id::NodeId(2);
            let again = planned(&view, &request).expect("it is well");
            assert_eq!(again.injection, shown.injection);
            view.me = farmux_raft::id::NodeId(1);
        }
    }
}
