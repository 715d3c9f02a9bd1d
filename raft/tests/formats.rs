//! What version 0.1.0 wrote is read, and written again byte by byte: `golden/1-entries.bin` holds
//! entries of its log, made by its own encoder.

use farmux_raft::codec::{NEWEST, decode, encode, encode_as, format_of};
use farmux_raft::consensus::record::{EntryRecord, LogIdRecord, PayloadRecord};
use farmux_raft::id::{NodeId, RequestId, UnixMillis};
use farmux_raft::state::{Command, Proposal, State};

const ENTRIES: &[u8] = include_bytes!("golden/1-entries.bin");

/// Each entry: its length, big-endian, and its record.
fn entries() -> Vec<&'static [u8]> {
    let mut rest = ENTRIES;
    let mut entries = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("it fits");
        let (entry, after) = after.split_at(length);
        entries.push(entry);
        rest = after;
    }
    entries
}

#[test]
fn the_log_of_the_release_before_is_read_and_written_again() {
    let all = entries();
    assert!(all.len() > 200, "{}", all.len());
    for (place, bytes) in all.iter().enumerate() {
        assert_eq!(format_of(bytes), Some(1));
        let record: EntryRecord = match decode(bytes) {
            Ok(record) => record,
            Err(error) => panic!("entry {place}: {error}"),
        };
        let again = encode_as(&record, 1).expect("it came from there");
        assert_eq!(&again, bytes, "entry {place}: {record:?}");
        // Unasked, too: what the older one can say is written as it did.
        assert_eq!(
            &encode(&record).expect("it is small"),
            bytes,
            "entry {place}"
        );
    }
}

/// The newest form of the same entries means the same.
#[test]
fn old_and_new_form_of_an_entry_mean_the_same() {
    for bytes in entries() {
        let record: EntryRecord = decode(bytes).expect("it was written");
        let newest = encode_as(&record, NEWEST).expect("it is small");
        assert_eq!(format_of(&newest), Some(NEWEST));
        assert_eq!(decode::<EntryRecord>(&newest).expect("it is ours"), record);
    }
}

#[test]
fn an_old_log_makes_a_state() {
    let mut state = State::default();
    let mut refused = 0;
    for bytes in entries() {
        let record: EntryRecord = decode(bytes).expect("it was written");
        if let PayloadRecord::Proposal(proposal) = record.payload {
            refused += usize::from(state.apply(record.id.term, *proposal).is_err());
        }
    }
    assert!(
        state.revision.0 > 10 && state.pages.len() > 10,
        "{refused} refused"
    );
    assert_eq!(state.format.number(), 1);
}

/// Damage is an error and never a panic, whatever is read for what.
#[test]
fn damaged_old_entries_are_refused_or_another_entry() {
    for bytes in entries().iter().take(60) {
        for cut in 2..bytes.len() {
            assert!(decode::<EntryRecord>(&bytes[..cut]).is_err());
        }
        for place in (2..bytes.len()).step_by(3) {
            let mut changed = bytes.to_vec();
            changed[place] ^= 0x41;
            let _ = decode::<EntryRecord>(&changed);
        }
    }
}

/// What only the newest format can say is written in it, and the older one has no bytes for it.
#[test]
fn what_is_new_is_not_written_in_the_old_form() {
    let proposal = Proposal {
        id: RequestId(1),
        at: UnixMillis(2),
        command: Command::RaiseFormat(NEWEST),
    };
    let record = EntryRecord {
        id: LogIdRecord {
            term: 1,
            node: NodeId(1),
            index: 1,
        },
        payload: PayloadRecord::Proposal(Box::new(proposal)),
    };
    let error = encode_as(&record, 1).expect_err("it came later");
    assert!(
        error.to_string().contains("Command::RaiseFormat"),
        "{error}"
    );
    let bytes = encode(&record).expect("it is small");
    assert_eq!(format_of(&bytes), Some(NEWEST));
}
