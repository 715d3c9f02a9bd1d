//! Site 2: every front broken in turn, and the file server behind them, which is one page.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use farmux_tests::lab::ftp::noise;
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::{Death, Machine};
use farmux_tests::lab::nginx::Content;
use farmux_tests::lab::{FILE_SERVER, http};
use farmux_tests::script::Script;

use super::scene::{Scene, example};
use super::transfers::Crowd;

const FARM: &str = "web";
const FRONTS: [&str; 6] = ["f1", "f2", "f3", "f4", "f5", "f6"];
const SITE: &str = "site2.toml";

/// A front keeps each file that it is asked for in memory.
const FILE_BYTES: usize = 1024 * 1024;
const PACE_SECONDS: f32 = 1.0;
const SESSIONS: u8 = 12;

pub(crate) fn run() -> Result<()> {
    let (mut scene, mut script) = Scene::set("site2")?;
    let lab = &scene.cluster.lab;
    let mut origin = Machine::start(lab, "fs1", FILE_SERVER, Content::Files, None)?;
    let file = noise(FILE_BYTES);
    let contents: [(&str, &[u8]); 4] = [
        ("whoami", b"fs1\n"),
        ("cached", b"kept\n"),
        ("fresh", b"fresh\n"),
        ("big", &file),
    ];
    for (name, bytes) in contents {
        origin.put(name, bytes)?;
    }
    let mut fronts = Vec::new();
    for (number, name) in (31..).zip(FRONTS) {
        let at = Ipv4Addr::new(10, 0, 0, number);
        let (web, ftp) = (Content::Front(FILE_SERVER), Kind::Front(FILE_SERVER));
        fronts.push(Machine::start(lab, name, at, web, Some(ftp))?);
    }
    let site = example(SITE)?;
    script.step("apply deploy/example/site2.toml", &[], || {
        scene.apply(&site, FARM, &FRONTS)?;
        served(&scene)
    });
    for (front, death) in fronts.iter_mut().zip(Death::ALL.into_iter().cycle()) {
        let farm = (FARM, FRONTS.len());
        scene.breaks(&mut script, farm, front, death, |_| served(&scene));
    }
    for death in Death::ALL {
        kept(&scene, &mut script, &mut origin, death);
    }
    removed(&scene, &mut script, &mut origin, &site);
    still_broken(&scene, &mut script, &mut origin, &mut fronts[2]);
    owner(&mut scene, &mut script, &file);
    script.finish()
}

/// HTTP and FTP answer with what stands on the file server.
fn served(scene: &Scene) -> Result<()> {
    for from in Scene::regulars() {
        let seen = scene.get(from, "/fresh")?;
        ensure!(
            seen.status == 200 && seen.text == "fresh",
            "{from}: {seen:?}"
        );
        let files = scene.fetch(from, "/whoami")?;
        ensure!(files == "fs1", "{from}: {files}");
    }
    Ok(())
}

/// The line of a server in `farm show`, in small letters.
fn line_of(scene: &Scene, server: &str) -> Result<String> {
    let shown = scene.shown(FARM)?;
    let mut lines = shown.lines().filter(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| word == server)
    });
    Ok(lines.next().unwrap_or_default().to_lowercase())
}

fn all_unreachable(scene: &Scene) -> Result<()> {
    scene.until("every front is UNREACHABLE", || {
        for front in FRONTS {
            let line = line_of(scene, front)?;
            ensure!(line.contains("unreachable"), "{line}");
        }
        Ok(true)
    })
}

const DOWN: &str = "[DOWN] prod fs1: …6 servers in 1 farm affected";
const UP: &str = "[UP] prod fs1: up again";

/// The file server is gone: one page; the fronts stay in use, and what they have cached is served.
fn kept(scene: &Scene, script: &mut Script, origin: &mut Machine, death: Death) {
    let word = death.word();
    script.step(&format!("fs1 {word}: traffic kept"), &[DOWN], || {
        for number in 31..=36 {
            let front = (Ipv4Addr::new(10, 0, 0, number), 80).into();
            let cached = scene
                .cluster
                .client
                .within(|| http::get(front, "/cached"))?;
            ensure!(cached.text() == "kept", "{front}: {cached:?}");
        }
        origin.die(death)?;
        all_unreachable(scene)?;
        for from in Scene::regulars() {
            let cached = scene.get(from, "/cached")?;
            ensure!(cached.status == 200 && cached.text == "kept", "{cached:?}");
            let fresh = scene.get(from, "/fresh")?;
            ensure!(
                [502, 504].contains(&fresh.status),
                "from a front: {fresh:?}"
            );
            let refused = scene.fetch(from, "/whoami");
            let said = refused.err().map(|said| format!("{said:#}"));
            ensure!(
                said.as_ref()
                    .is_some_and(|said| said.contains("(78)") || said.contains("550")),
                "a front says so: {said:?}"
            );
        }
        Ok(())
    });
    back(scene, script, origin, death);
}

fn back(scene: &Scene, script: &mut Script, origin: &mut Machine, death: Death) {
    let word = death.word();
    script.step(&format!("fs1 back ({word})"), &[UP], || {
        origin.mend(death)?;
        all_up(scene)?;
        served(scene)
    });
}

fn all_up(scene: &Scene) -> Result<()> {
    for front in FRONTS {
        let up = farmux_raft::state::Health::Up;
        scene.cluster.wait_for_health(FARM, front, up)?;
    }
    Ok(())
}

/// The same, with the fronts out of use meanwhile.
fn removed(scene: &Scene, script: &mut Script, origin: &mut Machine, site: &str) {
    script.step("on_parent_down = \"remove\"", &[], || {
        let keep = "on_parent_down = \"keep\"";
        ensure!(site.contains(keep), "the example says so");
        let remove = site.replace(keep, "on_parent_down = \"remove\"");
        scene.cluster.nodes[0].apply(&remove)?;
        served(scene)
    });
    script.step("fs1 killed: traffic removed", &[DOWN], || {
        origin.die(Death::Killed)?;
        all_unreachable(scene)?;
        for from in Scene::regulars() {
            scene.until("the last-resort page", || {
                let seen = scene.get(from, "/cached")?;
                Ok(seen.status == 503 && seen.text.contains("Our file server is down"))
            })?;
        }
        let refused = scene.fetch(scene.newcomer()?, "/whoami");
        ensure!(refused.is_err(), "FTP without a server: {refused:?}");
        Ok(())
    });
    back(scene, script, origin, Death::Killed);
    script.step("on_parent_down = \"keep\" again", &[], || {
        scene.cluster.nodes[0].apply(site)?;
        served(scene)
    });
}

/// Whoever is still broken when the file server is back has a page of its own.
fn still_broken(scene: &Scene, script: &mut Script, origin: &mut Machine, front: &mut Machine) {
    let name = front.host().name().to_owned();
    script.step(&format!("fs1 killed, and {name} with it"), &[DOWN], || {
        origin.die(Death::Killed)?;
        all_unreachable(scene)?;
        front.die(Death::Killed)
    });
    let down = format!("[DOWN] prod {FARM}/{name}: still down after fs1 came back: …5 of 6 up");
    script.step(&format!("fs1 back, {name} not"), &[UP, &down], || {
        origin.mend(Death::Killed)?;
        scene.until("the others serve", || served(scene).map(|()| true))
    });
    let up = format!("[UP] prod {FARM}/{name}: ");
    script.step(&format!("{name} back"), &[&up], || {
        front.mend(Death::Killed)?;
        all_up(scene)
    });
}

fn owner(scene: &mut Scene, script: &mut Script, file: &[u8]) {
    let crowd = Crowd {
        sessions: SESSIONS,
        file: "big",
        bytes: file,
        pace: PACE_SECONDS,
    };
    crowd.play(scene, script, served);
}
