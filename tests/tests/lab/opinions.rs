//! Whose fault it is: a server that is down, a node that cannot see, and the words of the page.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use farmux_raft::state::{Health, PageKind, PageVerdict};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::mail::{Mail, MailServer};
use farmux_tests::lab::network::Host;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::process::run;
use farmux_tests::lab::sheet::{WEB, sheet};
use farmux_tests::lab::{FILE_SERVER, server_address, wait};

/// Longer than anything here waits before it calls somebody, so that a second page would have come.
const NO_SECOND_WITHIN: Duration = Duration::from_secs(4);

/// Servers that are watched only: enough to suspect oneself.
const WATCHED: u8 = 32;

/// Where they answer.
const PORT: u16 = 8000;

/// Drops what `host` sends to `to`, as a firewall does that was set up wrong.
fn cut(host: &Host, to: Ipv4Addr) -> Result<()> {
    let rules = format!(
        "table ip cut {{ chain out {{ type filter hook output priority 0; ip daddr {to} drop; }}; \
         }}"
    );
    let mut command = host.command("nft");
    run(command.arg(rules)).map(|_| ())
}

fn mend(host: &Host) -> Result<()> {
    let mut command = host.command("nft");
    run(command.args(["delete", "table", "ip", "cut"])).map(|_| ())
}

#[test]
fn a_server_that_dies_and_a_path_that_does_are_told_apart() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let mail = MailServer::start(&cluster.lab)?;
    let (mut first, _second) = (
        Nginx::start(&cluster.lab, 1)?,
        Nginx::start(&cluster.lab, 2)?,
    );
    cluster.nodes[0].apply(&sheet("", &[WEB], &[(1, ""), (2, "")]))?;
    for server in ["s1", "s2"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }

    let down = judged(&mail, "shop/s1", |broken| match broken {
        true => first.stop(),
        false => first.back(),
    })?;
    ensure!(down.text.contains("server down"), "{}", down.text);
    ensure!(down.text.contains("; by lb"), "{}", down.text);

    let owner = cluster.owner()?;
    let host = cluster.node(&owner).host().clone();
    let path = judged(&mail, "shop/s2", |broken| match broken {
        true => cut(&host, server_address(2)),
        false => mend(&host),
    })?;
    let words = format!("node {owner} cannot reach shop/s2");
    ensure!(path.subject.contains(&words), "{}", path.subject);
    ensure!(path.text.contains("path down"), "{}", path.text);
    let page = newest(&cluster, "shop/s2")?;
    ensure!(page == Some(PageVerdict::PathDown), "{page:?}");
    Ok(())
}

/// Breaks a server, for two nodes to agree on whose fault it is, and mends it; its page. Whoever is
/// asked has less than a second, which a busy machine may take from it for once.
fn judged(mail: &MailServer, server: &str, mut be: impl FnMut(bool) -> Result<()>) -> Result<Mail> {
    for round in 1..=2 {
        let count = |part: &str| mail.about(&format!("{part} prod {server}")).len();
        be(true)?;
        wait::until_true("it is down", AGREES_WITHIN, || count("[DOWN]") == round)?;
        be(false)?;
        wait::until_true("it is up", AGREES_WITHIN, || count("[UP]") == round)?;
        ensure!(mail.about(server).len() == 2 * round, "{:?}", mail.mails());
        let down = mail
            .about(&format!("[DOWN] prod {server}"))
            .pop()
            .context("it was there")?;
        if !down.text.contains("no second opinion") {
            return Ok(down);
        }
    }
    bail!("twice no second opinion of {server}")
}

fn newest(cluster: &Cluster, subject: &str) -> Result<Option<PageVerdict>> {
    let pages = cluster.any()?.pages()?;
    let page = pages
        .iter()
        .find(|page| page.subject == subject && page.kind == PageKind::Down);
    Ok(page.and_then(|page| page.verdict))
}

/// All that the leader watches: one host with many addresses, which accepts whoever comes.
fn crowd(cluster: &Cluster) -> Result<Host> {
    let host = cluster.lab.host("fs1", FILE_SERVER)?;
    let listener = host.within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    // It ends with this process, which runs one test.
    thread::spawn(move || listener.incoming().for_each(drop));
    let mut toml = sheet("", &["\nname = \"raw\"\nkind = \"tcp\"\nport = 80\n"], &[]);
    for number in 0..WATCHED {
        // Each has its own: things of one address are one page anyhow.
        let address = crowded(number);
        host.also(address)?;
        toml.push_str(&format!(
            "\n[[watch]]\nname = \"w{number:02}\"\naddress = \"{address}\"\nport = {PORT}\n\
             check = {{ kind = \"tcp\", interval = \"500ms\", timeout = \"300ms\" }}\n"
        ));
    }
    cluster.nodes[0].apply(&toml)?;
    wait::until_true("all are well", AGREES_WITHIN, || {
        let status = cluster.status().ok().and_then(|status| status.cluster);
        status.is_some_and(|cluster| cluster.watches.up == usize::from(WATCHED))
    })?;
    Ok(host)
}

fn crowded(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 201 + number)
}

/// A leader that sees nothing any more is one page, which names it, and its end another.
#[test]
fn a_leader_that_cannot_see_is_one_page() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let mail = MailServer::start(&cluster.lab)?;
    let _crowd = crowd(&cluster)?;
    let leader = cluster.leader()?;
    let host = cluster.node(&leader).host().clone();
    // Wider than the crowd, and nobody else lives there.
    let rules = "table ip cut { chain out { type filter hook output priority 0; ip daddr \
                 10.0.0.201-10.0.0.240 drop; }; }";
    run(host.command("nft").arg(rules))?;
    let down = mail.wait_for(&format!("[DOWN] prod path of {leader}"), AGREES_WITHIN)?;
    ensure!(down.subject.contains("its own path is"), "{}", down.subject);
    ensure!(down.text.contains("path down"), "{}", down.text);
    // That the leader itself is late would be another.
    let count = || mail.steady().len() + mail.about(&format!("prod node {leader}")).len();
    wait::throughout("one page", NO_SECOND_WITHIN, || count() == 1)?;
    mend(&host)?;
    mail.wait_for(&format!("[UP] prod path of {leader}"), AGREES_WITHIN)?;
    wait::throughout("two pages", NO_SECOND_WITHIN, || count() == 2)
}

/// Servers that fail together are told one by one, and once that it is they.
#[test]
fn servers_that_die_together_are_not_the_nodes_path() -> Result<()> {
    let cluster = Cluster::form(3)?;
    let mail = MailServer::start(&cluster.lab)?;
    let crowd = crowd(&cluster)?;
    let leader = cluster.leader()?;
    crowd.unplug()?;
    let notice = mail.wait_for("[NOTICE] prod path of", AGREES_WITHIN)?;
    let words = format!("not {leader}'s path");
    ensure!(notice.subject.contains(&words), "{}", notice.subject);
    let verdicts = wait::until("a page each", AGREES_WITHIN, || {
        let pages = cluster.any().and_then(|node| node.pages()).ok()?;
        let down = pages.iter().filter(|page| page.kind == PageKind::Down);
        let verdicts: Vec<PageVerdict> = down.filter_map(|page| page.verdict).collect();
        (verdicts.len() == usize::from(WATCHED)).then_some(verdicts)
    })?;
    // For some the second opinion may be late.
    let known = [PageVerdict::ServerDown, PageVerdict::Alone];
    ensure!(
        verdicts.contains(&PageVerdict::ServerDown)
            && verdicts.iter().all(|verdict| known.contains(verdict)),
        "{verdicts:?}"
    );
    ensure!(mail.about("[NOTICE]").len() == 1, "one notice");
    Ok(())
}
