//! Commands: the only way to change the state; and the answers: done, or refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::drill::{DrillOrder, DrillRadius, DrillRecord, RunId, Scheduled};
use super::{
    AdminOrder, Authority, Canary, Config, DeliveryRecord, HealthChange, Node, Opinion, RestOrder,
    Silence, Suspected, Taken, Token, TokenId, Trouble,
};
use crate::id::{
    Ballot, ClusterId, ClusterName, ContactName, NodeId, PageId, RequestId, RevisionId, UnixMillis,
    VipName,
};

/// A command with what makes it recognisable when it arrives twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Equal ids are applied once; the second gets the first one's answer.
    pub id: RequestId,
    /// When, by the proposer's clock.
    pub at: UnixMillis,
    /// What to do.
    pub command: Command,
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author(pub String);

/// A change somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first of all: names the cluster and its first node. Refused when there is one.
    Init {
        /// Its identity.
        cluster: ClusterId,
        /// Its name.
        name: ClusterName,
        /// What it keeps secret.
        secrets: Secrets,
        /// The first node; gets id 1.
        node: Node,
    },
    /// Stores a join token.
    CreateToken(Token),
    /// Forgets a join token.
    RevokeToken(TokenId),
    /// The first use of a token: binds it to a key and gives out a node id, or finds the same
    /// again.
    ClaimToken {
        /// SHA-256 of the secret that was shown.
        hash: [u8; 32],
        /// SHA-256 of the joiner's public key (SPKI).
        key: [u8; 32],
        /// The joiner as it describes itself.
        node: Node,
    },
    /// The joiner was promoted: its token is used up.
    FinishJoin(NodeId),
    /// A node left or was removed; the lease key changes with it.
    RemoveNode {
        /// Who.
        node: NodeId,
        /// The next lease key.
        lease_key: LeaseKey,
    },
    /// Replaces the configuration as a whole.
    Configure {
        /// Who wants it.
        author: Author,
        /// The revision it was made from; refused when another came between.
        base: RevisionId,
        /// The new configuration.
        config: Box<Config>,
        /// Why.
        note: String,
    },
    /// Orders servers about: a revision too.
    SetAdmin(AdminOrder),
    /// Holds that lasted long enough, by their numbers: what is still down gets its page. The same
    /// for second opinions and suspicions. Only a leader proposes it, by its own clock.
    EndHolds(BTreeSet<u64>),
    /// Time passed: what ends by the wall clock ends. Only a leader proposes it, by its own clock.
    PassTime,
    /// Nobody is to be called for something, for a while; its `from` is set here.
    AddSilence(Silence),
    /// Ends a silence before its time.
    EndSilence(u64),
    /// What a prober saw change.
    ReportHealth {
        /// By what right.
        authority: Authority,
        /// Everything that changed, at most 1,000 at once.
        changes: Vec<HealthChange>,
    },
    /// What the leader sees of a node.
    ReportNode {
        /// Who.
        node: NodeId,
        /// Whether it answers.
        reachable: bool,
        /// Why not.
        reason: String,
    },
    /// A new owner reports that it holds a VIP.
    ReportVip {
        /// Which.
        vip: VipName,
        /// Under which ballot; a lower one than the last is refused.
        ballot: Ballot,
    },
    /// A leader found its majority again after it had lost it.
    ReportQuorum {
        /// When it was lost.
        lost: UnixMillis,
        /// When it was found.
        regained: UnixMillis,
        /// Whose it was: a node that a drill severs misses its majority alone.
        #[serde(default)]
        by: Option<NodeId>,
    },
    /// What became of one attempt to deliver a message.
    RecordDelivery(DeliveryRecord),
    /// A human takes pages on.
    Acknowledge {
        /// Which pages.
        taken: Taken,
        /// In whose name.
        by: String,
    },
    /// A human closes pages whose incidents are not over: nobody is told or reminded any more.
    Resolve {
        /// Which pages.
        pages: BTreeSet<PageId>,
        /// In whose name.
        by: String,
        /// Why.
        why: String,
    },
    /// An administrator's certificate was issued; kept so that it can be listed.
    RecordAdminCert {
        /// The name in it.
        name: String,
        /// Until when it is good.
        expires: UnixMillis,
    },
    /// Makes the configuration of an older revision the present one, as a new revision.
    Rollback {
        /// Who wants it.
        author: Author,
        /// The newest revision that its author knew; refused when another came between.
        base: RevisionId,
        /// The revision to go back to.
        to: RevisionId,
        /// Why.
        note: String,
    },
    /// An administrator's certificates are good no more.
    RevokeAdminCert {
        /// The name in them.
        name: String,
    },
    /// A contact's channels were tried with a test.
    RecordCanary {
        /// Whose.
        contact: ContactName,
        /// What came of it.
        canary: Canary,
    },
    /// The leader could not call the dead-man's switch several times in a row, or could again.
    ReportHeartbeat {
        /// Who leads.
        node: NodeId,
        /// Why not; nothing: it could.
        failure: Option<String>,
    },
    /// What a node found that was asked for a second opinion.
    GiveOpinions {
        /// Who.
        node: NodeId,
        /// At most 1,000 at once.
        opinions: Vec<Opinion>,
    },
    /// So much fails at once for a node that it suspects itself.
    Suspect {
        /// Which.
        node: NodeId,
        /// What it saw.
        suspected: Suspected,
    },
    /// A node suspects itself no longer, or another one probes in its place.
    Trust {
        /// Who suspected itself.
        node: NodeId,
        /// The same, or who probes now.
        by: NodeId,
    },
    /// What a node sees around its VIPs, or sees no more.
    ReportTrouble {
        /// Who.
        node: NodeId,
        /// What.
        trouble: Trouble,
        /// In one line; nothing: it is over.
        reason: Option<String>,
    },
    /// Nothing moves by itself until somebody says so.
    Pause {
        /// By whose order.
        author: Author,
        /// Why.
        why: String,
    },
    /// It does again.
    Resume {
        /// By whose order.
        author: Author,
    },
    /// An operator said that this node is all that is left: the others are gone for good. Written
    /// by `cluster recover` only, into the log of a node that is stopped.
    Recover {
        /// Who is left.
        survivor: NodeId,
        /// The epoch from now on ([`crate::epoch::Epoch`]). The lease key stays: whoever is left
        /// behind must believe that it is over.
        epoch: u64,
    },
    /// Every member reads this format: from here on it may be written. Only a leader proposes it.
    RaiseFormat(u16),
    /// Has a node take nothing on, or lets it again.
    SetRest(RestOrder),
    /// Somebody planned a drill and consents to it: whoever leads conducts it. Refused while they
    /// are locked, or another one runs.
    BeginDrill(Box<DrillOrder>),
    /// Nothing is begun at a time of a schedule.
    SkipDrill {
        /// Which.
        scheduled: Scheduled,
        /// Why; empty: it came too late.
        why: String,
    },
    /// The failure of the run is ordered next. Whatever it opens within the radius from here on is
    /// its doing.
    DrillInjecting {
        /// Which run.
        run: RunId,
        /// Whom it hits.
        radius: DrillRadius,
    },
    /// The failure is over: undone, or its timer ran out.
    DrillUndone {
        /// Which run.
        run: RunId,
    },
    /// Opens the page of a drill of pages; it waits for whoever takes it on.
    OpenDrillPage {
        /// Which run.
        run: RunId,
        /// For whom; empty: whoever gets the pages of drills.
        contacts: BTreeSet<ContactName>,
    },
    /// Somebody wants the run to end; whoever conducts it sees it in the state.
    AbortDrill {
        /// Which run.
        run: RunId,
        /// Who.
        who: String,
    },
    /// The run is over. Only its conductor proposes it, or a leader that found it without one.
    RecordDrill(Box<DrillRecord>),
    /// Nothing is rehearsed until somebody says so; what runs is ended.
    LockDrills {
        /// By whose order.
        author: Author,
        /// Why; never empty.
        why: String,
    },
    /// It may be again.
    UnlockDrills {
        /// By whose order.
        author: Author,
    },
}

/// What the cluster keeps secret; files that hold it have mode 0600, and nothing ever shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// The CA's certificate, PEM. Not secret, but of one piece with its key.
    pub ca_certificate: String,
    /// The CA's private key, PEM (PKCS #8).
    pub ca_key: super::Secret,
    /// Authenticates lease datagrams.
    pub lease_key: LeaseKey,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// HMAC-SHA256 key of the lease datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseKey(pub [u8; 32]);

impl std::fmt::Debug for LeaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaseKey(…)")
    }
}

/// What a command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// It is done.
    Done,
    /// There was nothing to do, and nothing was changed.
    Unchanged,
    /// It made this revision.
    Revision(RevisionId),
    /// The silence has this number.
    Silence(u64),
    /// The joiner has this id.
    Node(NodeId),
    /// The run has this number.
    Drill(RunId),
}
