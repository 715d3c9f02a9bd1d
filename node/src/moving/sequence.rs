//! PURE. What comes next in the move of one VIP, given what is known.
//!
//! ```text
//!   Closing ─work is done, or the wait is over─▶ Refusing ─20 ms at most─▶ Cutting ─▶ Withdrawing
//!      │ not ours any more, target unfit            nothing left ────────────────────────▲   │
//!      ▼                                                              fenced: at once    release
//!     End ◀── the other owns; or somebody else, or nobody in time ────────────── Handing ◀───┘
//! ```
//!
//! Connections end before the address goes (what resets them must still get out), and the address
//! before the lease (so that nobody else can have both). Where a fence closes with the lease, the
//! address need not be waited for.
//!
//! **Source**: `vip-protocol.md`, section 8.

use std::time::Duration;

use farmux_raft::id::NodeId;

/// Where a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Answers say `Connection: close`; work in flight is waited for.
    Closing,
    /// No new connection begins; those in the accept queues are answered.
    Refusing,
    /// What is left is being reset.
    Cutting,
    /// The address is being taken away.
    Withdrawing,
    /// The lease is given up, in favour of the other.
    Handing,
}

/// What is to be done on the way into a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Let no new connection begin.
    Refuse,
    /// Reset every connection.
    Cut,
    /// Take the address away.
    Withdraw,
    /// Give the lease up, to the other.
    Release,
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it was ordered.
    Moved,
    /// Another one than was named took it.
    Elsewhere(NodeId),
    /// Nobody took it, and it is here again.
    Back,
    /// Nobody has it.
    Nobody,
    /// It was not ours any more before it was given up; perhaps this one has it.
    Lost(Option<NodeId>),
    /// The other could not take it any more; it stays.
    Unfit,
    /// No majority answers that would lend it to the other; it stays.
    Alone,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Look again in a moment.
    Wait,
    /// Do this, and be in that phase.
    Go(Step, Phase),
    /// It is over.
    Over(End),
}

/// Whether the other can take it, as it said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// It can; it was asked so long ago.
    Fit(Duration),
    /// It cannot.
    Unfit,
}

/// By what right it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// It is not.
    None,
    /// A majority lends it.
    Lent,
    /// It is held without a majority.
    Alone,
}

/// What is known at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// How long the phase has lasted.
    pub(super) lasted: Duration,
    /// Whether the lease is ours.
    pub(super) right: Right,
    /// Who owns it, as our own acceptor knows.
    pub(super) owner: Option<NodeId>,
    /// Connections that are worth waiting for.
    pub(super) in_hand: u64,
    /// All connections.
    pub(super) open: u64,
    /// Whether the address is here.
    pub(super) shown: bool,
    /// Whether the kernel closes it with the lease.
    pub(super) fenced: bool,
    /// The other.
    pub(super) target: Target,
}

/// What was ordered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Who moves it away.
    pub(super) me: NodeId,
    /// To whom.
    pub(super) to: NodeId,
    /// How long work in flight may take.
    pub(super) wait: Duration,
}

/// What comes next.
pub(super) fn next(phase: Phase, known: &Known, rules: &Rules) -> Next {
    let other = known.owner.filter(|owner| *owner != rules.me);
    match (phase, known.right) {
        (Phase::Handing, _) => return handing(known, other, rules),
        (_, Right::None) => return Next::Over(End::Lost(other)),
        // Given up now, nobody would have it.
        (_, Right::Alone) => return Next::Over(End::Alone),
        (_, Right::Lent) => {}
    }
    let lasted = |limit| known.lasted >= limit;
    match phase {
        Phase::Closing => closing(known, rules),
        Phase::Refusing if !lasted(ACCEPTED_WITHIN) => Next::Wait,
        Phase::Refusing if known.open == 0 => leave(known),
        Phase::Refusing if known.in_hand == 0 || lasted(REFUSED_MAX) => {
            Next::Go(Step::Cut, Phase::Cutting)
        }
        Phase::Cutting if known.open == 0 || lasted(CUT_WITHIN) => leave(known),
        Phase::Withdrawing if !known.shown || lasted(WITHDRAWN_WITHIN) => {
            Next::Go(Step::Release, Phase::Handing)
        }
        Phase::Refusing | Phase::Cutting | Phase::Withdrawing | Phase::Handing => Next::Wait,
    }
}

/// Nothing of it is left here but the address.
fn leave(known: &Known) -> Next {
    match known.fenced {
        true => Next::Go(Step::Release, Phase::Handing),
        false => Next::Go(Step::Withdraw, Phase::Withdrawing),
    }
}

fn closing(known: &Known, rules: &Rules) -> Next {
    match known.target {
        Target::Unfit => return Next::Over(End::Unfit),
        Target::Fit(asked) if asked > ASKED_WITHIN => return Next::Wait,
        Target::Fit(_) => {}
    }
    let settled = known.lasted >= SETTLED_AFTER.min(rules.wait);
    let over = known.lasted >= rules.wait;
    match settled && (known.in_hand == 0 || over) {
        true => Next::Go(Step::Refuse, Phase::Refusing),
        false => Next::Wait,
    }
}

fn handing(known: &Known, other: Option<NodeId>, rules: &Rules) -> Next {
    match other {
        Some(owner) if owner == rules.to => Next::Over(End::Moved),
        Some(owner) => Next::Over(End::Elsewhere(owner)),
        None if known.right != Right::None && known.lasted >= BACK_AFTER => Next::Over(End::Back),
        None if known.lasted >= TAKEN_WITHIN => Next::Over(End::Nobody),
        None => Next::Wait,
    }
}

/// Long enough for the answers that are on their way and for the next request of clients at work,
/// and no delay that anybody sees: the address is served meanwhile.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// An answer of the other that is older says nothing of this moment.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

/// A runtime accepts within a turn of its loop; a handshake needs a round trip of the LAN.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(4);

/// **Source**: `vip-protocol.md`, section 8: clients that come meanwhile wait for their kernel's
/// second SYN.
const REFUSED_MAX: Duration = Duration::from_millis(20);

/// The runtimes reset within a turn of their loops.
const CUT_WITHIN: Duration = Duration::from_millis(10);

/// A netlink call takes less than one; on a machine that busy the wait is worth more than the gap.
const WITHDRAWN_WITHIN: Duration = Duration::from_millis(100);

/// Whoever released proposes nothing for three leases (450 ms): what is ours earlier has not been
/// given up yet.
const BACK_AFTER: Duration = Duration::from_millis(450);

/// The other needs 20 ms; when it dies just then, a third one takes it within 300.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);
