//! One VIP's words in the map that kernel and daemon share: written by the lease thread, without a
//! lock of the kernel and without a system call, and by the kernel's program, each its own words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{self, Stand, WORDS, Word};
use crate::vip::{Claim, Lent};

/// The words of all slots.
pub(super) type Words = Arc<dyn AsRef<[AtomicU64]> + Send + Sync>;

/// The words of one VIP.
#[derive(Clone)]
pub struct Slot {
    words: Words,
    index: u32,
}

impl Slot {
    /// The slot of this number; `None` where the map has no such.
    pub(super) fn new(words: Words, index: u32) -> Option<Slot> {
        let first = usize::try_from(index).ok()?.checked_mul(WORDS)?;
        let there = first + WORDS <= words.as_ref().as_ref().len();
        there.then_some(Slot { words, index })
    }

    /// Which slot it is.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Lends the VIP anew: only announcements get out until [`Slot::open_from`].
    pub fn gain(&self, lent: Lent) {
        // In this order: there is no moment at which an old opening meets a new deadline.
        self.word(Word::Until).store(0, Ordering::SeqCst);
        self.word(Word::OpenFrom).store(u64::MAX, Ordering::SeqCst);
        self.word(Word::RefuseUntil).store(0, Ordering::SeqCst);
        self.extend(lent);
    }

    /// Moves the deadline, and says whether it is a hold.
    pub fn extend(&self, lent: Lent) {
        let alone_since = lent.alone_since_ns.unwrap_or(0);
        self.word(Word::AloneSince)
            .store(alone_since, Ordering::SeqCst);
        self.word(Word::Until)
            .store(lent.until_ns, Ordering::SeqCst);
    }

    /// From when on everything gets through.
    pub fn open_from(&self, at_ns: u64) {
        self.word(Word::OpenFrom).store(at_ns, Ordering::SeqCst);
    }

    /// Closes the fence.
    pub fn close(&self) {
        self.word(Word::Until).store(0, Ordering::SeqCst);
        self.word(Word::AloneSince).store(0, Ordering::SeqCst);
        self.word(Word::RefuseUntil).store(0, Ordering::SeqCst);
    }

    /// Forgets all that is known of a VIP, for another one to move in.
    pub(super) fn clear(&self) {
        self.close();
        for word in [Word::OpenFrom, Word::ClaimAt, Word::ClaimMac, Word::Claims] {
            self.word(word).store(0, Ordering::SeqCst);
        }
    }

    /// Until when no new connection begins; 0: they may.
    pub fn refuse_until(&self, at_ns: u64) {
        self.word(Word::RefuseUntil).store(at_ns, Ordering::SeqCst);
    }

    /// The last claim by another machine.
    pub fn claim(&self) -> Option<Claim> {
        // The program writes the MAC first: one that changes between two looks is of a newer claim.
        let mut at_ns = self.read(Word::ClaimAt);
        for _ in 0..LOOKS_MAX {
            let mac = layout::mac_of(self.read(Word::ClaimMac));
            let again = self.read(Word::ClaimAt);
            if again == at_ns {
                return (at_ns != 0).then_some(Claim { at_ns, mac });
            }
            at_ns = again;
        }
        let mac = layout::mac_of(self.read(Word::ClaimMac));
        Some(Claim { at_ns, mac })
    }

    /// How many claims there were.
    pub fn claims(&self) -> u64 {
        self.read(Word::Claims)
    }

    /// By what right the VIP was here when nobody wrote any more; `None` where it was closed.
    pub fn lent(&self) -> Option<Lent> {
        let until_ns = self.read(Word::Until);
        let alone_since = self.read(Word::AloneSince);
        (until_ns != 0).then_some(Lent {
            until_ns,
            alone_since_ns: (alone_since != 0).then_some(alone_since),
            // Told by whoever took it, or never.
            taken: false,
        })
    }

    /// What the program lets through at a time.
    pub fn stand(&self, now: u64) -> Stand {
        layout::stand(|word| self.read(word), now)
    }

    fn read(&self, word: Word) -> u64 {
        self.word(word).load(Ordering::SeqCst)
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        let first = usize::try_from(self.index).expect("checked when it was made") * WORDS;
        &self.words.as_ref().as_ref()[first + word.index()]
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({})", self.index)
    }
}

/// Under a flood of claims any of their MACs is as good as another.
const LOOKS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(index: u32) -> (Slot, Words) {
        let words: Vec<AtomicU64> = (0..2 * WORDS).map(|_| AtomicU64::new(0)).collect();
        let words: Words = Arc::new(words);
        (Slot::new(Arc::clone(&words), index).expect("a slot"), words)
    }

    #[test]
    fn a_gain_claims_before_it_opens() {
        let (slot, words) = slot(1);
        let lent = Lent {
            until_ns: 500,
            alone_since_ns: None,
            taken: false,
        };
        assert_eq!(slot.stand(100), Stand::Closed);
        slot.gain(lent);
        assert_eq!(slot.stand(100), Stand::Claiming);
        slot.open_from(110);
        assert_eq!(
            (slot.stand(109), slot.stand(110)),
            (Stand::Claiming, Stand::Open)
        );
        slot.extend(Lent {
            until_ns: 900,
            alone_since_ns: Some(400),
            taken: false,
        });
        assert_eq!(
            (slot.stand(600), slot.stand(900)),
            (Stand::Open, Stand::Closed)
        );
        assert_eq!(slot.lent().and_then(|lent| lent.alone_since_ns), Some(400));
        slot.close();
        assert_eq!((slot.stand(600), slot.lent()), (Stand::Closed, None));
        slot.gain(lent);
        assert_eq!(
            slot.stand(200),
            Stand::Claiming,
            "the last opening is forgotten"
        );
        let first = words.as_ref().as_ref()[..WORDS].iter();
        assert!(
            first
                .map(|word| word.load(Ordering::SeqCst))
                .all(|word| word == 0)
        );
    }

    #[test]
    fn a_slot_that_is_not_there() {
        let (_, words) = slot(0);
        assert!(Slot::new(Arc::clone(&words), 2).is_none());
        assert!(Slot::new(words, u32::MAX).is_none());
    }

    #[test]
    fn a_claim_is_read_as_the_program_wrote_it() {
        let (slot, words) = slot(1);
        assert_eq!(slot.claim(), None);
        let mac = [2, 0, 0, 0, 0, 7];
        let write = |word: Word, value: u64| {
            words.as_ref().as_ref()[WORDS + word.index()].store(value, Ordering::SeqCst);
        };
        write(Word::ClaimMac, u64::from_ne_bytes(layout::mac_key(mac)));
        write(Word::ClaimAt, 77);
        assert_eq!(slot.claim(), Some(Claim { at_ns: 77, mac }));
    }
}
