//! Texts that tests compare byte by byte.
//!
//! After a wanted change: `FARMUX_GOLDEN=write cargo test -p farmux-node golden`, and read the
//! diff.

use std::path::Path;

/// Compares with a file below this folder.
pub(super) fn golden(name: &str, shown: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/drill")
        .join(name);
    if std::env::var_os("FARMUX_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&file, shown).expect("the golden file can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(shown == wanted, "{name} differs; it is now\n{shown}");
}
