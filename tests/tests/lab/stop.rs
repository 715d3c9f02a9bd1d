//! A planned stop: the address goes before the lease, so that nobody can have both, and the log
//! goes last.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::daemon::{InitOrder, InitVip, Node};
use farmux_node::settings::Settings;
use farmux_raft::consensus::Role;
use farmux_tests::lab::{GATEWAY, Lab, VIP, node_address};

/// A lease, an address and its announcement, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_address_goes_before_the_lease_and_the_log_last() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("lb1", node_address(1))?;
    let text = format!(
        "name = \"lb1\"\npeer = [\"{0}:7946\"]\nadmin = \"{0}:9443\"\nsocket = \"{1}/admin.sock\"\n\
         data = \"{1}/data\"\nserving_threads = 1\n[networks]\nlan = \"eth0\"\n",
        node_address(1),
        lab.folder().display()
    );
    let settings = Settings::parse(&text).map_err(anyhow::Error::msg)?;
    // The daemon in this process, because both sides of the moment are to be seen in it.
    host.within(|| -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let stopped = runtime.block_on(stop_an_owner(settings));
        // Its threads end with the process; none of them is waited for here.
        runtime.shutdown_background();
        stopped
    })
}

async fn stop_an_owner(settings: Settings) -> Result<()> {
    let node = Arc::new(Node::new(settings));
    let vip = InitVip {
        name: "front".parse()?,
        address: VIP.into(),
        network: "lan".parse()?,
        gateway: Some(GATEWAY.into()),
    };
    let init = InitOrder {
        name: "prod".parse()?,
        vip: Some(vip),
    };
    node.init(init).await?;
    let member = node.member().context("it is a member")?;
    let wire = member.wire().context("it is a balancer")?;
    let mut shown = wire.vips.status();
    let is_shown = |vip: &farmux_netplane::vip::VipStatus| vip.shown_since.is_some();
    let shows = shown.wait_for(|all| all.values().any(is_shown));
    tokio::time::timeout(PATIENCE, shows).await??;

    let mut held = member.lease().held();
    let watching = async {
        held.wait_for(|held| held.is_empty()).await?;
        // The very moment: whoever wants the VIP may have it from now on.
        let gone = !shown.borrow().values().any(is_shown);
        let log = member.consensus().standing().borrow().role;
        anyhow::Ok((gone, log))
    };
    let (seen, ()) = tokio::join!(watching, member.stop());
    let (gone, log) = seen?;
    ensure!(gone, "the lease was given up with the address still there");
    ensure!(log != Role::Stopped, "the log went first");
    Ok(())
}
