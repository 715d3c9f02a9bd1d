//! One page a cause: what a file server takes down with it, from the farm's point of view.

use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::{Death, Machine};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::{Content, Nginx};
use farmux_tests::lab::sheet::{FILES, WEB, sheet};
use farmux_tests::lab::{FILE_SERVER, nfs, server_address, wait};

/// Longer than a page waits for the verdict of a parent, so that a second one would have come.
const NO_SECOND_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_dead_file_server_is_one_page_and_its_return_another() -> Result<()> {
    let cluster = Cluster::form(3)?;
    let mail = MailServer::start(&cluster.lab)?;
    let mut origin = Machine::start(&cluster.lab, "fs1", FILE_SERVER, Content::Files, None)?;
    let mut fronts = Vec::new();
    for number in 1..=3 {
        let (name, at) = (format!("s{number}"), server_address(number));
        let front = Content::Front(FILE_SERVER);
        fronts.push(Machine::start(&cluster.lab, &name, at, front, None)?);
    }
    let watch = format!(
        "[[watch]]\nname = \"fs1\"\naddress = \"{FILE_SERVER}\"\nport = 80\n\
         check = {{ kind = \"http\", path = \"/health\", interval = \"300ms\", \
         timeout = \"250ms\" }}\n"
    );
    let web = WEB.replace("200ms", "700ms");
    let farm = sheet(
        "depends_on = [\"fs1\"]",
        &[&web],
        &[(1, ""), (2, ""), (3, "")],
    );
    cluster.nodes[0].apply(&(farm + &watch))?;
    for server in ["s1", "s2", "s3"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }
    cluster.wait_for_service()?;

    origin.die(Death::Hung)?;
    let down = mail.wait_for("[DOWN] prod fs1", AGREES_WITHIN)?;
    ensure!(
        down.subject.contains("3 servers in 1 farm affected"),
        "{}",
        down.subject
    );
    ensure!(
        down.text.contains("affected in shop: s1 s2 s3"),
        "{}",
        down.text
    );
    for server in ["s1", "s2", "s3"] {
        cluster.wait_for_health("shop", server, Health::Down)?;
    }
    let shown = cluster.nodes[0].ask(&["farm", "show", "shop"])?;
    ensure!(shown.matches("UNREACHABLE").count() == 3, "{shown}");
    wait::throughout("one page", NO_SECOND_WITHIN, || mail.steady().len() == 1)?;

    fronts[1].die(Death::Killed)?;
    origin.mend(Death::Hung)?;
    mail.wait_for("[UP] prod fs1", AGREES_WITHIN)?;
    let own = mail.wait_for("[DOWN] prod shop/s2: still down", AGREES_WITHIN)?;
    ensure!(
        own.subject.contains("after fs1 came back"),
        "{}",
        own.subject
    );
    fronts[1].mend(Death::Killed)?;
    mail.wait_for("[UP] prod shop/s2", AGREES_WITHIN)?;
    wait::throughout("four pages", NO_SECOND_WITHIN, || mail.steady().len() == 4)
}

/// The reason names the step of the check that failed, in the mail as in the farm.
#[test]
fn a_check_of_ftp_says_which_step_failed() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mail = MailServer::start(&cluster.lab)?;
    let at = server_address(1);
    let mut server = Machine::start(&cluster.lab, "s1", at, Content::Own, Some(Kind::Vsftpd))?;
    cluster.nodes[0].apply(&sheet("fate = \"each\"", &[WEB, FILES], &[(1, "")]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    let whoami = server.ftp()?.root().join("whoami");
    std::fs::remove_file(&whoami)?;
    let down = mail.wait_for("[DOWN] prod shop/s1: files: ", AGREES_WITHIN)?;
    ensure!(
        down.subject.contains("RETR refused (550)"),
        "{}",
        down.subject
    );
    // Of its own fate: the web goes on.
    let answer = cluster.get("/")?;
    ensure!(answer.status == 200 && answer.text() == "s1", "{answer:?}");
    std::fs::write(&whoami, "s1\n")?;
    mail.wait_for("[UP] prod shop/s1", AGREES_WITHIN)?;
    Ok(())
}

/// Nothing here depends on it, and nothing goes through a mount that could hang.
#[test]
fn an_nfs_server_is_watched_by_its_protocol() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mail = MailServer::start(&cluster.lab)?;
    let _web = Nginx::start(&cluster.lab, 1)?;
    let host = cluster.lab.host("fs1", FILE_SERVER)?;
    let mut server = nfs::start(&host, cluster.lab.folder())?;
    wait::until_true("ganesha listens", AGREES_WITHIN, || {
        let open = || TcpStream::connect((FILE_SERVER, 2049)).is_ok();
        host.within(open)
    })?;
    let watch = format!(
        "[[watch]]\nname = \"fs1\"\naddress = \"{FILE_SERVER}\"\nlabels = {{ site = \"berlin\" }}\n\
         check = {{ kind = \"nfs\", interval = \"500ms\", timeout = \"500ms\" }}\n"
    );
    let listed = || -> Result<String> { cluster.nodes[0].ask(&["watch", "show", "fs1"]) };
    cluster.nodes[0].apply(&(sheet("", &[WEB], &[(1, "")]) + &watch))?;
    wait::until_true("NFS answers", AGREES_WITHIN, || {
        listed().is_ok_and(|shown| shown.contains("health    up"))
    })
    .with_context(|| listed().unwrap_or_default())?;
    server.pause()?;
    let down = mail.wait_for("[DOWN] prod fs1: ", AGREES_WITHIN)?;
    ensure!(down.subject.contains("timeout"), "{}", down.subject);
    server.resume()?;
    mail.wait_for("[UP] prod fs1: ", AGREES_WITHIN)?;
    server.kill();
    wait::until_true("it is refused", AGREES_WITHIN, || {
        let downs = mail.about("[DOWN] prod fs1: ");
        downs.len() == 2 && downs[1].subject.contains("connection refused")
    })
}

/// A plugin of an operator: its exit code decides, and what it says is the reason.
#[test]
fn a_plugin_decides_about_a_watch() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mail = MailServer::start(&cluster.lab)?;
    let node = &cluster.nodes[0];
    let (plugin, full) = (
        node.plugins().join("disk"),
        cluster.lab.folder().join("full"),
    );
    let script = format!(
        "#!/bin/sh\n[ -e {} ] || {{ echo \"DISK OK on $1\"; exit 0; }}\n\
         echo \"DISK CRITICAL on $1 | free=0\"; exit 2\n",
        full.display()
    );
    std::fs::write(&plugin, script)?;
    std::fs::set_permissions(&plugin, Permissions::from_mode(0o755))?;
    let watch = format!(
        "[[watch]]\nname = \"fs1\"\naddress = \"{FILE_SERVER}\"\ncheck = {{ kind = \"exec\", \
         command = \"disk\", arguments = [\"/srv\"], interval = \"300ms\" }}\n"
    );
    node.apply(&(sheet("", &["\nname = \"raw\"\nkind = \"tcp\"\nport = 80\n"], &[]) + &watch))?;
    wait::until_true("the plugin is well", AGREES_WITHIN, || {
        let shown = node.ask(&["watch", "show", "fs1"]);
        shown.is_ok_and(|shown| shown.contains("health    up"))
    })?;
    std::fs::write(&full, "")?;
    let down = mail.wait_for("[DOWN] prod fs1: ", AGREES_WITHIN)?;
    ensure!(
        down.subject.contains("DISK CRITICAL on /srv"),
        "{}",
        down.subject
    );
    std::fs::remove_file(&full)?;
    mail.wait_for("[UP] prod fs1: ", AGREES_WITHIN).map(|_| ())
}
