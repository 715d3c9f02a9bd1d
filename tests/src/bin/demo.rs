//! The whole of farmux on one machine, step by step: `deploy/demo.sh` builds and runs it.
//!
//! Each step prints what it does, and fails unless what it promises was seen.

#![expect(
    clippy::print_stdout,
    reason = "a demo talks to the person who watches it"
)]

use std::fs;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use farmux_node::api::types::{DrillRun, Overall};
use farmux_raft::state::Health;
use farmux_tests::gap;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::mail::{Mail, MailServer};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::{VIP, remove_leftovers, wait};

/// The configuration that the README explains as well.
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/example/cluster.toml"
);

/// A mail comes within seconds; a busy machine gets more.
const MAIL_WITHIN: Duration = Duration::from_secs(30);

/// The promise is 300 ms with default settings; a laptop that builds something at the same time
/// gets more, and `tests/bench.sh failover` holds it to the promise.
const GAP_MAX: Duration = Duration::from_secs(1);

/// What `--drill` runs, in this order: nothing is lost, an owner is, a server is. A busy laptop
/// gets more than is promised, as [`GAP_MAX`].
const DRILLS: [&[&str]; 3] = [
    &["vip-move", "--bound", "1000"],
    &["owner-crash", "--bound", "1000"],
    &["server-down", "--target", "shop/s2"],
];

/// Enough to see the weights.
const REQUESTS: usize = 40;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => show(true),
        Some("--check") => show(false),
        Some("--drill") => drill(),
        Some("--clean") => {
            remove_leftovers();
            Ok(())
        }
        Some(other) => bail!("{other}: neither --check nor --drill nor --clean"),
    }
}

/// The LAN of a demo.
struct Stage {
    cluster: Cluster,
    mail: MailServer,
    _one: Nginx,
    two: Nginx,
}

fn stage() -> Result<Stage> {
    title("A LAN: a bridge, a client, two nginx servers, a mail server, three nodes to be");
    let cluster = Cluster::form_told(3, |line| println!("{line}"))?;
    let stage = Stage {
        mail: MailServer::start(&cluster.lab)?,
        _one: Nginx::start(&cluster.lab, 1)?,
        two: Nginx::start(&cluster.lab, 2)?,
        cluster,
    };
    typed(&stage.cluster.nodes[0], &["status"])?;
    configure(&stage.cluster)?;
    Ok(stage)
}

fn show(attended: bool) -> Result<()> {
    let Stage {
        mut cluster,
        mail,
        _one,
        mut two,
    } = stage()?;
    balance(&cluster)?;
    lose_a_server(&cluster, &mail, &mut two)?;
    lose_the_owner(&mut cluster)?;

    if attended && std::io::stdin().is_terminal() {
        play_on(&cluster)?;
    }
    title("All of it was seen; the LAN goes now");
    Ok(())
}

/// Three rehearsals, as an operator runs them, and the reports that they leave.
fn drill() -> Result<()> {
    let stage = stage()?;
    let node = &stage.cluster.nodes[0];
    wait_until_well(&stage.cluster)?;
    for words in DRILLS {
        title(&format!("lb1# farmux drill run {} --yes", words.join(" ")));
        let mut command = Command::new(binary()?);
        command.arg("--socket").arg(node.socket());
        command.args(["drill", "run", "--yes"]).args(words);
        let ended = command.status().context("run the command line")?;
        ensure!(ended.success(), "{}: {ended}", words.join(" "));
        wait_until_well(&stage.cluster)?;
    }
    title("What is remembered of them");
    typed(node, &["drill", "history"])?;
    leave_reports(node)?;
    title("All of it passed; the LAN goes now");
    Ok(())
}

/// Each report is one file, to be kept and shown to others.
fn leave_reports(node: &Node) -> Result<()> {
    let here = std::env::current_exe().context("where this program stands")?;
    let folder = here.with_file_name("drill-reports");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let runs: Vec<DrillRun> = node.report(&["drill", "history"])?;
    for run in &runs {
        let report = node.ask(&["drill", "report", &run.run.to_string(), "-o", "html"])?;
        let file = folder.join(format!("{}-{}.html", run.run, run.kind.word()));
        fs::write(&file, report).with_context(|| file.display().to_string())?;
        println!("report: {}", shown(&file));
    }
    Ok(())
}

/// From the working folder, where it is below that.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let shorter = file.strip_prefix(&here).unwrap_or(file);
    shorter.display().to_string()
}

fn wait_until_well(cluster: &Cluster) -> Result<()> {
    wait::until_true("everything is well", AGREES_WITHIN, || {
        cluster
            .status()
            .is_ok_and(|status| status.overall == Overall::Ok)
    })
}

fn configure(cluster: &Cluster) -> Result<()> {
    title("The configuration: deploy/example/cluster.toml");
    let example = fs::read_to_string(EXAMPLE).context(EXAMPLE)?;
    println!("{}", example.trim_end());
    let said = cluster.nodes[0].apply(&example)?;
    println!("lb1# farmux config apply deploy/example/cluster.toml\n{said}");
    for server in ["s1", "s2"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }
    cluster.wait_for_service()
}

fn balance(cluster: &Cluster) -> Result<()> {
    title(&format!(
        "{REQUESTS} requests from the client to http://{VIP}/"
    ));
    let counts = cluster.spread(REQUESTS, &["s1", "s2"])?;
    println!("s1 answered {}, s2 answered {}", counts[0], counts[1]);
    ensure!(counts.iter().all(|count| *count > 0), "both servers work");
    typed(&cluster.nodes[1], &["farm", "show", "shop"])
}

fn lose_a_server(cluster: &Cluster, mail: &MailServer, server: &mut Nginx) -> Result<()> {
    title("nginx on s2 ends");
    server.stop()?;
    let down = mail.wait_for("[DOWN] prod shop/s2", MAIL_WITHIN)?;
    show_mail(&down);
    let counts = cluster.spread(REQUESTS, &["s1", "s2"])?;
    println!(
        "of {REQUESTS} requests s1 answered {}, s2 {}; none failed",
        counts[0], counts[1]
    );
    ensure!(
        counts == [REQUESTS, 0],
        "a server that is down gets nothing"
    );

    title("nginx on s2 starts again");
    server.back()?;
    let up = mail.wait_for("[UP] prod shop/s2", MAIL_WITHIN)?;
    println!("Subject: {}", up.subject);
    cluster.wait_for_health("shop", "s2", Health::Up)
}

fn lose_the_owner(cluster: &mut Cluster) -> Result<()> {
    let owner = cluster.owner()?;
    title(&format!(
        "kill -9 of {owner}, which owns {VIP}; a client connects every 5 ms"
    ));
    let watch = gap::Watch::start(&cluster.client, cluster.front());
    cluster.node(&owner).kill();
    let next = cluster.owner()?;
    cluster.wait_for_service()?;
    let seen = watch.stop()?;
    println!(
        "{next} owns the VIP now; nothing answered for {} ms",
        seen.gap.as_millis()
    );
    ensure!(next != owner, "another node took over");
    ensure!(seen.gap <= GAP_MAX, "the gap is at most {GAP_MAX:?}");

    title(&format!("{owner} starts again, and takes nothing back"));
    cluster.node(&owner).run()?;
    cluster.wait_for_voters(3)?;
    wait_until_well(cluster)?;
    ensure!(cluster.owner()? == next, "no VIP moves back by itself");
    typed(cluster.any()?, &["status"])
}

fn play_on(cluster: &Cluster) -> Result<()> {
    title("Yours now; Enter or Ctrl-C ends it. From another terminal, as root:");
    let farmux = std::env::current_exe().context("where this program stands")?;
    println!("alias farmux={}", farmux.with_file_name("farmux").display());
    for node in &cluster.nodes {
        println!("farmux --socket {} status", node.socket().display());
    }
    println!(
        "ip netns exec {} curl http://{VIP}/",
        cluster.client.namespace()
    );
    for node in &cluster.nodes {
        println!("kill -9 {}    # {}", node.process()?.id(), node.name());
    }
    println!(
        "ls {}/mailbox/new    # the mails",
        cluster.lab.folder().display()
    );
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("wait for Enter")?;
    Ok(())
}

/// Runs a command and shows it as it would be typed.
fn typed(node: &Node, args: &[&str]) -> Result<()> {
    println!(
        "{}# farmux {}\n{}",
        node.name(),
        args.join(" "),
        node.ask(args)?
    );
    Ok(())
}

fn title(text: &str) {
    println!("\n=== {text}");
}

fn show_mail(mail: &Mail) {
    println!("the mail that came to ops@example.com:");
    for line in mail.text.lines() {
        println!("  | {line}");
    }
}
