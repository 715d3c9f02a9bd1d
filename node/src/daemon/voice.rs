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

use farmux_netplane::probe::{Probing, Verdict};
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
    /// What the log holds for people.
    pub pager: Pager,
    /// What tells somebody else that we live.
    pub heartbeats: Heartbeats,
    /// Takes pages that could not be committed.
    pub(super) by_own_word: mpsc::Sender<Page>,
    _canaries: Canaries,
    _names: FreshNames,
    _messenger: Messenger,
    _reporter: Reporter,
    _remarks: Option<Remarks>,
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

/// Starts reporter, messenger and pager; `own` are the addresses that mails may leave from.
pub(super) fn start(
    name: &NodeName,
    role: NodeRole,
    consensus: &Consensus,
    lease: &LeaseHandle,
    probing: &Probing,
    verdicts: mpsc::Receiver<Verdict>,
    own: Vec<IpAddr>,
) -> Voice {
    let me = consensus.config().me;
    let carrier = ChannelCourier::new(Trust::system(), name.to_string());
    let courier: Arc<dyn Courier> = Arc::new(carrier);
    let parts = MessengerParts {
        me,
        own: own.clone(),
        state: consensus.state(),
        courier: Arc::clone(&courier),
    };
    let (messenger, local) = Messenger::spawn(parts);
    let (held, seen, standing) = (lease.held(), lease.seen(), consensus.standing());
    let right = Right {
        me,
        role,
        held,
        seen,
        standing,
    };
    let own_right = right.clone();
    let remarks = probing.opinions().map(|opinions| {
        Remarks::spawn(RemarksParts {
            me,
            state: consensus.state(),
            opinions,
            suspicion: probing.suspicion(),
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
    let pager_parts = || PagerParts {
        me,
        own: own.clone(),
        state: consensus.state(),
        standing: consensus.standing(),
        proposer: Arc::new(consensus.clone()),
        courier: Arc::clone(&courier),
    };
    let heartbeats = Heartbeats::spawn(HeartbeatParts {
        me,
        own: own.clone(),
        state: consensus.state(),
        standing: consensus.standing(),
        proposer: Arc::new(consensus.clone()),
        trust: Trust::system(),
    });
    Voice {
        pager: Pager::spawn(pager_parts()),
        heartbeats,
        _canaries: Canaries::spawn(pager_parts()),
        by_own_word: local,
        _names: FreshNames::spawn(consensus.state()),
        _messenger: messenger,
        _reporter: reporter,
        _remarks: remarks,
    }
}
