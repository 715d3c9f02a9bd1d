//! The bound on memory: what a decoder holds at once, against the length of what it reads.

/// Runs something, and says how many bytes more than before it held at once, at most.
pub type Measure = fn(&mut dyn FnMut()) -> u64;

/// Bytes that a decoder may hold for each byte that it reads (issue 6).
pub const BYTES_A_BYTE_MAX: u64 = 100;

/// Bytes that it may hold for an input of no length: a first buffer, the words of a refusal, one
/// node of a B-tree of large values (eleven places each), the 80 levels that TOML may be deep, each
/// a table of its own of a kilobyte.
pub const ROOM_BYTES: u64 = 128 << 10;

/// Measures the decoding of one input.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    measure: Measure,
    allowed: u64,
}

impl Meter {
    /// For an input of so many bytes.
    pub fn new(measure: Measure, input_bytes: usize) -> Meter {
        let bytes = u64::try_from(input_bytes).expect("a length fits");
        Meter {
            measure,
            allowed: bytes * BYTES_A_BYTE_MAX + ROOM_BYTES,
        }
    }

    /// Decodes, within the bound.
    ///
    /// **Panics**: it held more.
    pub fn within<T>(&self, decode: impl FnOnce() -> T) -> T {
        let (mut decode, mut decoded) = (Some(decode), None);
        let held = (self.measure)(&mut || decoded = decode.take().map(|decode| decode()));
        let allowed = self.allowed;
        assert!(
            held <= allowed,
            "it held {held} bytes at once, where {BYTES_A_BYTE_MAX} a byte, {allowed}, are allowed"
        );
        decoded.expect("whoever measures runs it once")
    }
}
