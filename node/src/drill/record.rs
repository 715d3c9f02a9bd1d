//! PURE. What is kept of a run for ever: bounded in every part, versioned, read back as written.

use farmux_raft::codec::{self, DecodeError, EncodeError, Record};
use farmux_raft::id::{NodeName, UnixMillis};
use farmux_raft::state::{REASON_CHARS_MAX, clean};
use serde::{Deserialize, Serialize};

use super::kind::{Bounds, DrillKind};
use super::numbers::Numbers;
use super::verdict::{Aborted, Verdict};

/// The number of a run, for ever.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Which run.
    pub id: RunId,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom it hit.
    pub target: String,
    /// What was done, in words.
    pub injection: String,
    /// Who ran it.
    pub by: String,
    /// Whether a schedule did.
    pub scheduled: bool,
    /// When it began.
    pub began: UnixMillis,
    /// When it was over.
    pub ended: UnixMillis,
    /// The newest revision of the configuration when it began.
    pub revision: u64,
    /// What was asked; empty: nothing was.
    pub url: String,
    /// Who asked; `None`: somebody outside, or nobody.
    pub client: Option<NodeName>,
    /// What it might cost.
    pub bounds: Bounds,
    /// What it proved.
    pub verdict: Verdict,
    /// What it came to.
    pub numbers: Numbers,
}

impl Record for DrillRecord {
    const FORMAT: u16 = 1;
    // Texts of at most 800 characters in all, 4 bytes each, and numbers.
    const BYTES_MAX: u64 = 4_096;
}

impl DrillRecord {
    /// The same with every text made harmless and short enough to be kept.
    #[must_use]
    pub fn bounded(mut self) -> DrillRecord {
        for text in [&mut self.target, &mut self.injection, &mut self.url] {
            *text = clean(text, TEXT_CHARS_MAX);
        }
        self.by = clean(&self.by, NAME_CHARS_MAX);
        match &mut self.verdict {
            Verdict::Pass => {}
            Verdict::Fail(lapses) => lapses.truncate(LAPSES_MAX),
            Verdict::Aborted(Aborted::By { who }) => *who = clean(who, NAME_CHARS_MAX),
            Verdict::Aborted(Aborted::Locked { who, why }) => {
                *who = clean(who, NAME_CHARS_MAX);
                *why = clean(why, REASON_CHARS_MAX);
            }
            Verdict::Aborted(Aborted::NotInjected { why }) => {
                *why = clean(why, REASON_CHARS_MAX);
            }
            Verdict::Aborted(Aborted::NotSteady) => {}
        }
        self
    }
}

/// The bytes of a record; of one that is [`DrillRecord::bounded`] always.
///
/// **Errors**: it is longer than may be kept.
pub fn encode(record: &DrillRecord) -> Result<Vec<u8>, EncodeError> {
    codec::encode(record)
}

/// A record of its bytes.
///
/// **Errors**: they are none, or of a newer version.
pub fn decode(bytes: &[u8]) -> Result<DrillRecord, DecodeError> {
    codec::decode(bytes)
}

/// A target, an injection or a URL; names have 63 characters, addresses 45.
const TEXT_CHARS_MAX: usize = 160;

/// As authors of revisions have it.
const NAME_CHARS_MAX: usize = 64;

/// Each kind of lapse once, and some to spare.
const LAPSES_MAX: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::numbers::PageCount;
    use super::super::tests::golden;
    use super::super::verdict::Lapse;
    use super::*;

    /// A run that passed.
    pub(in super::super) fn record(id: u64) -> DrillRecord {
        let kind = DrillKind::OwnerCrash;
        DrillRecord {
            id: RunId(id),
            kind,
            target: "front".to_owned(),
            injection: "farmux on lb1 is killed".to_owned(),
            by: "anna".to_owned(),
            scheduled: false,
            began: UnixMillis(1_772_366_400_000 + id * 86_400_000),
            ended: UnixMillis(1_772_366_440_000 + id * 86_400_000),
            revision: 12,
            url: "http://10.0.0.100:80".to_owned(),
            client: Some("w1".parse().expect("a name")),
            bounds: kind.bounds(),
            verdict: Verdict::Pass,
            numbers: Numbers {
                requests: 4_012,
                failed: 14,
                cut: 1,
                failed_in_outage: 14,
                outage_ms: 139,
                resolution_ms: 10,
                outages: 1,
                answers_again: true,
                gap_ms: 148,
                half_us: 612,
                ninety_nine_us: 2_104,
                pages: PageCount {
                    sent: 1,
                    doubled: 0,
                    late: 0,
                },
            },
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = encode(&record(7)).expect("it is short");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // A change of the layout needs a new format.
        golden("record.hex", &format!("{hex}\n"));
        assert_eq!(decode(&bytes).expect("as written"), record(7));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let bytes = encode(&record(7)).expect("it is short");
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        assert!(decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        assert!(decode(&vec![0; 5_000]).is_err());
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        let text = "\\PC{0,300}";
        prop_oneof![
            Just(Verdict::Pass),
            prop::collection::vec(Just(Lapse::Doubled(u64::MAX)), 1..40).prop_map(Verdict::Fail),
            (text, text).prop_map(|(who, why)| Verdict::Aborted(Aborted::Locked { who, why })),
            text.prop_map(|why| Verdict::Aborted(Aborted::NotInjected { why })),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_bounded_is_kept_and_comes_back(
            texts in prop::array::uniform4("\\PC{0,400}"),
            verdict in verdict(),
        ) {
            let [target, injection, by, url] = texts;
            let long = DrillRecord { target, injection, by, url, verdict, ..record(1 << 37) };
            let bounded = long.bounded();
            prop_assert_eq!(&bounded.clone().bounded(), &bounded);
            let bytes = encode(&bounded).expect("bounded");
            prop_assert_eq!(decode(&bytes).expect("as written"), bounded);
        }

        #[test]
        fn no_bytes_are_dangerous(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
