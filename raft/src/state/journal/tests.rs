//! The journal's bounds, and what a copy of it shares.

use super::*;

#[test]
fn it_is_bounded_and_numbered_without_gaps() {
    let mut journal = Journal::default();
    assert_eq!((journal.first(), journal.last()), (1, 0));
    for term in 0..25_000 {
        journal.add(UnixMillis(term), JournalEvent::Term(term));
    }
    assert_eq!(journal.last(), 25_000);
    let kept = journal.after(0).count();
    assert!((9_875..=10_000).contains(&kept), "{kept}");
    let numbers: Vec<u64> = journal.after(24_990).map(|entry| entry.number).collect();
    assert_eq!(numbers, (24_991..=25_000).collect::<Vec<u64>>());
    assert_eq!(journal.after(25_000).count(), 0);
    assert_eq!(
        journal.first(),
        25_001 - u64::try_from(kept).expect("a few")
    );
}

#[test]
fn an_entry_more_leaves_what_is_shared_alone() {
    let mut journal = Journal::default();
    for term in 0..1_000 {
        journal.add(UnixMillis(term), JournalEvent::Term(term));
    }
    let copy = journal.clone();
    journal.add(UnixMillis(0), JournalEvent::Term(0));
    let same = copy.parts.iter().zip(&journal.parts);
    let same = same.filter(|(one, other)| Arc::ptr_eq(one, other)).count();
    assert_eq!(same, copy.parts.len(), "all of them were full");
    assert_eq!(copy.last(), 1_000);
}
