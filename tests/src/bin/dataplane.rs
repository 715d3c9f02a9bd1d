//! The data path alone, for benches: one service from the command line, served until it is killed.
//!
//! `dataplane RUNTIMES LISTEN http|tcp METHOD ADDRESS[*WEIGHT]…`

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, bail};
use farmux_netplane::plan::{Limits, Method, ServerPlan, ServiceKey, ServiceKind, ServicePlan};
use farmux_netplane::serve::Serving;

/// The defaults of a service, as the replicated state has them.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    header: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    total: Duration::from_secs(3600),
};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [runtimes, listen, kind, method, servers @ ..] = &words[..] else {
        bail!("usage: dataplane RUNTIMES LISTEN KIND METHOD ADDRESS[*WEIGHT]…");
    };
    let kind = match kind.as_str() {
        "http" => ServiceKind::Http,
        "tcp" => ServiceKind::Tcp,
        other => bail!("no kind of service: {other}"),
    };
    let listen = listen.parse().context("LISTEN is no address")?;
    let plan = ServicePlan {
        method: match method.as_str() {
            "round-robin" => Method::RoundRobin,
            "least-connections" => Method::LeastConnections,
            "source-hash" => Method::SourceHash,
            "random-of-two" => Method::RandomOfTwo,
            other => bail!("no method: {other}"),
        },
        servers: servers
            .iter()
            .enumerate()
            .map(server)
            .collect::<anyhow::Result<_>>()?,
        ..ServicePlan::plain(listen, kind, LIMITS)
    };
    let serving = Serving::start(runtimes.parse::<NonZeroUsize>().context("RUNTIMES")?)?;
    let key = ServiceKey {
        farm: "bench".into(),
        service: "web".into(),
    };
    serving.apply(BTreeMap::from([(key, plan)]));
    loop {
        std::thread::park();
    }
}

fn server((place, word): (usize, &String)) -> anyhow::Result<(std::sync::Arc<str>, ServerPlan)> {
    let (address, weight) = word.split_once('*').unwrap_or((word, "1"));
    let plan = ServerPlan {
        weight: weight
            .parse()
            .with_context(|| format!("no weight: {weight}"))?,
        ..ServerPlan::plain(
            address
                .parse()
                .with_context(|| format!("no address: {address}"))?,
        )
    };
    Ok((format!("s{}", place + 1).into(), plan))
}
