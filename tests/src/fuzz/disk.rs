//! What lies on disks: the log's entries, snapshots of both kinds, and the small records of the
//! store. Whoever damaged them may have mended the checksum.

use farmux_node::backup::inspect;
use farmux_raft::consensus::record::EntryRecord;
use farmux_raft::state::Proposal;
use farmux_store::Saved;
use farmux_store::seam::{Slot, Snapshot, entry as stored_entry, sealed, singles};
use ring::digest::{SHA256, digest};

use super::meter::Meter;
use super::peers::{record, warm};

pub(super) fn entry(meter: &Meter, input: &[u8]) {
    warm();
    let read: Option<EntryRecord> = record(meter, input);
    if let Some(farmux_raft::consensus::record::PayloadRecord::Proposal(proposal)) =
        read.map(|entry| entry.payload)
    {
        apply(&proposal);
    }
    drop(record::<Saved>(meter, input));
}

/// An entry that was read is applied, whatever it says: to an empty state, and to what it made of
/// it. Both times the same states come out.
fn apply(proposal: &Proposal) {
    let mut states = [(); 2].map(|()| farmux_raft::state::State::default());
    for state in &mut states {
        drop(state.apply(1, proposal.clone()));
        drop(state.apply(2, proposal.clone()));
    }
    let [one, two] = states;
    assert!(one == two, "two nodes differ");
}

pub(super) fn snapshot(meter: &Meter, input: &[u8]) {
    warm();
    assert!(meter.within(|| Snapshot::read(input)).is_none() || input.len() > 32);
    let bytes = sealed(input);
    if let Some(read) = meter.within(|| Snapshot::read(&bytes)) {
        let kept = Snapshot::read(&read.write()).expect("it was written now");
        assert!(!read.is_agreed() || kept == read, "{kept:?} of {read:?}");
        assert_eq!(Snapshot::read(&kept.write()), Some(kept));
    }
    kept(meter, input);
    let sum = digest(&SHA256, input);
    kept(meter, &[input, sum.as_ref()].concat());
}

/// A snapshot as a file to keep: its head.
fn kept(meter: &Meter, bytes: &[u8]) {
    if let Ok(header) = meter.within(|| inspect(bytes)) {
        let text = serde_json::to_vec(&header).expect("strings and numbers");
        let again = serde_json::from_slice(&text).expect("it was written now");
        assert_eq!(header, again);
    }
}

pub(super) fn store(meter: &Meter, input: &[u8]) {
    warm();
    let length = u16::try_from(input.len() + 32).unwrap_or(u16::MAX);
    let whole = [&length.to_be_bytes()[..], &sealed(input)].concat();
    for bytes in [input, &whole] {
        if let Some(slot) = meter.within(|| Slot::read(bytes)) {
            let written = slot.write();
            assert_eq!(written.len(), 512, "it fits into a sector");
            assert_eq!(Slot::read(&written), Some(slot));
        }
    }
    meter.within(|| singles(&sealed(input)));
    if let Some(bytes) = meter.within(|| stored_entry(input)) {
        assert!(input.ends_with(&bytes) && bytes.len() + 36 == input.len());
    }
}
