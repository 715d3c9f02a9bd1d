//! Site 3: hundreds of servers that are only watched, and whoever must be told of each.
//!
//! ```text
//!   street ── 500 servers ◀── probes ── lb1 lb2 lb3 ── mails ──▶ post ── what came ──▶ judge
//!      ▲ kill, hang, unplug, heal          ▲ kill -9 of the leader  ▲ dead, slow, 4xx, 5xx, cut
//!      └──────────────── the steps below ──┴────────────────────────┘── what really happened ─▶
//! ```

mod beside;
mod harm;
mod leader;
mod long;
mod scene;

use std::time::Duration;

use anyhow::{Result, ensure};
use farmux_tests::lab::neighbourhood::kind::Kind;
use farmux_tests::lab::neighbourhood::order::Act;
use farmux_tests::lab::post::relay::{Command, Manner};

use leader::Moment;
use scene::Scene;

/// The issue's number.
const SERVERS: u16 = 500;

/// A step: what it is called, and what it does.
type Step = (&'static str, fn(&mut Scene) -> Result<()>);

/// In this order.
const STEPS: [Step; 24] = [
    ("all up, and no page", all_up),
    ("one killed, and healed", one),
    ("one of each kind spoiled, and healed", spoiled),
    ("thirty answer with poison, and healed", harm::tainted),
    ("twenty hung, and healed", hung),
    ("twenty unplugged, and plugged in again", unplugged),
    ("one fails for less than its fall: no page", brief),
    ("all 500 killed within 5 s", storm),
    ("all 500 healed", storm_over),
    ("the relay dead for 12 s", |scene| {
        faulty(scene, Manner::Dead)
    }),
    ("the relay slow", |scene| {
        faulty(scene, Manner::Slow(Duration::from_secs(2)))
    }),
    ("the relay refuses recipients (450)", |scene| {
        refuses(scene, Command::Rcpt, 450)
    }),
    ("the relay refuses mails (451)", |scene| {
        refuses(scene, Command::Mail, 451)
    }),
    ("the relay refuses recipients (550)", |scene| {
        refuses(scene, Command::Rcpt, 550)
    }),
    ("the relay refuses mails (554)", |scene| {
        refuses(scene, Command::Mail, 554)
    }),
    ("the relay hangs up in mid-DATA", |scene| {
        faulty(scene, Manner::CutInData)
    }),
    ("the relay hangs up before its 250", |scene| {
        faulty(scene, Manner::CutBeforeReply)
    }),
    ("the leader killed before DATA", |scene| {
        leader::lose(scene, Moment::BeforeData)
    }),
    ("the leader killed after the 250", |scene| {
        leader::lose(scene, Moment::AfterReply)
    }),
    ("the leader killed in the middle of a webhook", |scene| {
        leader::lose(scene, Moment::InWebhook)
    }),
    ("the leader killed in a storm", |scene| {
        leader::lose(scene, Moment::InStorm)
    }),
    // What it sent last could not be recorded, so that it sends nothing further.
    ("the leader cut off, then killed", |scene| {
        leader::lose(scene, Moment::CutOff)
    }),
    // The servers are well, the leader's way to them is not: nothing of them is to be paged.
    ("the leader cannot reach the street", beside::astray),
    // More than five changes in ten minutes are one page, and then silence.
    ("one flaps", beside::flapping),
];

/// The steps whose titles contain `part`, after those that everything rests on.
pub(crate) fn run(part: &str) -> Result<()> {
    let mut scene = Scene::set(SERVERS)?;
    for (number, (title, step)) in STEPS.iter().enumerate() {
        if number == 0 || title.contains(part) {
            scene.step(title, step);
        }
    }
    scene.finish()
}

/// The long run: see [`mod@long`].
pub(crate) fn long(seed: Option<u64>, kills: usize) -> Result<()> {
    let mut scene = Scene::set(SERVERS)?;
    scene.step("all up, and no page", all_up);
    long::run(&mut scene, seed, kills)?;
    scene.finish()
}

/// Pages are gathered for a shorter time than by default, so that each step ends soon; and houses
/// that are broken in several steps are not flapping.
const QUICK: &str = "storm = \"5s\"\nflap_changes = 100\n";

/// The same, and no page is gathered at all.
const ONE_BY_ONE: &str = "storm = \"0s\"\nflap_changes = 100\n";

/// As by default, but for flapping.
const GATHERED: &str = "flap_changes = 100\n";

/// **Source**: issue 4: "at most 3 messages a contact in the first minute".
const MESSAGES_MAX: usize = 3;

fn all_up(scene: &mut Scene) -> Result<()> {
    scene.apply(QUICK)?;
    scene.wait_for_all_up()
}

fn one(scene: &mut Scene) -> Result<()> {
    for act in [Act::Kill, Act::Heal] {
        scene.order(act, &[17])?;
        scene.wait_for_pages()?;
    }
    Ok(())
}

/// The first of each kind whose check looks at what is answered.
fn spoiled(scene: &mut Scene) -> Result<()> {
    let houses: Vec<u16> = attentive(5, 4).collect();
    break_and_mend(scene, Act::Spoil, &houses)
}

fn hung(scene: &mut Scene) -> Result<()> {
    let houses: Vec<u16> = attentive(100, 20).collect();
    break_and_mend(scene, Act::Hang, &houses)
}

/// Houses from `first` on whose check notices silence and bad answers.
fn attentive(first: u16, count: usize) -> impl Iterator<Item = u16> {
    let all = (first..SERVERS).filter(|house| Kind::of(*house).notices_silence());
    all.take(count)
}

fn unplugged(scene: &mut Scene) -> Result<()> {
    let houses: Vec<u16> = (200..220).collect();
    break_and_mend(scene, Act::Unplug, &houses)
}

fn break_and_mend(scene: &mut Scene, act: Act, houses: &[u16]) -> Result<()> {
    for act in [act, Act::Heal] {
        scene.order(act, houses)?;
        scene.wait_for_pages()?;
    }
    Ok(())
}

/// Shorter than the first two of three failures are apart.
const BRIEF: Duration = Duration::from_millis(1_200);

fn brief(scene: &mut Scene) -> Result<()> {
    let houses: Vec<u16> = (300..310).collect();
    scene.order(Act::Kill, &houses)?;
    scene.pass(BRIEF);
    scene.order(Act::Heal, &houses)?;
    scene.pass(scene::QUIET);
    scene.wait_for_pages()
}

/// Ten pieces, half a second apart.
fn storm(scene: &mut Scene) -> Result<()> {
    scene.apply(GATHERED)?;
    scene.excuse_storm();
    let houses: Vec<u16> = (0..scene.street.count()).collect();
    for piece in houses.chunks(50) {
        scene.order(Act::Kill, piece)?;
        scene.pass(Duration::from_millis(500));
    }
    scene.wait_for_pages()?;
    let messages = scene.tell_messages();
    ensure!(
        messages <= MESSAGES_MAX,
        "{messages} messages in the first minute"
    );
    Ok(())
}

fn storm_over(scene: &mut Scene) -> Result<()> {
    scene.excuse_storm();
    let houses: Vec<u16> = (0..scene.street.count()).collect();
    scene.order(Act::Heal, &houses)?;
    scene.wait_for_pages()?;
    let messages = scene.tell_messages();
    ensure!(
        messages <= MESSAGES_MAX,
        "{messages} messages in the first minute"
    );
    scene.apply(QUICK)
}

/// How long the relay is faulty: longer than the first two back-offs of five seconds.
const FAULTY: Duration = Duration::from_secs(12);

/// Three go down while the relay is faulty and two of them come back; then it is well again.
fn faulty(scene: &mut Scene, manner: Manner) -> Result<()> {
    scene.mute(|scene| {
        scene.post.relay.be(manner)?;
        scene.order(Act::Kill, &[400, 401, 402])?;
        scene.pass(FAULTY / 2);
        scene.order(Act::Heal, &[400, 401])?;
        scene.pass(FAULTY / 2);
        scene.post.relay.be(Manner::Well)
    })?;
    scene.wait_for_pages()?;
    scene.order(Act::Heal, &[402])?;
    scene.wait_for_pages()
}

fn refuses(scene: &mut Scene, to: Command, code: u16) -> Result<()> {
    faulty(scene, Manner::Refuse { to, code })
}
