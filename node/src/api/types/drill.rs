//! Drills: what there is, what one would do, how far one is, and what it came to.

use std::fmt;

use farmux_raft::id::{NodeName, VipName};
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::drill::{Bounds, DrillKind, DrillRecord, Due, Numbers, Plan, Stop, Undo, Verdict};

/// `POST /v1/drills/plan` (answered by a [`DrillPlan`]) and `POST /v1/drills/run` (by a
/// [`DrillBegun`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// Which drill.
    pub kind: DrillKind,
    /// Whom to hit; null: the plan chooses.
    #[serde(default)]
    pub target: Option<String>,
    /// Somebody measures from outside: then no node need.
    #[serde(default)]
    pub outside: bool,
    /// The cluster's name, for a drill that takes down what is served.
    #[serde(default)]
    pub typed: Option<String>,
    /// The longest outage that it may cost, in milliseconds; null: the drill's own.
    #[serde(default)]
    pub bound_ms: Option<u64>,
}

/// What a drill would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPlan {
    /// Which drill.
    pub kind: DrillKind,
    /// What it puts to the test.
    pub hypothesis: String,
    /// Whom it hits.
    pub target: String,
    /// What is done to it.
    pub injection: String,
    /// What will happen, a line each.
    pub steps: Vec<String>,
    /// The blast radius in one line.
    pub radius: String,
    /// Nodes that are lost to the cluster meanwhile.
    pub nodes: Vec<NodeName>,
    /// VIPs that change their owner.
    pub vips: Vec<VipName>,
    /// Servers that get no work, as `FARM/SERVER`.
    pub servers: Vec<String>,
    /// How many things seem unreachable behind what is hit.
    pub behind: usize,
    /// How many further failures are survived meanwhile.
    pub survives: u32,
    /// What is asked; null: nothing.
    pub url: Option<String>,
    /// Who asks; null: somebody outside, or nobody.
    pub client: Option<NodeName>,
    /// How long all must be well before, in milliseconds.
    pub steady_ms: u64,
    /// How long it is looked at at most, in milliseconds.
    pub measured_for_ms: u64,
    /// What it may cost.
    pub bounds: Bounds,
    /// When it stops by itself.
    pub stop: Stop,
    /// Who ends it, whoever else is dead, and when.
    pub undo: Undo,
    /// The newest revision of the configuration.
    pub revision: u64,
}

/// The answer to `POST /v1/drills/run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillBegun {
    /// The number of the run.
    pub run: u64,
}

/// `POST /v1/drills/lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillLockRequest {
    /// Why.
    pub why: String,
}

/// Drills are locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillLock {
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

/// The answer to `GET /v1/drills`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillList {
    /// Why none can be run; null: they can.
    pub lock: Option<DrillLock>,
    /// The run that is under way.
    pub running: Option<DrillRunning>,
    /// Every drill that there is.
    pub drills: Vec<DrillEntry>,
    /// Those that are run by themselves.
    #[serde(default)]
    pub schedules: Vec<DrillScheduleReport>,
}

/// A run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRunning {
    /// Its number.
    pub run: u64,
    /// Which drill.
    pub kind: DrillKind,
    /// Who ran it.
    pub by: String,
    /// Since when.
    pub began: Moment,
}

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillEntry {
    /// Which.
    pub kind: DrillKind,
    /// What it puts to the test.
    pub hypothesis: String,
    /// What it may cost.
    pub bounds: Bounds,
    /// When it stops by itself.
    pub stop: Stop,
    /// Who ends it, whoever else is dead, and when.
    pub undo: Undo,
    /// Whether it should be run again.
    pub due: DrillDue,
    /// The newest run that proved something.
    pub last: Option<DrillRun>,
}

/// Whether a drill should be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillDue {
    /// It never ran.
    Never,
    /// It ran so many days ago that it proves little.
    Old(u64),
    /// It ran lately; in days.
    Fresh(u64),
}

/// A drill that is run by itself, every week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillScheduleReport {
    /// What the schedule is called.
    pub name: String,
    /// Which drill.
    pub kind: DrillKind,
    /// When, as in `Tue 03:00`.
    pub weekly: String,
    /// In which time zone.
    pub tz: String,
    /// Whom it hits; null: the plan chooses.
    pub target: Option<String>,
    /// When it is run next; null: this node does not know its time zone.
    #[serde(default)]
    pub next: Option<Moment>,
}

/// `POST /v1/drills/schedules`, answered as a change of the configuration is. One of the same name
/// is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillScheduleRequest {
    /// Which drill; the schedule is called so.
    pub kind: DrillKind,
    /// When, as in `Tue 03:00`.
    pub weekly: String,
    /// In which time zone, as in `Europe/Berlin`; null: UTC.
    #[serde(default)]
    pub tz: Option<String>,
    /// Whom it hits; null: the plan chooses.
    #[serde(default)]
    pub target: Option<String>,
}

/// The answer to `GET /v1/drills/RUN`: how far it is, or what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStanding {
    /// Its number.
    pub run: u64,
    /// How far it is; null: it is over, or whoever conducts it does not answer now.
    pub progress: Option<DrillProgress>,
    /// What it came to; null: it is not over.
    pub record: Option<DrillRun>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillProgress {
    /// Its number.
    pub run: u64,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom it hits.
    pub target: String,
    /// What is done to it.
    pub injection: String,
    /// In which phase it is.
    pub phase: DrillPhase,
    /// Since when, in milliseconds.
    pub phase_ms: u64,
    /// How long it has lasted, in milliseconds.
    pub elapsed_ms: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Since when there was no good answer, in milliseconds.
    pub silent_ms: u64,
    /// The longest of these silences so far, this one included.
    pub longest_silent_ms: u64,
    /// Its pages so far.
    pub pages: u64,
}

/// What `farmux drill run -o json` writes, a line each; the last one is `over`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillEvent {
    /// It is in the log.
    Begun(DrillBegun),
    /// It is in another phase.
    Progress(DrillProgress),
    /// It is over.
    Over(Box<DrillRun>),
}

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillPhase {
    /// All must be well for a while.
    Steady,
    /// The failure is being made.
    Injecting,
    /// It is there, and is looked at.
    Measuring,
    /// It is being ended.
    Undoing,
    /// All must be well again.
    Verifying,
    /// It is over.
    Done,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRun {
    /// Its number.
    pub run: u64,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom it hit.
    pub target: String,
    /// What was done to it.
    pub injection: String,
    /// Who ran it.
    pub by: String,
    /// Whether a schedule did.
    pub scheduled: bool,
    /// When it began.
    pub began: Moment,
    /// When it was over.
    pub ended: Moment,
    /// The newest revision of the configuration when it began.
    pub revision: u64,
    /// What was asked; empty: nothing was.
    pub url: String,
    /// Who asked; null: somebody outside, or nobody.
    pub client: Option<NodeName>,
    /// What it might cost.
    pub bounds: Bounds,
    /// What it proved.
    pub verdict: DrillVerdict,
    /// Why, a line each; none where it passed.
    pub reasons: Vec<String>,
    /// What it came to.
    pub numbers: Numbers,
}

/// What a run proved, in a word; newer ones may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillVerdict {
    /// The hypothesis held.
    Pass,
    /// It did not.
    Fail,
    /// Nothing was proved.
    Aborted,
}

impl From<&Plan> for DrillPlan {
    fn from(plan: &Plan) -> DrillPlan {
        let through = plan.through.as_ref();
        let radius = &plan.radius;
        let servers = radius.servers.iter();
        DrillPlan {
            kind: plan.kind,
            hypothesis: plan.kind.hypothesis().to_owned(),
            target: plan.target.to_string(),
            injection: plan.injection.to_string(),
            steps: plan.steps(),
            radius: radius.to_string(),
            nodes: radius.nodes.clone(),
            vips: radius.vips.clone(),
            servers: servers
                .map(|(farm, server)| format!("{farm}/{server}"))
                .collect(),
            behind: radius.behind,
            survives: radius.survives,
            url: through.map(|through| through.url.clone()),
            client: through.and_then(|through| through.client.clone()),
            steady_ms: millis(plan.steady),
            measured_for_ms: millis(plan.measured_for),
            bounds: plan.bounds,
            stop: plan.stop,
            undo: plan.undo,
            revision: plan.revision,
        }
    }
}

impl From<&DrillRecord> for DrillRun {
    fn from(record: &DrillRecord) -> DrillRun {
        DrillRun {
            run: record.id.0,
            kind: record.kind,
            target: record.target.clone(),
            injection: record.injection.clone(),
            by: record.by.clone(),
            scheduled: record.scheduled,
            began: Moment(record.began),
            ended: Moment(record.ended),
            revision: record.revision,
            url: record.url.clone(),
            client: record.client.clone(),
            bounds: record.bounds,
            verdict: DrillVerdict::from(&record.verdict),
            reasons: record.verdict.reasons(),
            numbers: record.numbers,
        }
    }
}

impl From<&Verdict> for DrillVerdict {
    fn from(verdict: &Verdict) -> DrillVerdict {
        match verdict {
            Verdict::Pass => DrillVerdict::Pass,
            Verdict::Fail(_) => DrillVerdict::Fail,
            Verdict::Aborted(_) => DrillVerdict::Aborted,
        }
    }
}

impl From<Due> for DrillDue {
    fn from(due: Due) -> DrillDue {
        match due {
            Due::Never => DrillDue::Never,
            Due::Old(days) => DrillDue::Old(days),
            Due::Fresh(days) => DrillDue::Fresh(days),
        }
    }
}

impl fmt::Display for DrillVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DrillVerdict::Pass => "PASS",
            DrillVerdict::Fail => "FAIL",
            DrillVerdict::Aborted => "ABORTED",
        })
    }
}

impl fmt::Display for DrillPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DrillPhase::Steady => "steady state",
            DrillPhase::Injecting => "injecting",
            DrillPhase::Measuring => "measuring",
            DrillPhase::Undoing => "undoing",
            DrillPhase::Verifying => "verifying",
            DrillPhase::Done => "done",
        })
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
