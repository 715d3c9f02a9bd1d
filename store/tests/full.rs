//! A full disk: a store on a real small one waits and loses nothing; a cluster goes on with those
//! that have room, and says who has none.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::cluster::{Cluster, DONE, has_token, proposal, token, wait_for};
use common::{append, apply_and_snapshot, entry, long_entry, open, vote};
use farmux_raft::consensus::{Change, ChangeError, ProposeError, Role, Room};
use farmux_raft::id::NodeId;
use farmux_store::Store;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use tokio::sync::watch;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

/// A small disk of its own; dropped, it is unmounted.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Disk {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32m", "farmux-full"]);
        let mounted = mount.arg(folder).status().expect("there is a mount");
        assert!(mounted.success(), "root may mount: {mounted}");
        Disk(folder.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn room_is(store: &Store, wanted: Room) {
    let room = store.room.clone();
    wait_for("the room to be seen", move || *room.borrow() == wanted).await;
}

/// Longer than anything here takes that does not wait for room.
const WHILE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn on_a_full_disk_a_store_waits_and_what_was_answered_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(folder.path());
    let path = folder.path().join("store");
    let mut store = open(&path, N1);
    append(&mut store.log, (0..50).map(|index| entry(3, index))).await;
    apply_and_snapshot(&mut store.machine, 0..=20).await;
    assert_eq!(*store.room.borrow(), Room::Enough);

    disk.fill();
    room_is(&store, Room::Short).await;
    // Votes are kept of the reserve, and so are entries that were on their way.
    store.log.save_vote(&vote(4, N2)).await.expect("it is kept");
    let mut last = 50;
    let mut log = store.log.clone();
    let waits = loop {
        let (mut to, next) = (log.clone(), last);
        let one = async move { append(&mut to, [long_entry(4, next, 200_000)]).await };
        let mut one = tokio::spawn(one);
        if tokio::time::timeout(WHILE, &mut one).await.is_err() {
            break one;
        }
        last += 1;
        assert!(last < 200, "32 MiB are never full");
    };
    assert!(last > 50, "what was on its way found room");
    room_is(&store, Room::Gone).await;
    let mut machine = store.machine;
    let snapshot = tokio::spawn(async move { apply_and_snapshot(&mut machine, 21..=40).await });
    tokio::time::sleep(WHILE).await;
    assert!(!waits.is_finished() && !snapshot.is_finished());

    disk.free();
    waits.await.expect("it went on by itself");
    snapshot.await.expect("it went on by itself");
    append(&mut log, [entry(4, last + 1)]).await;
    drop((store.log, log));
    let mut store = open(&path, N1);
    let kept = store
        .log
        .try_get_log_entries(..)
        .await
        .expect("they are read");
    assert_eq!(kept.len() as u64, last + 2);
    assert_eq!(
        store.log.read_vote().await.expect("it is read"),
        Some(vote(4, N2))
    );
}

#[tokio::test]
async fn a_store_that_was_ended_on_a_full_disk_is_whole_once_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(folder.path());
    let path = folder.path().join("store");
    {
        let mut store = open(&path, N1);
        append(&mut store.log, (0..50).map(|index| entry(3, index))).await;
        disk.fill();
        room_is(&store, Room::Short).await;
        append(&mut store.log, [entry(3, 50)]).await;
        store.log.save_vote(&vote(9, N1)).await.expect("it is kept");
    }
    disk.free();
    let mut store = open(&path, N1);
    let kept = store
        .log
        .try_get_log_entries(..)
        .await
        .expect("they are read");
    assert_eq!(kept.len(), 51);
    assert_eq!(
        store.log.read_vote().await.expect("it is read"),
        Some(vote(9, N1))
    );
}

/// A cluster whose disks are as full as the test says.
async fn with_rooms() -> (Cluster, [watch::Sender<Room>; 3]) {
    let cluster = Cluster::form(3).await;
    let rooms = [N1, N2, N3].map(|node| {
        let room = watch::Sender::new(Room::Enough);
        cluster.node(node).mind_room(room.subscribe());
        room
    });
    (cluster, rooms)
}

/// Longer than an election, a try to step aside, and the silence after which nobody leads.
const A_WHILE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_room_lets_another_lead_and_follows() {
    let (cluster, rooms) = with_rooms().await;
    let first = cluster.leader_other_than(None).await;
    let full = first.config().me;
    let index = usize::try_from(full.0 - 1).expect("one of three");
    assert_eq!(first.propose(proposal(token(1))).await, DONE);
    rooms[index].send_replace(Room::Short);
    // Asked on the full one, which finds somebody else to decide.
    assert_eq!(first.propose(proposal(token(2))).await, DONE);
    let next = cluster.leader_other_than(Some(full)).await;
    assert_eq!(next.propose(proposal(token(3))).await, DONE);
    let term = next.standing().borrow().term;
    tokio::time::sleep(A_WHILE).await;
    let standing = first.standing().borrow().clone();
    assert_eq!(standing.role, Role::Follower);
    assert_eq!(
        standing.leader,
        Some(next.config().me),
        "it hears the leader"
    );
    assert_eq!(standing.term, term, "and disturbs nobody");
    assert!(!has_token(&first, 3), "but stores nothing");

    rooms[index].send_replace(Room::Enough);
    wait_for("it to catch up", || has_token(&first, 3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_that_has_room_changes_are_refused_and_who_leads_goes_on() {
    let (cluster, rooms) = with_rooms().await;
    let leader = cluster.leader_other_than(None).await;
    let (me, term) = (leader.config().me, leader.standing().borrow().term);
    let others: Vec<_> = [N1, N2, N3].into_iter().filter(|one| *one != me).collect();
    for room in &rooms {
        room.send_replace(Room::Short);
    }
    let refused = cluster.node(others[0]).propose(proposal(token(1))).await;
    assert_eq!(refused, Err(ProposeError::Full(me)));
    let refused = leader.change(Change::Remove(others[1])).await;
    assert_eq!(refused, Err(ChangeError::Full(me)));
    tokio::time::sleep(A_WHILE).await;
    let standing = leader.standing().borrow().clone();
    assert_eq!(standing.leads(), Some(term), "it is heard and hears");

    // Its own disk is well again, and still no majority can store anything.
    let mine = usize::try_from(me.0 - 1).expect("one of three");
    rooms[mine].send_replace(Room::Enough);
    let first = leader.propose(proposal(token(2))).await;
    assert_eq!(first, Err(ProposeError::Deadline), "it may come about yet");
    let second = leader.propose(proposal(token(3))).await;
    assert!(matches!(second, Err(ProposeError::Full(node)) if node != me));
    assert!(!has_token(&leader, 2), "never as if it had been decided");

    for room in &rooms {
        room.send_replace(Room::Enough);
    }
    wait_for("what was undecided", || has_token(&leader, 2)).await;
    assert_eq!(leader.propose(proposal(token(4))).await, DONE);
    for node in [N1, N2, N3] {
        let node = cluster.node(node);
        wait_for("all to have it", || has_token(&node, 4)).await;
        assert!(
            !has_token(&node, 1) && !has_token(&node, 3),
            "refused is refused"
        );
    }
}

/// Nobody but those without room is left: one of them leads, so that it can be heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_has_room_one_leads_all_the_same_and_decides_nothing() {
    let (cluster, rooms) = with_rooms().await;
    let leader = cluster.leader_other_than(None).await;
    let me = leader.config().me;
    assert_eq!(leader.propose(proposal(token(1))).await, DONE);
    for room in &rooms {
        room.send_replace(Room::Short);
    }
    cluster.kill(me).await;
    let next = cluster.leader_other_than(Some(me)).await;
    let full = Err(ProposeError::Full(next.config().me));
    assert_eq!(next.propose(proposal(token(2))).await, full);
    for room in &rooms {
        room.send_replace(Room::Enough);
    }
    assert_eq!(next.propose(proposal(token(3))).await, DONE);
    assert!(!has_token(&next, 2) && has_token(&next, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_room_at_all_gives_no_vote_and_another_leads() {
    let (cluster, rooms) = with_rooms().await;
    let leader = cluster.leader_other_than(None).await;
    let me = leader.config().me;
    let full = [N1, N2, N3]
        .into_iter()
        .find(|one| *one != me)
        .expect("another");
    rooms[usize::try_from(full.0 - 1).expect("one of three")].send_replace(Room::Gone);
    assert_eq!(leader.propose(proposal(token(1))).await, DONE);
    leader
        .change(Change::HandOver(Some(full)))
        .await
        .expect_err("it does not stand");
    assert_eq!(leader.propose(proposal(token(2))).await, DONE);
}
