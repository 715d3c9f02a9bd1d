//! What a member says: to the log what its probes saw, to people what the log holds for them.
//!
//! ```text
//!   Probing ─verdicts─▶ Reporter ─ReportHealth─▶ log ─due pages─▶ Pager ──▶ ChannelCourier
//!                          └─ not committed for 5 s ─▶ Messenger ─by our own word─▶ ┘
//!   leader: Canaries ─a test a day─▶ ChannelCourier;  Heartbeats ─GET─▶ dead-man's switch
//!   Probing ─opinions, suspicion─▶ Remarks ─GiveOpinions, Suspect, Trust─▶ log
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use farmux_netplane::probe::{Opinion, Probing, Suspicion, Verdict};
use farmux_raft::consensus::{Consensus, Standing};
use farmux_raft::id::{Ballot, NodeId, NodeName, VipName};
use farmux_raft::lease::LeaseHandle;
use farmux_raft::state::{Authority, CheckKey, NodeRole, Page, State};
use tokio::sync::{mpsc, watch};

use crate::pager::{
    Canaries, ChannelCourier, Courier, FreshNames, HeartbeatParts, Heartbeats, Messenger,
    MessengerParts, Pager, PagerParts, Trust,
};
use crate::plan::{Standpoint, authority};
use crate::reporter::{Remarks, RemarksParts, Reporter, ReporterParts};

/// The running voice of a member; dropping it silences it.
pub(super) struct Voice {
    /// What says how servers and watches are.
    pub of_health: HealthVoice,
    /// What tells somebody else that we live.
    pub heartbeats: Heartbeats,
    _canaries: Canaries,
    _names: FreshNames,
}

/// Says how servers and watches are: to the log, and to people; dropping it silences it.
#[doc(hidden)]
pub struct HealthVoice {
    /// What the log holds for people.
    pub pager: Pager,
    /// Takes pages that could not be committed.
    pub by_own_word: mpsc::Sender<Page>,
    _messenger: Messenger,
    _reporter: Reporter,
    _remarks: Option<Remarks>,
}

/// What it needs.
#[doc(hidden)]
pub struct HealthVoiceParts {
    /// What we may do.
    pub role: NodeRole,
    /// The log.
    pub consensus: Consensus,
    /// The leases that we hold.
    pub held: watch::Receiver<BTreeMap<VipName, Ballot>>,
    /// The live leases that our acceptor granted.
    pub seen: watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
    /// What our probes saw.
    pub verdicts: mpsc::Receiver<Verdict>,
    /// What they found of the checks of others.
    pub opinions: Option<mpsc::Receiver<Opinion>>,
    /// Whether this machine suspects itself.
    pub suspicion: watch::Receiver<Option<Arc<Suspicion>>>,
    /// The addresses that mails may leave from.
    pub own: Vec<IpAddr>,
    /// Carries calls.
    pub courier: Arc<dyn Courier>,
}

/// Where this node stands, as far as its right to report depends on it.
#[derive(Clone)]
struct Right {
    me: NodeId,
    role: NodeRole,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
    seen: watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
    standing: watch::Receiver<Standing>,
}

impl Right {
    /// By what right this node reports a check now.
    fn of(&self, state: &State, check: &CheckKey) -> Option<Authority> {
        let stand = Standpoint {
            me: self.me,
            role: self.role,
            held: &self.held.borrow(),
            seen: &self.seen.borrow(),
            interfaces: &BTreeMap::new(),
            leads: self.standing.borrow().leads(),
        };
        authority(&stand, state, check)
    }
}

/// Starts reporter, messenger and pager.
#[doc(hidden)]
pub fn speak_of_health(parts: HealthVoiceParts) -> HealthVoice {
    let HealthVoiceParts {
        role,
        consensus,
        held,
        seen,
        verdicts,
        opinions,
        suspicion,
        own,
        courier,
    } = parts;
    let me = consensus.config().me;
    let (messenger, local) = Messenger::spawn(MessengerParts {
        me,
        own: own.clone(),
        state: consensus.state(),
        courier: Arc::clone(&courier),
    });
    let standing = consensus.standing();
    let right = Right {
        me,
        role,
        held,
        seen,
        standing,
    };
    let own_right = right.clone();
    let remarks = opinions.map(|opinions| {
        Remarks::spawn(RemarksParts {
            me,
            state: consensus.state(),
            opinions,
            suspicion,
            right: Box::new(move |state, check| own_right.of(state, check)),
            proposer: Arc::new(consensus.clone()),
        })
    });
    let reporter = Reporter::spawn(ReporterParts {
        state: consensus.state(),
        verdicts,
        right: Box::new(move |state, check| right.of(state, check)),
        proposer: Arc::new(consensus.clone()),
        local: local.clone(),
    });
    HealthVoice {
        pager: Pager::spawn(pager_parts(&consensus, own, courier)),
        by_own_word: local,
        _messenger: messenger,
        _reporter: reporter,
        _remarks: remarks,
    }
}

fn pager_parts(consensus: &Consensus, own: Vec<IpAddr>, courier: Arc<dyn Courier>) -> PagerParts {
    PagerParts {
        me: consensus.config().me,
        own,
        state: consensus.state(),
        standing: consensus.standing(),
        proposer: Arc::new(consensus.clone()),
        courier,
    }
}

/// Starts all that a member says; `own` are the addresses that mails may leave from.
pub(super) fn start(
    name: &NodeName,
    role: NodeRole,
    consensus: &Consensus,
    lease: &LeaseHandle,
    probing: &Probing,
    verdicts: mpsc::Receiver<Verdict>,
    own: Vec<IpAddr>,
) -> Voice {
    let carrier = ChannelCourier::new(Trust::system(), name.to_string());
    let courier: Arc<dyn Courier> = Arc::new(carrier);
    let of_health = speak_of_health(HealthVoiceParts {
        role,
        consensus: consensus.clone(),
        held: lease.held(),
        seen: lease.seen(),
        verdicts,
        opinions: probing.opinions(),
        suspicion: probing.suspicion(),
        own: own.clone(),
        courier: Arc::clone(&courier),
    });
    let heartbeats = Heartbeats::spawn(HeartbeatParts {
        me: consensus.config().me,
        own: own.clone(),
        state: consensus.state(),
        standing: consensus.standing(),
        proposer: Arc::new(consensus.clone()),
        trust: Trust::system(),
    });
    Voice {
        of_health,
        heartbeats,
        _canaries: Canaries::spawn(pager_parts(consensus, own, courier)),
        _names: FreshNames::spawn(consensus.state()),
    }
}
