//! Groups: what is lent under a new name, and what moves by legs and what stays.

use std::time::Duration;

use super::*;
use crate::id::{Ballot, VipName};
use crate::lease::acceptor::{Acceptor, Answer, Request};
use crate::lease::{BootTime, Ignored};

fn at(ms: u64) -> BootTime {
    BootTime(ms * 1_000_000)
}

fn named(text: &str) -> VipName {
    text.parse().expect("a name")
}

fn ballot(counter: u64, node: u64) -> Ballot {
    Ballot {
        counter,
        node: NodeId(node),
    }
}

/// What two nodes hold to be lent may differ for a while: one has applied a configuration that the
/// other has not. Nobody may own a VIP under its new lease while another owns it under the old.
#[test]
fn a_lease_that_takes_anothers_place_waits_until_that_has_run_out() {
    let (old, new, other) = (named("front"), named("web.12345678"), named("back"));
    let lease = Duration::from_millis(150);
    let mut acceptor = Acceptor::new(at(0));
    acceptor.adopt(at(1_000), [old.clone(), other.clone()].into());
    let propose = Request::Propose(ballot(1, 1), lease);
    let lent = acceptor.handle(at(1_000), &old, propose);
    assert_eq!(lent, Ok(Answer::Accepted));
    acceptor.adopt(at(1_050), [new.clone(), other.clone()].into());
    let ask = Request::Prepare(ballot(1, 2));
    assert_eq!(acceptor.handle(at(1_149), &new, ask), Err(Ignored::Silent));
    assert_eq!(
        acceptor.free_at(&new, NodeId(2)),
        at(1_150),
        "nobody asks before"
    );
    assert_eq!(
        acceptor.handle(at(1_149), &other, ask),
        Ok(Answer::Promised),
        "what stays as it is goes on"
    );
    // Another change meanwhile does not shorten it.
    let newest = named("web.87654321");
    acceptor.adopt(at(1_100), [newest.clone(), other.clone()].into());
    assert_eq!(
        acceptor.handle(at(1_149), &newest, ask),
        Err(Ignored::Silent)
    );
    assert_eq!(
        acceptor.handle(at(1_150), &newest, ask),
        Ok(Answer::Promised)
    );
}

#[test]
fn where_nothing_was_lent_a_new_lease_begins_at_once() {
    let mut acceptor = Acceptor::new(at(0));
    acceptor.adopt(at(1_000), [named("front")].into());
    acceptor.adopt(at(1_001), [named("front"), named("back")].into());
    let ask = Request::Prepare(ballot(1, 1));
    assert_eq!(
        acceptor.handle(at(1_001), &named("back"), ask),
        Ok(Answer::Promised)
    );
}

#[test]
fn a_lease_is_for_its_vips_or_for_the_one_it_is_called_by() {
    let mut roster = roster(1, 3, 0);
    assert_eq!(roster.vips_of(&front()), [front()].into());
    let both = [named("a"), named("b")].into();
    let group = roster.groups.get_mut(&front()).expect("it is there");
    group.vips = both;
    assert_eq!(roster.vips_of(&front()), [named("a"), named("b")].into());
    assert_eq!(roster.vips().len(), 1);
}
