//! What other programs do to the fence: its hooks and maps emptied, its place taken.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use farmux_netplane::fence::{DropReason, FenceMode, HookChoice, Stand};
use farmux_tests::lab::{CLIENT, VIP, process, wait};

use super::frames::{BROADCAST, REPLY, arp, udp4};
use super::stage::{SECOND, Stage, ends_in};
use super::yard::{VIP6, Way, Yard, both};

/// All early announcements of a VIP are out (`vip-protocol.md`, section 7): only its two looks a
/// second wake the VIP thread then, and what the kernel tells of their renewals.
const ANNOUNCED: Duration = Duration::from_millis(5_200);

/// Does to the fence on the cable what a careless script would.
fn take_off(yard: &Yard, mode: FenceMode) {
    if mode == FenceMode::Clsact {
        let deletes = ["qdisc", "del", "dev", yard.eth0.name, "clsact"];
        process::run(yard.eth0.host.command("tc").args(deletes)).expect("tc");
        return;
    }
    for way in ["in", "out"] {
        let pin = format!("fence-1/{way}-{}", yard.eth0.index);
        let mut detaches = Command::new("bpftool");
        detaches.args(["link", "detach", "pinned"]);
        process::run(detaches.arg(yard.settings.folder.join(pin))).expect("bpftool");
    }
}

/// Deletes all that a pinned map knows.
fn empty(yard: &Yard, map: &str) {
    let pin = yard.settings.folder.join("fence-1").join(map);
    let mut dump = Command::new("bpftool");
    let dump = process::run(dump.args(["-j", "map", "dump", "pinned"]).arg(&pin));
    let dump: serde_json::Value = serde_json::from_str(&dump.expect("bpftool")).expect("JSON");
    let entries = dump.as_array().expect("a list");
    assert!(!entries.is_empty(), "{map} knows something");
    for entry in entries {
        let key = entry["key"].as_array().expect("bytes").iter();
        let mut delete = Command::new("bpftool");
        delete
            .args(["map", "delete", "pinned"])
            .arg(&pin)
            .arg("key");
        delete.args(key.map(|byte| byte.as_str().expect("hex")));
        process::run(&mut delete).expect("bpftool");
    }
}

#[test]
fn what_another_program_takes_away_comes_back_and_is_told() {
    both(|mut yard, mode| {
        let plan = [("front", VIP.into()), ("six", VIP6.into())];
        yard.stand(Stand::Closed);
        let packet = udp4(yard.eth0.mac, CLIENT, VIP);
        for times in 1..3 {
            assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
            take_off(&yard, mode);
            yard.wait_for_passage(&packet);
            yard.follow(&plan);
            assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
            let out = udp4(BROADCAST, VIP, CLIENT);
            assert_eq!(yard.fate(Way::Out, &out), Some(DropReason::PacketOut));
            let status = yard.status("front");
            assert_eq!(status.mode, mode);
            let trouble = status.trouble.expect("it is told");
            let told = format!("took the fence off cable, and it was put back ({times} times");
            assert!(trouble.contains(&told), "{trouble}");
        }
        // Only an hour later nobody needs to know it any more.
        yard.pass(3_600 * SECOND);
        yard.follow(&plan);
        yard.assert_mode(mode);

        for map in ["places", "macs"] {
            empty(&yard, map);
        }
        yard.wait_for_passage(&packet);
        yard.follow(&plan);
        assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
        yard.stand(Stand::Open);
        let own = arp(REPLY, (yard.eth0.mac, VIP), VIP);
        let claims = yard.status("front").claims;
        assert_eq!(yard.fate(Way::In, &own), None);
        assert_eq!(yard.status("front").claims, claims, "no claim: it is ours");
    });
}

/// A question that fails takes nothing off, and is no other program's doing.
#[test]
fn a_kernel_that_does_not_answer_changes_nothing() {
    both(|mut yard, mode| {
        let plan = [("front", VIP.into()), ("six", VIP6.into())];
        yard.stand(Stand::Closed);
        let packet = udp4(yard.eth0.mac, CLIENT, VIP);
        for _ in 0..2 {
            yard.follow_blindly(&plan);
            yard.assert_mode(mode);
            assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
        }
        // It could not have been put back either; the first look that is answered does that.
        take_off(&yard, mode);
        yard.wait_for_passage(&packet);
        yard.follow_blindly(&plan);
        assert_eq!(yard.status("front").mode, mode);
        yard.follow(&plan);
        assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
    });
}

#[test]
fn a_link_whose_pin_is_deleted_comes_back() {
    let mut yard = Yard::new(HookChoice::Best);
    yard.stand(Stand::Closed);
    let packet = udp4(yard.eth0.mac, CLIENT, VIP);
    let pin = format!("fence-1/in-{}", yard.eth0.index);
    fs::remove_file(yard.settings.folder.join(pin)).expect("a pin");
    yard.wait_for_passage(&packet);
    yard.follow(&[("front", VIP.into()), ("six", VIP6.into())]);
    assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
    assert!(yard.status("front").trouble.is_some(), "it is told");
}

/// What stood in the fence's way is gone while the VIP is served: the fence that comes then is
/// closed for as long as a claim takes, and not until the next look.
#[test]
fn a_fence_that_comes_late_opens_at_once() {
    let stage = Stage::hooked(HookChoice::Clsact);
    stage.tc("qdisc add dev eth0 ingress");
    stage.leases.set("front", ends_in(60 * SECOND));
    let _vips = stage.start();
    let unfenced = || stage.status().trouble.is_some() && stage.host.holds(VIP);
    wait::until_true("it is served without a fence", 5 * SECOND, unfenced).expect("in time");
    assert_eq!(stage.leases.mode("front"), FenceMode::None);
    let trouble = stage.status().trouble.unwrap_or_default();
    assert!(trouble.contains("tc qdisc del dev"), "{trouble}");
    let start = Instant::now();
    while start.elapsed() < ANNOUNCED {
        let mut ping = stage.client.command("ping");
        ping.args(["-c1", "-W1", &VIP.to_string()]);
        process::run(&mut ping).expect("nothing is left of half a fence");
        std::thread::sleep(Duration::from_millis(100));
    }

    stage.tc("qdisc del dev eth0 ingress");
    let end = Instant::now() + 5 * SECOND;
    while stage.leases.mode("front") == FenceMode::None {
        assert!(Instant::now() < end, "no fence: {:?}", stage.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    let is_open = || stage.status().stand == Stand::Open;
    wait::until_true("it opens", 5 * SECOND, is_open).expect("in time");
    let took = start.elapsed();
    assert!(took < Duration::from_millis(400), "closed for {took:?}");
}
