//! Counters of the lease thread, and why it ignored what it ignored.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal;)*) => {
        /// Why a datagram was ignored.
        ///
        /// **Source**: `vip-protocol.md`, section 2: every one has a named, counted reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Ignored {
            $($(#[$doc])* $name,)*
        }

        impl Ignored {
            /// All reasons, in their order of counting.
            pub const ALL: &[Ignored] = &[$(Ignored::$name,)*];

            /// The reason as a metric's label.
            pub fn label(self) -> &'static str {
                match self { $(Ignored::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// We know no membership: we answer nothing.
    NoMembership => "no-membership";
    /// Not a datagram of ours: too short, too long, or not as its kind says.
    Malformed => "malformed";
    /// A format that we do not speak.
    Format => "format";
    /// Not made with our key.
    Unauthenticated => "unauthenticated";
    /// Of another cluster.
    Cluster => "cluster";
    /// Of an epoch that is over.
    LowerEpoch => "lower-epoch";
    /// Of an epoch that we do not have yet; it ended every lease here.
    HigherEpoch => "higher-epoch";
    /// Of an epoch that is as new as ours and another: two survivors were recovered apart.
    RivalEpoch => "rival-epoch";
    /// For somebody else.
    NotForUs => "not-for-us";
    /// From a node that is not in our roster, or from ourselves.
    UnknownSender => "unknown-sender";
    /// From a node that counts by a membership so old that its majority need not meet ours.
    OldMembership => "old-membership";
    /// Meant for an earlier start of ours.
    ReceiverNonce => "receiver-nonce";
    /// From a start of the sender that it has not proved yet.
    SenderNonce => "sender-nonce";
    /// Its counter is not above the last: a repetition, a second path, or late.
    Counter => "counter";
    /// An answer to nothing that we still ask.
    StaleAnswer => "stale-answer";
    /// About a group that we do not have.
    UnknownGroup => "unknown-group";
    /// We are an acceptor that has just started.
    Silent => "silent";
    /// We hold it without a majority, and lend it to nobody else.
    Holding => "holding";
    /// A lease longer than anybody may ask for.
    LeaseTooLong => "lease-too-long";
}

/// Why a hold ended, other than by a majority.
///
/// **Source**: `vip-protocol.md`, section 5, H3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldEnd {
    /// Another machine said that the VIP is its own.
    Claimed,
    /// An acceptor has lent it to another node.
    OthersLease,
    /// Another node holds it with a higher ballot.
    HigherHolding,
    /// An acceptor says that this node does not vote.
    NotAVoter,
    /// The cluster went on in a higher epoch, or with another membership.
    Epoch,
    /// The reference did not answer five times in a row.
    ReferenceSilent,
    /// The lease thread did not come to extend it in time.
    Late,
    /// This node let go: it stops, or its runtimes are stuck.
    Released,
}

impl HoldEnd {
    /// All reasons, in their order of counting.
    pub const ALL: &[HoldEnd] = &[
        HoldEnd::Claimed,
        HoldEnd::OthersLease,
        HoldEnd::HigherHolding,
        HoldEnd::NotAVoter,
        HoldEnd::Epoch,
        HoldEnd::ReferenceSilent,
        HoldEnd::Late,
        HoldEnd::Released,
    ];

    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            HoldEnd::Claimed => "claimed",
            HoldEnd::OthersLease => "others-lease",
            HoldEnd::HigherHolding => "higher-holding",
            HoldEnd::NotAVoter => "not-a-voter",
            HoldEnd::Epoch => "epoch",
            HoldEnd::ReferenceSilent => "reference-silent",
            HoldEnd::Late => "late",
            HoldEnd::Released => "released",
        }
    }
}

/// What the lease thread counted since its start; read by the metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams sent, each path for itself.
    pub sent: AtomicU64,
    /// Datagrams that the socket refused to send.
    pub send_errors: AtomicU64,
    /// Datagrams received.
    pub received: AtomicU64,
    /// Leases that this node came to own.
    pub gained: AtomicU64,
    /// Leases that it lost or gave up.
    pub lost: AtomicU64,
    /// Attempts to become an owner.
    pub attempts: AtomicU64,
    /// `Holding` heard.
    pub holding: AtomicU64,
    /// Times that this node went on, or took, without a majority.
    pub holds: AtomicU64,
    hold_ends: [AtomicU64; HoldEnd::ALL.len()],
    ignored: [AtomicU64; Ignored::ALL.len()],
}

impl Counters {
    /// How many datagrams were ignored for this reason.
    pub fn ignored(&self, reason: Ignored) -> u64 {
        self.ignored[reason as usize].load(Ordering::Relaxed)
    }

    /// How many holds ended for this reason.
    pub fn hold_ends(&self, why: HoldEnd) -> u64 {
        self.hold_ends[why as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count_end(&self, why: HoldEnd) {
        self.hold_ends[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, reason: Ignored) {
        self.ignored[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}
