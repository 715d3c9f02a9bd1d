//! What servers answer to checks: every kind of check ends with a word of ours, in which no byte of
//! theirs can do harm, however the bytes came.

use farmux_netplane::probe::seam::{CHECKS, hear, is_same_in_pieces};

use super::meter::Meter;

/// What a check says stands in pages, in tables and in the log: one short line.
const WORDS_BYTES_MAX: usize = 300;

/// Longest input of which pieces do not matter: beyond, a parser may refuse a line that is not
/// whole yet, and take the same line at once.
const PIECES_BYTES_MAX: usize = 1_000;

/// The first byte says which check it is; the second, in which pieces the answer comes.
pub(super) fn probe(meter: &Meter, input: &[u8]) {
    let Some(([kind, piece], answer)) = input.split_first_chunk() else {
        return;
    };
    let heard = CHECKS[usize::from(*kind) % CHECKS.len()];
    let piece = usize::from(*piece).max(1);
    let whole = meter.within(|| hear(heard, answer, answer.len()));
    let pieces = meter.within(|| hear(heard, answer, piece));
    for words in [&whole, &pieces] {
        let harmless = words.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(harmless, "{heard:?}: {words:?}");
        assert!(
            !words.is_empty() && words.len() <= WORDS_BYTES_MAX,
            "{heard:?}: {words}"
        );
    }
    if is_same_in_pieces(heard) && answer.len() <= PIECES_BYTES_MAX {
        assert_eq!(whole, pieces, "{heard:?}");
    }
}
