//! The corpora: `tests/fuzz/corpus/TARGET/NAME`, each file one input, named by what it is.

use std::fs;
use std::io;
use std::path::PathBuf;

/// One input of a corpus.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The file's name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Where the corpora are.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"))
}

/// The corpus of one target, in the order of its names.
///
/// **Errors**: there is none, or it cannot be read.
pub fn seeds(target: &str) -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder().join(target))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = fs::read(entry.path())?;
        seeds.push(Seed { name, bytes });
    }
    seeds.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(seeds)
}
