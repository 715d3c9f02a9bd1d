//! Servers and watches that seem to fail: pretended on this node, by its probes and its data path;
//! the server never hears of it. The timer is a deadline in this process's memory.

use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::health::HealthOverlay;
use farmux_netplane::pretend::{Pretend, Whom};
use farmux_raft::id::{FarmName, ServerName};

use crate::drill::Injection;

/// Pretends it, for so long at most.
///
/// **Errors**: too much is pretended already.
pub(super) fn pretend(
    overlay: &HealthOverlay,
    injection: &Injection,
    timer: Duration,
) -> Result<(), String> {
    let Some((whom, how)) = parts(injection) else {
        return Err("it is nothing that could be pretended".to_owned());
    };
    let pretended = overlay.pretend(whom, how, timer);
    pretended.map_err(|error| error.to_string())
}

/// Pretends it no more.
pub(super) fn pretend_no_more(overlay: &HealthOverlay, injection: &Injection) {
    if let Some((whom, _)) = parts(injection) {
        overlay.pretend_no_more(&whom);
    }
}

/// PURE. Who seems to be how.
fn parts(injection: &Injection) -> Option<(Whom, Pretend)> {
    let whom = |farm: &FarmName, server: &ServerName| Whom::Server {
        farm: Arc::from(farm.as_str()),
        server: Arc::from(server.as_str()),
    };
    match injection {
        Injection::ServerDown { farm, server } => Some((whom(farm, server), Pretend::Down)),
        Injection::ServerSlow { farm, server } => Some((whom(farm, server), Pretend::Slow)),
        Injection::ParentDown { watch } => {
            Some((Whom::Watch(Arc::from(watch.as_str())), Pretend::Down))
        }
        Injection::MoveVip { .. }
        | Injection::Crash { .. }
        | Injection::Pause { .. }
        | Injection::Isolate { .. }
        | Injection::LoseGateway { .. }
        | Injection::Page { .. }
        | Injection::CutMajority { .. }
        | Injection::FillDisk { .. }
        | Injection::Restore { .. } => None,
    }
}
