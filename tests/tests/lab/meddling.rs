//! Other programs and loose cables: put right at once, counted, and paged when it goes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use farmux_tests::faults::judge::FrameKind;
use farmux_tests::faults::stranger::{card, claim};
use farmux_tests::faults::tap::Tap;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::network::Host;
use farmux_tests::lab::process::run;
use farmux_tests::lab::{CLIENT, Lab, VIP, node_address, wait};

use crate::vip::{LONG, Machine, NAME, SECOND, WOKEN_WITHIN, ends_in, plan, plan_of};

const SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
/// The early announcements of a gain are over (`vip-protocol.md`, section 7).
const EARLY: Duration = Duration::from_secs(6);
/// Room for two defences and no third, beside one of the announcements that come every 30 s.
const CLAIMED_FOR: Duration = Duration::from_secs(18);

fn ip(host: &Host, words: &str) -> Result<String> {
    run(host.command("ip").args(words.split_whitespace()))
}

fn six_of(host: &Host) -> String {
    ip(host, "-6 addr show dev eth0").unwrap_or_default()
}

/// Waits until so much was counted, and the address is as it should be.
fn counted(machine: &Machine, total: u64, here: impl Fn() -> bool) -> Result<()> {
    wait::until_true("it is put right and counted", WOKEN_WITHIN, || {
        machine.status().meddling.total == total && here()
    })
}

#[test]
fn what_another_program_does_to_an_address_is_put_right_and_counted() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("lb1", node_address(1))?;
    let machine = Machine::start(host.clone(), plan(Some("eth0")));
    let adopted = || machine.vips.status().borrow().contains_key(NAME);
    wait::until_true("the plan is adopted", SECOND, adopted)?;

    // Where it must not be: as the daemon would, and as an administrator would.
    for (total, address) in (1..).zip(["10.0.0.100/32", "10.0.0.100/24"]) {
        ip(&host, &format!("addr add {address} dev eth0"))?;
        counted(&machine, total, || !host.holds(VIP))?;
    }
    ensure!(machine.status().meddling.episode.is_none());
    ip(&host, "addr add 10.0.0.100/32 dev lo")?;

    machine.leases.set(NAME, ends_in(LONG));
    wait::until_true("the VIP is here", SECOND, || {
        machine.status().shown_since.is_some()
    })?;
    host.forget(VIP)?;
    counted(&machine, 3, || host.holds(VIP))?;
    let meddling = machine.status().meddling;
    ensure!(meddling.episode == Some(3), "{meddling:?}");
    ensure!(
        meddling.last == "10.0.0.100 was removed from eth0",
        "{meddling:?}"
    );

    // Made to stay: it would outlive the daemon.
    ip(
        &host,
        "addr replace 10.0.0.100/32 dev eth0 valid_lft forever preferred_lft forever",
    )?;
    let lasts = || ip(&host, "addr show dev eth0").is_ok_and(|s| s.contains("valid_lft forever"));
    counted(&machine, 4, || host.holds(VIP))?;
    // The node's own address stays as it is.
    ensure!(lasts() && host.holds(node_address(1)));

    // What it does itself, and what only its lease ends, is nobody's deed.
    machine.leases.set(NAME, None);
    machine.wait_for("it goes", false, SECOND);
    wait::throughout("nothing is counted", SECOND, || {
        machine.status().meddling.total == 4
    })
}

#[test]
fn an_ipv6_address_lives_by_the_same_rules_and_is_announced() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("lb1", node_address(1))?;
    let client = lab.host("client", CLIENT)?;
    ip(&client, "-6 addr add fd00::200/64 dev eth0 nodad")?;
    // What it knew of the last owner.
    let stale = "-6 neigh replace fd00::100 lladdr 02:00:00:00:00:99 dev eth0 nud stale";
    ip(&client, stale)?;
    let link = ip(&host, "link show dev eth0")?;
    let mac = link
        .split("link/ether ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let mac = mac.unwrap_or("no MAC").to_owned();

    let machine = Machine::start(host.clone(), plan_of(IpAddr::V6(SIX), Some("eth0")));
    machine.leases.set(NAME, ends_in(LONG));
    wait::until_true("the VIP is here", SECOND, || {
        six_of(&host).contains("fd00::100/128")
    })?;
    let shown = six_of(&host);
    let vip = shown
        .split("inet6 ")
        .find(|part| part.starts_with("fd00::100"))
        .unwrap_or("");
    ensure!(
        !vip.contains("tentative") && vip.contains("preferred_lft 0sec"),
        "{vip}"
    );
    ensure!(
        vip.contains("valid_lft 2sec") || vip.contains("valid_lft 1sec"),
        "{vip}"
    );
    wait::until_true("its advertisement overrides", SECOND, || {
        ip(&client, "-6 neigh show dev eth0").is_ok_and(|neighbours| {
            let mut lines = neighbours.lines();
            lines.any(|line| line.starts_with("fd00::100 ") && line.contains(&mac))
        })
    })?;
    wait::throughout("it is renewed", 3 * SECOND, || {
        six_of(&host).contains("fd00::100/128")
    })?;
    ensure!(
        machine.status().meddling.total == 0,
        "its own renewals are its own"
    );

    ip(&host, "-6 addr del fd00::100/128 dev eth0")?;
    counted(&machine, 1, || six_of(&host).contains("fd00::100/128"))?;
    // An interface that goes down takes its IPv6 addresses along: a lost carrier, no meddling.
    ip(&host, "link set eth0 down")?;
    let lost = || machine.status().carrier_lost.total == 1 && !machine.status().carrier;
    wait::until_true("the carrier is missed", WOKEN_WITHIN, lost)?;
    ip(&host, "link set eth0 up")?;
    let back = || machine.status().carrier && six_of(&host).contains("fd00::100/128");
    wait::until_true("it is back", 2 * SECOND, back)?;
    ensure!(
        machine.status().meddling.total == 1,
        "{:?}",
        machine.status()
    );

    machine.leases.set(NAME, None);
    wait::until_true("it goes", SECOND, || !six_of(&host).contains("fd00::100"))
}

#[test]
fn a_loose_cable_is_counted_at_once() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("lb1", node_address(1))?;
    let machine = Machine::start(host.clone(), plan(Some("eth0")));
    machine.leases.set(NAME, ends_in(LONG));
    wait::until_true("the VIP is here", SECOND, || {
        machine.status().announced >= 1
    })?;
    for total in 1..=3 {
        host.unplug()?;
        let missed = || machine.status().carrier_lost.total == total;
        wait::until_true("it is missed", WOKEN_WITHIN, missed)?;
        host.plug()?;
        wait::until_true("it is back", 2 * SECOND, || machine.status().carrier)?;
    }
    let lost = machine.status().carrier_lost;
    ensure!(lost.episode == Some(3) && lost.last == "eth0", "{lost:?}");
    Ok(())
}

#[test]
fn a_program_that_meddles_again_and_again_is_one_page() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mail = MailServer::start(&cluster.lab)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.owner()?;
    let host = cluster.nodes[0].host();
    for _ in 0..5 {
        wait::until_true("the VIP is here", AGREES_WITHIN, || host.holds(VIP))?;
        host.forget(VIP)?;
        wait::until_true("it is back", WOKEN_WITHIN, || host.holds(VIP))?;
    }
    let page = mail.wait_for("[DOWN] prod addresses of lb1", AGREES_WITHIN)?;
    ensure!(
        page.text.contains("10.0.0.100 was removed from eth0"),
        "{}",
        page.text
    );
    ensure!(page.text.contains("times within 10m"), "{}", page.text);
    let about = |subject: &str| subject.contains("addresses of");
    wait::throughout("one page", Duration::from_secs(3), || {
        mail.mails()
            .iter()
            .filter(|mail| about(&mail.subject))
            .count()
            == 1
    })
}

/// **Source**: `vip-protocol.md`, section 6: a live lease defends, at most once per 10 s, and a
/// page names the MAC.
#[test]
fn a_stranger_that_claims_is_one_page_and_is_answered_once_in_ten_seconds() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mail = MailServer::start(&cluster.lab)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.owner()?;
    let stranger = cluster.lab.host("stranger", STRANGER)?;
    let (_, ours) = card(cluster.nodes[0].host())?;
    let mac = run(stranger.command("cat").arg("/sys/class/net/eth0/address"))?;

    let tap = Tap::open(&cluster.lab.bridge(), VIP, Instant::now());
    claim(&stranger, EARLY + CLAIMED_FOR)?;
    let frames = tap.stop()?;
    let said = frames
        .iter()
        .filter(|frame| frame.from == ours && frame.kind == FrameKind::Claim);
    let said: Vec<Duration> = said
        .map(|frame| frame.at)
        .filter(|at| *at > EARLY)
        .collect();
    // Each is two frames, a request and a reply.
    let bursts = said
        .iter()
        .enumerate()
        .filter(|(number, at)| *number == 0 || **at - said[number - 1] > Duration::from_millis(50))
        .count();
    ensure!((1..=3).contains(&bursts), "{bursts}: {said:?}");

    let about = format!("VIP front claimed by {}", mac.trim());
    mail.wait_for(&format!("[DOWN] prod {about}"), AGREES_WITHIN)?;
    let down = |subject: &str| subject.starts_with("[DOWN]") && subject.contains("claimed by");
    wait::throughout("one page", Duration::from_secs(3), || {
        mail.mails()
            .iter()
            .filter(|mail| down(&mail.subject))
            .count()
            == 1
    })
}
