//! The database below the log, as little of it as the log needs. sled is one; a disk that loses,
//! tears and delays writes, for the simulation, is another.

use std::ops::ControlFlow;

/// Longest value: above it, sled 0.34 lost data after a power cut and panicked on reopening
/// (measured at 16–40 KiB). Longer entries are split.
pub(crate) const VALUE_BYTES_MAX: usize = 4096;

/// What a database said when it failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KvError(pub String);

/// Changes that happen together or not at all.
#[derive(Debug, Default)]
pub struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Batch {
    /// Sets a value.
    ///
    /// **Panics**: when it is longer than 4 KiB.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        assert!(
            value.len() <= VALUE_BYTES_MAX,
            "a value of {} bytes",
            value.len()
        );
        self.0.push((key, Some(value)));
    }

    /// Forgets a value.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.0.push((key, None));
    }

    /// Its changes in order.
    pub fn into_changes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.0.into_iter()
    }
}

/// What [`Kv::scan`] calls with each key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map of short values.
pub trait Kv: Send + Sync + 'static {
    /// A value.
    ///
    /// **Errors**: what the database said.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Visits the keys from `from` up to but without `to`, in order, until the visitor breaks off.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), KvError>;

    /// Changes values: visible when it returns, durable after the next barrier.
    fn write(&self, batch: Batch) -> Result<(), KvError>;

    /// When it returns, whatever was written before survives a power cut.
    fn barrier(&self) -> Result<(), KvError>;
}
