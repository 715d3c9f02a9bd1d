//! Site 1: every server killed, hung and unplugged; the standby; the last resort; the owner.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use farmux_tests::lab::ftp::noise;
use farmux_tests::lab::ftpd::{ALL, Kind};
use farmux_tests::lab::machine::{Death, Machine};
use farmux_tests::lab::nginx::Content;
use farmux_tests::lab::server_address;
use farmux_tests::script::Script;

use super::scene::{Scene, example};
use super::transfers::Crowd;

const FARM: &str = "mirror";
const FAVORITES: [&str; 3] = ["s1", "s2", "s3"];
const STANDBY: &str = "s4";

/// Two megabytes in 32 pieces, each read half a second after the other: 16 s, which outlives the
/// death of an owner and the patience of a client.
const FILE_BYTES: usize = 2 * 1024 * 1024;
const PACE_SECONDS: f32 = 0.5;
const SESSIONS: u8 = 50;

pub(crate) fn run() -> Result<()> {
    let (mut scene, mut script) = Scene::set("site1")?;
    let mut machines = Vec::new();
    for (number, kind) in (1..).zip(ALL) {
        machines.push(server(&scene, number, kind)?);
    }
    let file = noise(FILE_BYTES);
    for machine in &machines {
        machine.put("big", &file)?;
    }
    script.step("apply deploy/example/site1.toml", &[], || {
        let all = [&FAVORITES[..], &[STANDBY]].concat();
        scene.apply(&example("site1.toml")?, FARM, &all)
    });
    script.step("each client meets one favorite", &[], || spread(&scene));
    for death in Death::ALL {
        for machine in &mut machines[..FAVORITES.len()] {
            scene.breaks(&mut script, (FARM, 4), machine, death, |broken| {
                others_answer(&scene, broken)
            });
        }
    }
    reserves(&scene, &mut script, &mut machines);
    owner(&mut scene, &mut script, &file);
    script.finish()
}

fn server(scene: &Scene, number: u8, kind: Kind) -> Result<Machine> {
    let name = format!("s{number}");
    let at = server_address(number);
    Machine::start(&scene.cluster.lab, &name, at, Content::Own, Some(kind))
}

/// Who answers a client, by HTTP and by FTP: it must be the same.
fn met(scene: &Scene, from: Ipv4Addr) -> Result<String> {
    let web = scene.get(from, "/")?;
    ensure!(web.status == 200, "HTTP from {from}: {web:?}");
    let files = scene.fetch(from, "/whoami")?;
    ensure!(
        web.text == files,
        "HTTP {} and FTP {files} from {from}",
        web.text
    );
    Ok(files)
}

fn spread(scene: &Scene) -> Result<()> {
    for from in Scene::regulars() {
        let first = met(scene, from)?;
        ensure!(FAVORITES.contains(&first.as_str()), "{from} met {first}");
        let again = met(scene, from)?;
        ensure!(first == again, "{from} met {first}, then {again}");
    }
    for favorite in FAVORITES {
        scene.until(&format!("a newcomer meets {favorite}"), || {
            Ok(met(scene, scene.newcomer()?)? == favorite)
        })?;
    }
    Ok(())
}

/// Everybody meets a favorite, and not the one that is broken.
fn others_answer(scene: &Scene, broken: Option<&str>) -> Result<()> {
    for from in Scene::regulars() {
        let who = met(scene, from)?;
        ensure!(
            FAVORITES.contains(&who.as_str()) && Some(who.as_str()) != broken,
            "{who} answers"
        );
    }
    Ok(())
}

fn reserves(scene: &Scene, script: &mut Script, machines: &mut [Machine]) {
    let down = FAVORITES.map(|name| format!("[DOWN] prod {FARM}/{name}: "));
    let weak = format!("[DEGRADED] prod farm {FARM}: ");
    let pages: Vec<&str> = down.iter().chain([&weak]).map(String::as_str).collect();
    script.step(
        "all favorites killed: the standby takes over",
        &pages,
        || {
            for machine in &machines[..FAVORITES.len()] {
                machine.die(Death::Killed)?;
            }
            for from in Scene::regulars() {
                scene.until("the standby serves", || Ok(met(scene, from)? == STANDBY))?;
            }
            Ok(())
        },
    );
    let pages = [
        format!("[DOWN] prod {FARM}/{STANDBY}: "),
        format!("[DOWN] prod farm {FARM}: no server left"),
    ];
    let pages = pages.each_ref().map(String::as_str);
    script.step("the standby killed: the last-resort page", &pages, || {
        machines[3].die(Death::Killed)?;
        for from in Scene::regulars() {
            scene.until("the last-resort page", || {
                let seen = scene.get(from, "/")?;
                Ok(seen.status == 503 && seen.text.contains("We are being repaired"))
            })?;
        }
        let refused = scene.fetch(scene.newcomer()?, "/whoami");
        ensure!(refused.is_err(), "FTP without a server: {refused:?}");
        Ok(())
    });
    let up = |name: &str| format!("[UP] prod {FARM}/{name}: ");
    let farm = format!("[UP] prod farm {FARM}: serving again");
    script.step("the standby back", &[&up(STANDBY), &farm], || {
        machines[3].mend(Death::Killed)?;
        let newcomer = scene.newcomer()?;
        scene.until(
            "the standby serves",
            || Ok(met(scene, newcomer)? == STANDBY),
        )
    });
    let mut pages: Vec<String> = FAVORITES.map(up).into();
    pages.push(format!("[UP] prod farm {FARM}: enough servers again"));
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    script.step("the favorites back: the standby rests", &pages, || {
        for machine in &mut machines[..FAVORITES.len()] {
            machine.mend(Death::Killed)?;
        }
        for favorite in FAVORITES {
            scene
                .cluster
                .wait_for_health(FARM, favorite, farmux_raft::state::Health::Up)?;
        }
        let newcomer = scene.newcomer()?;
        scene.until("the standby rests", || Ok(met(scene, newcomer)? != STANDBY))
    });
}

fn owner(scene: &mut Scene, script: &mut Script, file: &[u8]) {
    let crowd = Crowd {
        sessions: SESSIONS,
        file: "big",
        bytes: file,
        pace: PACE_SECONDS,
    };
    crowd.play(scene, script, |scene| {
        Scene::regulars().try_for_each(|from| met(scene, from).map(|_| ()))
    });
}
