//! PURE. What this machine does on the wire, as metrics: services, servers, leases, probes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::fence::FenceStatus;
use farmux_netplane::plan::ServiceKey;
use farmux_netplane::probe::{Lag, ProbeCounts, Scarce, Shortage};
use farmux_netplane::serve::ServiceCounts;
use farmux_netplane::vip::VipStatus;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Labels, gauges, number};

/// What the parts of this machine counted since the daemon started.
#[derive(Debug, Clone, Default)]
pub struct WireView {
    /// The data path, service by service.
    pub services: BTreeMap<ServiceKey, ServiceCounts>,
    /// The probes.
    pub probes: ProbeCounts,
    /// Checks that cannot be made here.
    pub blind: usize,
    /// Of what there is too little for them.
    pub shortages: Vec<Shortage>,
    /// The lease thread, by the name of what it counts.
    pub leases: Vec<(&'static str, u64)>,
    /// Holds without a majority that ended, by reason.
    pub hold_ends: Vec<(&'static str, u64)>,
    /// Lease datagrams that were ignored, by reason.
    pub ignored: Vec<(&'static str, u64)>,
    /// Connections of nodes and joiners that were refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Calls of the dead-man's switch, by outcome.
    pub heartbeats: Vec<(&'static str, u64)>,
    /// What the kernel's fence does for them, and when that was asked, by the boot clock.
    pub fences: BTreeMap<Arc<str>, FenceStatus>,
    /// That moment, in nanoseconds.
    pub fences_at_ns: u64,
    /// What is seen around VIPs.
    pub vips: BTreeMap<Arc<str>, VipStatus>,
}

/// All of it.
pub(super) fn expose(registry: &mut Registry, wire: &WireView) {
    services(registry, &wire.services);
    servers(registry, &wire.services);
    probes(registry, wire);
    super::vips::expose(registry, &wire.vips);
    super::fences::expose(registry, &wire.fences, wire.fences_at_ns);
    let by = |label, pairs: &[(&'static str, u64)]| labelled(label, pairs);
    counters(
        registry,
        "lease_events",
        "What the lease thread did",
        by("event", &wire.leases),
    );
    let help = "Holds without a majority that ended, by reason";
    counters(registry, "hold_ends", help, by("reason", &wire.hold_ends));
    let help = "Lease datagrams ignored, by reason";
    counters(registry, "lease_ignored", help, by("reason", &wire.ignored));
    let help = "Connections on the peer port refused, by reason";
    counters(registry, "peer_refused", help, by("reason", &wire.refused));
    let help = "Calls of the heartbeat's URL, by outcome";
    counters(
        registry,
        "heartbeats",
        help,
        by("outcome", &wire.heartbeats),
    );
}

fn probes(registry: &mut Registry, wire: &WireView) {
    let ProbeCounts {
        started,
        passed,
        failed,
        inconclusive,
        verdicts,
        lag,
    } = wire.probes;
    let outcomes = [
        ("passed", passed),
        ("failed", failed),
        ("inconclusive", inconclusive),
    ];
    counters(
        registry,
        "probes",
        "Probes that ended, by outcome",
        labelled("outcome", &outcomes),
    );
    counters(registry, "probes_started", "Probes started", plain(started));
    counters(registry, "verdicts", "Verdicts reached", plain(verdicts));
    let help = "By how much probes started late";
    registry.register("probe_lag_seconds", help, Late(lag));
    let blind = [(Labels::new(), number(wire.blind as u64))];
    let help = "Checks that have told nothing for five intervals and a minute";
    gauges(registry, "probe_blind", help, blind);
    let short = Scarce::ALL.map(|of| {
        let missing = wire.shortages.iter().find(|short| short.of == of);
        let missing = missing.map_or(0, |short| short.need.saturating_sub(short.have));
        (vec![("of", of.word().to_owned())], number(missing))
    });
    let help = "What this machine lacks for its checks, were all targets to hang; 0: nothing";
    gauges(registry, "probe_shortage", help, short);
}

fn services(registry: &mut Registry, services: &BTreeMap<ServiceKey, ServiceCounts>) {
    let each = |value: fn(&ServiceCounts) -> u64| {
        services
            .iter()
            .map(move |(key, counts)| (of_service(key), value(counts)))
    };
    let signed = |(labels, value): (Labels, u64)| (labels, number(value));
    let help = "Runtimes whose listener is bound";
    gauges(
        registry,
        "service_listening",
        help,
        each(|counts| counts.listening).map(signed),
    );
    let help = "Client connections open now";
    gauges(
        registry,
        "service_open",
        help,
        each(|counts| counts.open).map(signed),
    );
    let help = "Client connections accepted";
    counters(
        registry,
        "service_accepted",
        help,
        each(|counts| counts.accepted),
    );
    let help = "HTTP requests whose head was accepted";
    counters(
        registry,
        "service_requests",
        help,
        each(|counts| counts.requests),
    );
    let help = "Clients that wait now until a server has room";
    gauges(
        registry,
        "service_queued_now",
        help,
        each(|counts| counts.queued_now).map(signed),
    );
    let help = "Clients that had to wait until a server had room";
    counters(
        registry,
        "service_queued",
        help,
        each(|counts| counts.queued),
    );
    let help = "Pages of last resort shown where no server was left";
    counters(
        registry,
        "service_last_resorts",
        help,
        each(|counts| counts.last_resorts),
    );
    reasons(registry, services);
}

fn reasons(registry: &mut Registry, services: &BTreeMap<ServiceKey, ServiceCounts>) {
    type Reasons = fn(&ServiceCounts) -> &BTreeMap<&'static str, u64>;
    let reasons = |pick: Reasons| {
        services.iter().flat_map(move |(key, counts)| {
            pick(counts).iter().map(move |(reason, count)| {
                let mut labels = of_service(key);
                labels.push(("reason", (*reason).to_owned()));
                (labels, *count)
            })
        })
    };
    let help = "Clients, and on FTP what they or their servers said, refused, by reason";
    counters(
        registry,
        "service_refused",
        help,
        reasons(|counts| &counts.refusals),
    );
    let help = "Requests that no server answered, by reason";
    counters(
        registry,
        "service_failed",
        help,
        reasons(|counts| &counts.failures),
    );
}

fn servers(registry: &mut Registry, services: &BTreeMap<ServiceKey, ServiceCounts>) {
    let each = || {
        services.iter().flat_map(|(key, counts)| {
            counts.servers.iter().map(move |(server, counts)| {
                let mut labels = of_service(key);
                labels.push(("server", server.to_string()));
                (labels, *counts)
            })
        })
    };
    let active = each().map(|(labels, counts)| (labels, number(counts.active)));
    gauges(
        registry,
        "server_active",
        "Connections or requests in hand",
        active,
    );
    let taken = each().map(|(labels, counts)| (labels, counts.taken));
    counters(
        registry,
        "server_taken",
        "Connections or requests given to it",
        taken,
    );
    let failed = each().map(|(labels, counts)| (labels, counts.connects_failed));
    counters(
        registry,
        "server_connects_failed",
        "Connects that failed",
        failed,
    );
    let failures = each().map(|(labels, counts)| (labels, counts.failures));
    counters(
        registry,
        "server_failures",
        "Answers that failed after the connect",
        failures,
    );
}

fn of_service(key: &ServiceKey) -> Labels {
    vec![
        ("farm", key.farm.to_string()),
        ("service", key.service.to_string()),
    ]
}

fn plain(value: u64) -> [(Labels, u64); 1] {
    [(Labels::new(), value)]
}

fn labelled(label: &'static str, pairs: &[(&'static str, u64)]) -> Vec<(Labels, u64)> {
    pairs
        .iter()
        .map(|(word, count)| (vec![(label, (*word).to_owned())], *count))
        .collect()
}

/// The histogram of late starts, counted elsewhere.
#[derive(Debug)]
struct Late(Lag);

impl EncodeMetric for Late {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Late(lag) = self;
        let steps = Lag::STEPS_MS.map(|step| Duration::from_millis(step).as_secs_f64());
        // The encoder's word for no bound at all.
        let bounds = steps.into_iter().chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(lag.counts).collect();
        let sum = lag.sum.as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, lag.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// One counter with all its samples; its name gets `_total`.
pub(super) fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels, u64)>,
) {
    let samples: Vec<(Labels, u64)> = samples.into_iter().collect();
    // A family of one without labels would be written as `name{}`.
    if let [(labels, value)] = samples.as_slice()
        && labels.is_empty()
    {
        let counter = Counter::<u64>::default();
        counter.inc_by(*value);
        return registry.register(name, help, counter);
    }
    let family = Family::<Labels, Counter>::default();
    for (labels, value) in samples {
        family.get_or_create(&labels).inc_by(value);
    }
    registry.register(name, help, family);
}
