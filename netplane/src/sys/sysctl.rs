//! What the kernel says about ARP on an interface.

use std::fs;
use std::io;
use std::path::Path;

/// Sets `arp_ignore=1` (answer only for addresses of the interface asked on) and `arp_announce=2`
/// (never name a VIP in requests of our own) on an interface.
///
/// **Errors**: no such interface, or not allowed; a VIP may then be answered for, or be named, on
/// another interface than its own.
///
/// **Source**: `vip-protocol.md`, section 6; Linux `ip-sysctl.rst`.
pub fn quiet_arp(interface: &str) -> io::Result<()> {
    let folder = Path::new("/proc/sys/net/ipv4/conf").join(interface);
    for (name, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
        let file = folder.join(name);
        if fs::read_to_string(&file)?.trim() != value {
            fs::write(&file, value)?;
        }
    }
    Ok(())
}
