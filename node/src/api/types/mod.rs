//! The shapes of the admin API, public and stable: what a field means never changes, and what is
//! added is optional to those who read.
//!
//! Requests refuse unknown fields, answers may grow. Times are RFC 3339 in UTC; durations carry
//! their unit in their name. Every answer to a question comes as a [`Reading`].

mod cluster;
mod config;
mod drill;
mod event;
mod farm;
mod moment;
mod moving;
mod page;
mod silence;
mod snapshot;
mod status;
mod vip;
mod vips;
mod watch;

pub use cluster::{
    AdminCertAnswer, AdminCertReport, AdminCertRequest, AdminCertState, InitRequest,
    InitVipRequest, JoinEvent, JoinRequest, RemoveRequest, TokenAnswer, TokenReport, TokenRequest,
    TokenState,
};
pub use config::{ApplyAnswer, ApplyRequest, ExportAnswer, RevisionReport, RollbackRequest};
pub use drill::{
    DrillBegun, DrillDue, DrillEntry, DrillEvent, DrillList, DrillLock, DrillLockRequest,
    DrillPhase, DrillPlan, DrillProgress, DrillRequest, DrillRun, DrillRunning,
    DrillScheduleReport, DrillScheduleRequest, DrillStanding, DrillVerdict,
};
pub use event::{EventReport, EventsAnswer};
pub use farm::{
    AdminRequest, CheckReport, Condition, ConnectionsReport, FarmReport, Footing, FtpReport,
    LastResortReport, PersistenceReport, QueueReport, ServerReport, ServiceReport, Spoken,
};
pub use moment::Moment;
pub use moving::{
    LeaderMoved, MaintenanceRequest, MoveEvent, MovePlan, MoveReport, MoveRequest, MoveWish,
    PlannedMove, VipLeft, VipMoved, WorkReport,
};
pub use page::{
    AckManyRequest, AckRequest, ChannelTest, ContactTestAnswer, DeliveryReport, DeliveryState,
    MessageName, PageReport, PreviewCallReport, PreviewReport, ResolveRequest,
};
pub use silence::{
    MaintenanceReport, SilenceAnswer, SilenceReport, SilenceRequest, SilencedReport,
};
pub use snapshot::SnapshotRequest;
pub use status::{
    Answering, CanaryStatus, ClusterStatus, DrillLine, DrillsStatus, FarmStatus, FormatStatus,
    MaintenanceStatus, MemberKind, NodeStatus, Overall, PageStatus, Reason, StatusReport, Survives,
    VipStatus,
};
pub use vip::{PauseReport, PauseRequest, PreferAnswer, PreferRequest};
pub use vips::{ClaimReport, FenceReport, OtherReport, Right, VipReport};
pub use watch::{
    CheckFields, Chosen, Import, ImportRequest, MonthReport, ProbeReport, SheetAnswer, WatchAnswer,
    WatchCounts, WatchDetail, WatchFields, WatchOrder, WatchReport, WatchRequest,
};

use serde::{Deserialize, Serialize};

/// An answer to a question, with how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading<T> {
    /// How fresh it is.
    pub fresh: Freshness,
    /// What was asked for.
    pub data: T,
}

/// How fresh an answer is: every node answers from its own copy of the state. `?newest=true` makes
/// it wait until that has all that was decided before the question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freshness {
    /// The log index up to which the answering node's copy is applied; 0 without a cluster.
    pub applied: u64,
    /// The leader's name, as the answering node knows it; null: there is none now, and the copy may
    /// be behind.
    pub leader: Option<String>,
    /// The revision of the configuration in that copy.
    pub revision: u64,
}

impl Freshness {
    /// In words, for the last line of a table.
    pub fn in_words(&self) -> String {
        let Freshness {
            applied, revision, ..
        } = self;
        match &self.leader {
            Some(leader) => format!("leader {leader} known, log index {applied}, r{revision}"),
            None => format!("NO LEADER: state as of log index {applied}, r{revision}"),
        }
    }
}

/// The answer to a change that has nothing else to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// Whether anything is different now.
    pub changed: bool,
}
