//! The move of one VIP on the node that owns it: looks, asks the PURE sequence, does what it says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::plan::VipPlan;
use farmux_netplane::serve::Work;
use farmux_raft::id::{NodeId, VipName};
use farmux_raft::state::State;

use super::desk::Teller;
use super::fitness::Unfit;
use super::owner::{Places, ask, left, millis, name};
use super::sequence::{End, Known, Next, Phase, Right, Rules, Step, Target, next};
use crate::api::types::{MoveReport, VipMoved, WorkReport};
use crate::daemon::{Member, Wire};
use crate::fault::{Code, Fault};

/// The VIPs that are lent together with one, itself among them, each with its address.
pub(super) fn together(state: &State, vip: &VipName) -> BTreeMap<VipName, IpAddr> {
    let vips = state.config.lent_with(vip).into_iter();
    let address = |vip: VipName| {
        let address = state.config.vips.get(&vip)?.address;
        Some((vip, address))
    };
    vips.filter_map(address).collect()
}

/// The move of one VIP, and of those that are lent together with it.
pub(super) struct Moving {
    member: Arc<Member>,
    vip: VipName,
    vips: BTreeMap<VipName, IpAddr>,
    to: NodeId,
    wait: Duration,
}

/// Clients are sent away for as long as this lives: what it began is taken back at its end.
struct Closing<'a> {
    wire: &'a Wire,
    vips: &'a BTreeMap<VipName, IpAddr>,
    hidden: BTreeMap<VipName, VipPlan>,
}

impl<'a> Closing<'a> {
    fn begin(wire: &'a Wire, vips: &'a BTreeMap<VipName, IpAddr>) -> Closing<'a> {
        let addresses = vips.values();
        addresses.for_each(|address| wire.serving.leave(*address));
        let hidden = BTreeMap::new();
        Closing { wire, vips, hidden }
    }

    fn hide(&mut self) {
        for vip in self.vips.keys() {
            let hidden = self.wire.hide(vip);
            self.hidden.extend(hidden.map(|plan| (vip.clone(), plan)));
        }
    }

    /// How many new connections the fence refused so far, VIP by VIP.
    fn refused(&self) -> BTreeMap<VipName, u64> {
        let refused = |vip: &VipName| Some((vip.clone(), self.wire.refused(vip)?));
        self.vips.keys().filter_map(refused).collect()
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        for (vip, address) in self.vips {
            self.wire.refuse_new(vip, false);
            self.wire.serving.stay(*address);
        }
        for (vip, plan) in std::mem::take(&mut self.hidden) {
            self.wire.reveal(&vip, plan);
        }
    }
}

/// What happened on the way.
#[derive(Default)]
struct Trace {
    cut: BTreeMap<VipName, Work>,
    waited: Duration,
    refused_at: Option<Instant>,
    /// New connections that the fence refused: before, and then on the way.
    refused: BTreeMap<VipName, u64>,
    told: Option<(Instant, Work)>,
}

impl Moving {
    pub(super) fn new(member: &Arc<Member>, vip: &VipName, to: NodeId, wait: Duration) -> Moving {
        Moving {
            member: Arc::clone(member),
            vip: vip.clone(),
            vips: together(&member.state(), vip),
            to,
            wait,
        }
    }

    /// Moves them, and adds to `report` what became of each.
    ///
    /// **Errors**: they did not go there.
    pub(super) async fn run(&self, teller: &Teller, report: &mut MoveReport) -> Result<(), Fault> {
        let state = self.member.state();
        let wire = self.member.wire().filter(|_| !self.vips.is_empty());
        let Some(wire) = wire else {
            return Err(self.fault(Code::MoveFailed, "it is not of this node"));
        };
        if let Err(why) = self.ask().await {
            report
                .left
                .push(left(&self.member, &self.vip, why.to_string()));
            let node = state.node_name(self.to);
            let what = format!("{node} cannot take VIP {}", self.vip);
            return Err(Fault::new(Code::TargetUnfit).what(what).why(why));
        }
        for (vip, address) in &self.vips {
            let [from, to] = [self.member.me(), self.to].map(|node| state.node_name(node));
            teller.say(format!(
                "VIP {vip} ({address}): {from} -> {to}: clients are asked to come again"
            ));
        }
        let mut trace = Trace::default();
        let end = self.step_by_step(wire, teller, &mut trace).await;
        self.conclude(&state, end, &trace, teller, report)
    }

    /// Walks the sequence to its end.
    async fn step_by_step(&self, wire: &Wire, teller: &Teller, trace: &mut Trace) -> End {
        let rules = Rules {
            me: self.member.me(),
            to: self.to,
            wait: self.wait,
        };
        let mut closing = Closing::begin(wire, &self.vips);
        let (mut phase, mut began) = (Phase::Closing, Instant::now());
        let mut asked = (Instant::now(), true);
        loop {
            if phase == Phase::Closing && asked.0.elapsed() >= ASK_EVERY {
                let fit = self.ask().await.is_ok();
                asked = (Instant::now(), fit);
            }
            let work = self.work(wire).into_values().sum();
            let target = match asked.1 {
                true => Target::Fit(asked.0.elapsed()),
                false => Target::Unfit,
            };
            let known = self.look(wire, work, target, began.elapsed());
            match next(phase, &known, &rules) {
                Next::Over(end) => {
                    let before = std::mem::replace(&mut trace.refused, closing.refused());
                    for (vip, count) in &mut trace.refused {
                        *count = count.saturating_sub(before.get(vip).copied().unwrap_or(0));
                    }
                    return end;
                }
                Next::Go(step, then) => {
                    if phase == Phase::Closing {
                        trace.waited = began.elapsed();
                    }
                    self.act(step, &mut closing, trace);
                    (phase, began) = (then, Instant::now());
                }
                Next::Wait if phase == Phase::Closing => {
                    self.tell_of(work, trace, teller);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Next::Wait => tokio::time::sleep(LOOK_OFTEN).await,
            }
        }
    }

    /// What the clients of each VIP have in hand.
    fn work(&self, wire: &Wire) -> BTreeMap<VipName, Work> {
        let of = |(vip, address): (&VipName, &IpAddr)| (vip.clone(), wire.serving.work(*address));
        self.vips.iter().map(of).collect()
    }

    fn look(&self, wire: &Wire, work: Work, target: Target, lasted: Duration) -> Known {
        let seen = self.member.lease().seen();
        let owner = seen.borrow().get(&self.vip).map(|(owner, _)| *owner);
        Known {
            lasted,
            right: self.right(),
            owner,
            in_hand: work.in_hand(),
            open: work.open(),
            shown: self.vips.keys().any(|vip| wire.shows(vip)),
            fenced: self.vips.keys().all(|vip| wire.is_fenced(vip)),
            target,
        }
    }

    fn right(&self) -> Right {
        let alone = self.member.lease().alone();
        match self.member.held().contains_key(&self.vip) {
            false => Right::None,
            true if alone.borrow().contains_key(&self.vip) => Right::Alone,
            true => Right::Lent,
        }
    }

    fn act(&self, step: Step, closing: &mut Closing<'_>, trace: &mut Trace) {
        let wire = closing.wire;
        match step {
            Step::Refuse => {
                trace.refused = closing.refused();
                let vips = self.vips.keys();
                vips.for_each(|vip| wire.refuse_new(vip, true));
                trace.refused_at = Some(Instant::now());
            }
            Step::Cut => {
                trace.cut = self.work(wire);
                self.vips
                    .values()
                    .for_each(|address| wire.serving.abort(*address));
            }
            Step::Withdraw => closing.hide(),
            Step::Release => self.member.lease().release(&self.vip, Some(self.to)),
        }
    }

    /// Says what is waited for, when that changed, and not too often.
    fn tell_of(&self, work: Work, trace: &mut Trace, teller: &Teller) {
        let worth = work.in_hand() > 0;
        let due = trace
            .told
            .is_none_or(|(at, told)| told != work && at.elapsed() >= TELL_EVERY);
        if worth && due {
            let work = WorkReport::from(work);
            teller.say(format!("VIP {}: waiting for {work}", self.vip));
        }
        if due {
            trace.told = Some((Instant::now(), work));
        }
    }

    /// Puts the end into words, and into the report.
    fn conclude(
        &self,
        state: &State,
        end: End,
        trace: &Trace,
        teller: &Teller,
        report: &mut MoveReport,
    ) -> Result<(), Fault> {
        let named = |node| state.node_name(node);
        let why = match end {
            End::Moved => {
                for moved in self.moved(state, trace) {
                    teller.say(moved.in_words());
                    report.moved.push(moved);
                }
                return Ok(());
            }
            End::Elsewhere(node) => format!("{} took it", named(node)),
            End::Back => "it was not taken, and came back here".to_owned(),
            End::Nobody => "nobody took it in time".to_owned(),
            End::Lost(Some(node)) => format!("{} took it before it was given up", named(node)),
            End::Lost(None) => "the lease was lost before it was given up".to_owned(),
            End::Alone => "no majority answers that would lend it to another".to_owned(),
            End::Unfit => format!("{} could not take it any more, so it stays", named(self.to)),
        };
        for vip in self.vips.keys() {
            teller.say(format!("VIP {vip}: {why}"));
            report.left.push(left(&self.member, vip, why.clone()));
        }
        Err(self.fault(Code::MoveFailed, &why))
    }

    fn moved(&self, state: &State, trace: &Trace) -> Vec<VipMoved> {
        let gap = trace.refused_at.map(|at| millis(at.elapsed()));
        let moved = |(vip, address): (&VipName, &IpAddr)| VipMoved {
            vip: vip.clone(),
            address: *address,
            from: name(state, self.member.me()),
            to: name(state, self.to),
            waited_ms: millis(trace.waited),
            gap_ms: gap,
            cut: trace.cut.get(vip).copied().unwrap_or_default().into(),
            syns_refused: trace.refused.get(vip).copied(),
        };
        self.vips.iter().map(moved).collect()
    }

    fn fault(&self, code: Code, why: &str) -> Fault {
        let what = format!("VIP {} did not go where it was sent", self.vip);
        Fault::new(code).what(what).why(why)
    }

    /// Asks the other whether it can take the VIP.
    async fn ask(&self) -> Result<(), Unfit> {
        let mut reports = BTreeMap::new();
        if let Some(report) = ask(&self.member, self.to).await {
            reports.insert(self.to, report);
        }
        let places = Places::new(&self.member, reports);
        places.candidates().judge(&self.vip, self.to)
    }
}

/// While work is waited for, so that the other is still there when it is over.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Nobody notices, and the runtimes neither.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// While nobody is served: what a timer can do.
const LOOK_OFTEN: Duration = Duration::from_millis(1);

/// A person reads a line in that time.
const TELL_EVERY: Duration = Duration::from_secs(2);
