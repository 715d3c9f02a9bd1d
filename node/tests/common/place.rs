//! Places on the loopback that no other test has.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody was given yet, at an address of this process's own: tests run beside each
/// other, and whoever picks a free port and binds it later may find somebody there.
pub(crate) fn place() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(2_000);
    // Numbers of processes have 22 bits; 64 and above is where nobody else listens.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 64 + high, middle, low);
    (own, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}
