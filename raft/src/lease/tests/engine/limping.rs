//! Legs: who owns while some stand better than others.

use super::*;

/// An owner that has just lost a leg, and what it is told and does from then on.
struct Limping {
    bench: Bench,
}

impl Limping {
    fn without(leg: Legs) -> Limping {
        let mut bench = Bench::new(roster(1, 3, 0));
        bench.pass(SILENCE);
        bench.own();
        bench.engine.set_legs(Legs::ALL.without(leg));
        Limping { bench }
    }

    /// Lets time pass while node 2 says that its legs are these, and grants whatever is asked;
    /// whether the VIP was left to it.
    fn leaves_within(&mut self, span: Duration, theirs: Legs) -> bool {
        let mut passed = Duration::ZERO;
        let mut left = false;
        while passed < span {
            self.says(Kind::Hello(HelloKind::Question), None, theirs);
            for _ in 0..4 {
                self.bench.engine.poll(self.bench.now);
                for asked in self.bench.sent() {
                    let answer = match asked.kind {
                        Kind::About(_, Body::Prepare(ballot)) => Body::Promise(ballot),
                        Kind::About(_, Body::Propose(ballot, _)) => Body::Accepted(ballot),
                        Kind::About(_, Body::Release(_, to)) => {
                            left |= to == Some(NodeId(2));
                            continue;
                        }
                        Kind::About(..) | Kind::Hello(_) => continue,
                    };
                    self.says(about(answer), Some(asked.header.counter), theirs);
                }
            }
            self.bench.pass(EVERY);
            passed += EVERY;
        }
        left
    }

    fn says(&mut self, kind: Kind, answers: Option<u64>, legs: Legs) {
        let mut said = self.bench.peer_says(kind);
        said.header.legs = legs;
        said.header.counter = answers.unwrap_or(said.header.counter);
        self.bench.receive(&said);
    }
}

/// As often as an owner renews.
const EVERY: Duration = Duration::from_millis(30);

#[test]
fn an_owner_with_bad_legs_leaves_to_a_better_one_once_in_thirty_seconds() {
    for (leg, not_yet, by_then) in [
        (Legs::CARRIER, 150, 300),
        (Legs::GATEWAY, 4_800, 5_100),
        (Legs::SERVER, 4_800, 5_100),
    ] {
        let mut owner = Limping::without(leg);
        let not_yet = Duration::from_millis(not_yet);
        let rest = Duration::from_millis(by_then) - not_yet;
        assert!(
            !owner.leaves_within(not_yet, Legs::ALL),
            "{leg:?}: too soon"
        );
        assert!(owner.leaves_within(rest, Legs::ALL), "{leg:?}: not at all");
        // It comes here again while the other is no better, and stays until 30 seconds are over.
        let no_better = Legs::ALL.without(leg);
        assert!(!owner.leaves_within(Duration::from_secs(2), no_better));
        assert!(owner.bench.engine.held().contains_key(&front()), "{leg:?}");
        let resting = Duration::from_secs(27);
        assert!(!owner.leaves_within(resting, Legs::ALL), "{leg:?}: again");
        let later = Duration::from_secs(10);
        assert!(
            owner.leaves_within(later, Legs::ALL),
            "{leg:?}: never again"
        );
    }
}

#[test]
fn what_fails_for_all_alike_moves_nothing_though_not_seen_by_all_at_once() {
    let mut owner = Limping::without(Legs::GATEWAY);
    assert!(!owner.leaves_within(Duration::from_secs(4), Legs::ALL));
    let gone = Legs::ALL.without(Legs::GATEWAY);
    assert!(!owner.leaves_within(Duration::from_secs(60), gone));
    // Nor does another leg of theirs.
    let other = Legs::ALL.without(Legs::SERVER);
    assert!(!owner.leaves_within(Duration::from_secs(10), other));
}

#[test]
fn while_paused_a_vip_stays_with_an_owner_that_lives() {
    let mut owner = Limping::without(Legs::CARRIER);
    let paused = |stays: bool| {
        let mut roster = roster(1, 3, 0);
        roster.groups.get_mut(&front()).expect("there").stays = stays;
        Some(roster)
    };
    let bench = &mut owner.bench;
    bench.engine.set_roster(bench.now, paused(true));
    assert!(!owner.leaves_within(Duration::from_secs(60), Legs::ALL));
    let bench = &mut owner.bench;
    bench.engine.set_roster(bench.now, paused(false));
    assert!(owner.leaves_within(Duration::from_secs(1), Legs::ALL));
}

#[test]
fn bad_legs_wait_and_rank_goes_by_legs_then_wish_then_id() {
    let mut bench = Bench::new(roster(1, 3, 0));
    bench.pass(SILENCE);
    let hello = bench.peer_says(Kind::Hello(HelloKind::Question));
    bench.receive(&hello);
    let mut rank = |me: Legs, prefer: &[u64]| {
        bench.engine.set_legs(me);
        let mut roster = roster(1, 3, 0);
        let prefer = prefer.iter().map(|id| NodeId(*id)).collect();
        roster.groups.get_mut(&front()).expect("there").prefer = prefer;
        bench.engine.rank(bench.now, &roster, &front())
    };
    assert_eq!(rank(Legs::ALL, &[]), 0, "by id");
    assert_eq!(rank(Legs::ALL, &[2]), 1, "by wish");
    assert_eq!(rank(Legs::ALL, &[1, 2]), 0, "by wish");
    assert_eq!(rank(Legs::ALL.without(Legs::GATEWAY), &[1]), 1, "by legs");
    bench.engine.set_legs(Legs::ALL.without(Legs::GATEWAY));
    bench.engine.take_outputs();
    bench.engine.poll(bench.now);
    let prepares = |bench: &mut Bench| {
        bench
            .sent()
            .iter()
            .any(|d| matches!(d.kind, Kind::About(_, Body::Prepare(_))))
    };
    assert!(
        !prepares(&mut bench),
        "a better one was heard within a second"
    );
    bench.pass(Duration::from_millis(1_001));
    bench.engine.poll(bench.now);
    assert!(prepares(&mut bench));
}
