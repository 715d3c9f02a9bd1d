//! That the catalogue is complete, in order, and fits a terminal.

use super::*;

#[test]
fn numbers_rise() {
    let numbers: Vec<u16> = Code::ALL.iter().map(|code| code.entry().number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
}

#[test]
fn every_entry_is_complete_and_fits_a_terminal() {
    for &code in Code::ALL {
        let entry = code.entry();
        assert!(!entry.title.is_empty() && !entry.text.is_empty(), "{code}");
        assert!(!entry.mend.is_empty(), "{code} says no way out");
        assert!(entry.title.len() <= 80, "{code}: the title is one line");
        assert!((400..=599).contains(&entry.status), "{code}");
    }
}
