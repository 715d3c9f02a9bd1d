//! Whether drills can sever this node from others: by nftables, whose program the daemon starts.

use std::path::Path;

use farmux_netplane::sys::find_nft;

use super::Finding;
use crate::fault::Code;

const CHECK: &str = "packet-filter";

pub(super) fn look() -> Finding {
    judge(find_nft().as_deref())
}

/// PURE. All but drills goes on without it.
fn judge(program: Option<&Path>) -> Finding {
    match program {
        Some(program) => Finding::ok(CHECK, program.display().to_string()),
        None => Finding::warn(CHECK, Code::DoctorFilter, "nft is not installed")
            .why("node-isolate, gateway-loss and quorum-loss cannot be drilled on this node")
            .mend("apt-get install nftables"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named() {
        assert_eq!(judge(Some(Path::new("/usr/sbin/nft"))).level, Level::Ok);
        let missing = judge(None);
        assert_eq!(
            (missing.level, missing.code.as_str()),
            (Level::Warn, "FMX-147")
        );
        assert!(missing.mend.contains("nftables"));
    }
}
