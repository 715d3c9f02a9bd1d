//! Pages as they arrive: one mail for a server that went down, one for its return, whoever leads
//! and whether the relay answers or not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{DeliveryReport, DeliveryState, PageReport, RevisionReport};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::{CLIENT, wait};

/// Longer than the first retries of a delivery, so that a second mail would have come.
const NO_SECOND_WITHIN: Duration = Duration::from_secs(3);

fn three_nodes_two_servers() -> Result<(Cluster, Nginx, Nginx)> {
    let cluster = Cluster::form(3)?;
    let one = Nginx::start(&cluster.lab, 1)?;
    let two = Nginx::start(&cluster.lab, 2)?;
    cluster.nodes[0].apply(&shop(&[1, 1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_health("shop", "s2", Health::Up)?;
    cluster.wait_for_service()?;
    Ok((cluster, one, two))
}

/// The page about this, once a delivery of it failed.
fn failed_page(cluster: &Cluster, about: &str) -> Result<PageReport> {
    let due = |page: &PageReport| {
        let at_risk = |delivery: &DeliveryReport| {
            delivery.state == DeliveryState::Due && delivery.failures > 0
        };
        page.subject.contains(about) && page.deliveries.iter().any(at_risk)
    };
    wait::until("a delivery that failed", AGREES_WITHIN, || {
        cluster.any().ok()?.pages().ok()?.into_iter().find(due)
    })
}

#[test]
fn a_server_down_and_back_is_two_mails_and_no_failed_request() -> Result<()> {
    let (cluster, _one, mut two) = three_nodes_two_servers()?;
    let mail = MailServer::start(&cluster.lab)?;
    two.stop()?;
    let down = mail.wait_for("[DOWN] prod shop/s2", AGREES_WITHIN)?;
    ensure!(
        down.subject.contains("1 of 2 up"),
        "says what is left: {}",
        down.subject
    );
    ensure!(
        down.field("to").as_deref() == Some("ops@example.com"),
        "{down:?}"
    );
    ensure!(
        down.field("from")
            .is_some_and(|from| from.contains("farmux@example.com"))
    );
    let counts = cluster.spread(40, &["s1", "s2"])?;
    ensure!(counts == [40, 0], "out of rotation: {counts:?}");

    two.back()?;
    let up = mail.wait_for("[UP] prod shop/s2", AGREES_WITHIN)?;
    cluster.wait_for_health("shop", "s2", Health::Up)?;
    wait::until_true("back in rotation", AGREES_WITHIN, || {
        cluster
            .spread(10, &["s1", "s2"])
            .is_ok_and(|counts| counts[1] > 0)
    })?;
    wait::throughout("one mail each", NO_SECOND_WITHIN, || {
        mail.about("[DOWN] prod shop/s2").len() == 1 && mail.about("[UP] prod shop/s2").len() == 1
    })?;
    ensure!(
        down.field("message-id") != up.field("message-id"),
        "two pages, two ids"
    );

    let pages = cluster.any()?.pages()?;
    let page = pages
        .iter()
        .find(|page| !page.open && page.subject.contains("shop/s2"));
    let id = &page.context("the page is listed")?.id;
    let message = down.field("message-id").context("a mail has an id")?;
    ensure!(
        pages.iter().any(|page| message.contains(&page.id)),
        "{id}: {message}"
    );
    Ok(())
}

/// The farm without servers, the last page a site wants: it names the farm, and 503 comes at once.
#[test]
fn the_last_server_down_pages_for_the_farm() -> Result<()> {
    let (cluster, mut one, mut two) = three_nodes_two_servers()?;
    let mail = MailServer::start(&cluster.lab)?;
    one.stop()?;
    two.stop()?;
    let farm = mail.wait_for("[DOWN] prod farm shop", AGREES_WITHIN)?;
    ensure!(!farm.subject.contains("shop/"), "{}", farm.subject);
    let answer = cluster.get("/")?;
    ensure!(answer.status == 503, "{}", answer.status);
    one.back()?;
    mail.wait_for("[UP] prod farm shop", AGREES_WITHIN)?;
    cluster.wait_for_service()
}

/// A relay that is away delays a page; a leader that dies meanwhile hands it on; it comes once.
#[test]
fn a_page_survives_its_relay_and_its_leader() -> Result<()> {
    let (mut cluster, _one, mut two) = three_nodes_two_servers()?;
    let mut mail = MailServer::start(&cluster.lab)?;
    mail.stop();
    two.stop()?;
    let page = failed_page(&cluster, "shop/s2")?;
    let leader = cluster.leader()?;
    cluster.node(&leader).kill();
    mail.back()?;
    let came = mail.wait_for("[DOWN] prod shop/s2", 2 * AGREES_WITHIN)?;
    let message = came.field("message-id").context("a mail has an id")?;
    ensure!(
        message.contains(&page.id),
        "the same id for ever: {message}, {}",
        page.id
    );
    wait::throughout("one mail", NO_SECOND_WITHIN, || {
        mail.about("[DOWN] prod shop/s2").len() == 1
    })?;
    mail.wait_for(&format!("[DOWN] prod node {leader}"), AGREES_WITHIN)?;

    cluster
        .any()?
        .ask(&["page", "ack", &page.id[..8], "--by", "kim"])?;
    let pages = cluster.any()?.pages()?;
    let acked = pages
        .iter()
        .find(|have| have.id == page.id)
        .context("still listed")?;
    ensure!(acked.acknowledged_by.as_deref() == Some("kim"), "{acked:?}");
    Ok(())
}

/// A leader that slept wakes as the leader that it was, with a retry overdue: it sends nothing, and
/// acknowledges nothing, before it has followed whoever led meanwhile.
#[test]
fn a_leader_that_wakes_neither_mails_nor_acknowledges_before_it_follows() -> Result<()> {
    let (mut cluster, _one, mut two) = three_nodes_two_servers()?;
    let mut mail = MailServer::start(&cluster.lab)?;
    mail.stop();
    two.stop()?;
    failed_page(&cluster, "shop/s2")?;
    let old = cluster.leader()?;
    cluster.node(&old).process()?.pause()?;
    let others: Vec<_> = cluster
        .nodes
        .iter()
        .filter(|node| node.name() != old)
        .collect();
    wait::until_true("another leads", 2 * AGREES_WITHIN, || {
        let cluster = others[0].status().ok().and_then(|status| status.cluster);
        cluster.is_some_and(|cluster| cluster.leader.is_some_and(|leader| leader.as_str() != old))
    })?;
    others[0].apply(&shop(&[7, 9]))?;
    mail.back()?;
    mail.wait_for("[DOWN] prod shop/s2", 2 * AGREES_WITHIN)?;

    cluster.node(&old).process()?.resume()?;
    let acknowledged = cluster.node(&old).apply(&shop(&[3, 4])).is_ok();
    let weights = match acknowledged {
        true => ["weight = 3", "weight = 4"],
        false => ["weight = 7", "weight = 9"],
    };
    wait::until_true("all have what was acknowledged", AGREES_WITHIN, || {
        let exports = cluster
            .nodes
            .iter()
            .map(|node| node.ask(&["config", "export"]));
        exports
            .flatten()
            .filter(|export| weights.iter().all(|weight| export.contains(weight)))
            .count()
            == 3
    })?;
    // What was decided meanwhile lies under it, or is the newest.
    let history: Vec<RevisionReport> = cluster.nodes[0].report(&["config", "history"])?;
    let decided = history.iter().find(|revision| {
        revision
            .diff
            .iter()
            .any(|line| line.contains("weight 1 -> 9"))
    });
    ensure!(decided.is_some(), "{history:?}");
    wait::throughout("one mail", NO_SECOND_WITHIN, || {
        mail.about("[DOWN] prod shop/s2").len() == 1
    })
    .with_context(|| format!("{old} slept; {:#?}", mail.mails()))
}

/// A majority that is lost cannot log its own loss: whoever notices mails it by its own word, and
/// the log has it under the same id when there is a majority again.
#[test]
fn a_lost_majority_is_mailed_without_a_log_and_logged_when_it_is_back() -> Result<()> {
    let mut cluster = Cluster::form(2)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    let mail = MailServer::start(&cluster.lab)?;
    cluster.node("lb2").kill();
    let down = mail.wait_for("[DOWN] [UNCOMMITTED] prod quorum", AGREES_WITHIN)?;
    let message = down.field("message-id").context("a mail has an id")?;

    cluster.node("lb2").run()?;
    mail.wait_for("[UP] prod quorum", AGREES_WITHIN)?;
    let pages = cluster.any()?.pages()?;
    ensure!(
        pages.iter().any(|page| message.contains(&page.id)),
        "the log has it under the same id: {message}, {pages:?}"
    );
    Ok(())
}

#[test]
fn a_contact_is_tested_on_demand_and_a_failure_is_shown() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    node.apply(&shop(&[1]))?;
    let (code, said) = node.refused(&["contact", "test", "ops"])?;
    ensure!(code != 0 && said.contains("FMX-"), "{said}");
    let mail = MailServer::start(&cluster.lab)?;
    node.ask(&["contact", "test", "ops"])?;
    let mail = mail.wait_for("prod", AGREES_WITHIN)?;
    let from = mail.field("x-peer").unwrap_or_default();
    ensure!(
        from.contains("10.0.0.11"),
        "leaves from the node's own address: {from}"
    );
    ensure!(!from.contains(&CLIENT.to_string()), "{from}");
    Ok(())
}
