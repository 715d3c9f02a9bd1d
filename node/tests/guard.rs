//! `farmux drill-guard` with a small real process in the daemon's place: a shell that starts its
//! guard, and writes a line into a file ten times a second while it goes on.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farmux_netplane::sys::{is_stopped, started};

/// The shell in the daemon's place, and its guard's pipes; both end with the test.
struct Scene {
    folder: tempfile::TempDir,
    daemon: Child,
    ears: Option<File>,
    mouth: File,
}

/// The word to begin, and the token of the tether.
const GO: &[u8] = b"g0123456789abcdef";

/// A process reads and writes its guard's pipes by name. `$0` is farmux.
const DAEMON: &str = r#"
started=$(cut -d ' ' -f 22 /proc/$$/stat)
"$0" drill-guard --daemon "${OF:-$$}" --started $((started + ${LATER:-0})) "$@" \
    < ears > mouth 2> errors &
echo $! > guard
while :; do echo beat >> beats; sleep 0.1; done
"#;

impl Scene {
    fn new(arguments: &[&str], environment: &[(&str, &str)]) -> Scene {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        for pipe in ["ears", "mouth"] {
            let made = Command::new("mkfifo")
                .arg(folder.path().join(pipe))
                .status();
            assert!(made.expect("every system has it").success());
        }
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(DAEMON)
            .arg(env!("CARGO_BIN_EXE_farmux"))
            .args(["--admin"])
            .arg(folder.path().join("admin.sock"))
            .args(arguments)
            .arg("--")
            .args([
                "sh",
                "-c",
                "echo \"$STORY $(pwd)\" > again.new; mv again.new again",
            ])
            .current_dir(folder.path())
            .env("STORY", "as before")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .process_group(0);
        let daemon = command.spawn().expect("every system has a shell");
        // Opening waits for the other end.
        let ears = OpenOptions::new()
            .write(true)
            .open(folder.path().join("ears"));
        let mouth = File::open(folder.path().join("mouth"));
        let scene = Scene {
            daemon,
            ears: Some(ears.expect("a pipe")),
            mouth: mouth.expect("a pipe"),
            folder,
        };
        // A shell that is stopped or killed writes nothing any more.
        until("the shell has written", || scene.written().is_some());
        scene
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next byte that the guard says; `None`: it has ended.
    fn hears(&mut self) -> Option<u8> {
        let mut byte = [0];
        let count = self.mouth.read(&mut byte).expect("a pipe");
        (count == 1).then_some(byte[0])
    }

    fn say(&mut self, words: &[u8]) {
        let ears = self.ears.as_mut().expect("there are ears");
        ears.write_all(words).expect("the guard is there");
    }

    fn written(&self) -> Option<u32> {
        let number = std::fs::read_to_string(self.file("guard")).ok()?;
        number.strip_suffix('\n')?.parse().ok()
    }

    fn guard(&self) -> u32 {
        self.written().expect("it is written before it is told")
    }

    fn guard_is_gone(&self) -> bool {
        let guard = self.guard();
        let stat = std::fs::read_to_string(format!("/proc/{guard}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    }

    fn beats(&self) -> usize {
        let beats = std::fs::read_to_string(self.file("beats"));
        beats.map_or(0, |beats| beats.lines().count())
    }

    fn beats_on(&self) {
        let before = self.beats();
        until("it goes on", || self.beats() > before);
    }

    fn is_stopped(&self) -> bool {
        is_stopped(self.daemon.id()).expect("it is there")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.ears = None;
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < end, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stopped_daemon_goes_on_when_the_timer_runs_out() {
    let mut scene = Scene::new(&["--end", "stopped", "--timer-ms", "4000"], &[]);
    assert_eq!(scene.hears(), Some(b'r'));
    scene.beats_on();
    let begun = Instant::now();
    scene.say(GO);
    assert_eq!(scene.hears(), Some(b's'));
    until("it stops", || scene.is_stopped());
    // Nothing that a folder held is needed for the end.
    for name in ["ears", "mouth", "errors", "guard"].map(|name| scene.file(name)) {
        if !name.ends_with("guard") {
            std::fs::remove_file(name).expect("it was there");
        }
    }
    until("it goes on", || !scene.is_stopped());
    assert!(begun.elapsed() >= Duration::from_secs(4), "before its time");
    scene.beats_on();
    until("the guard ends", || scene.guard_is_gone());
}

#[test]
fn it_goes_on_at_once_by_order_and_when_the_guard_is_ended() {
    for by_order in [true, false] {
        let mut scene = Scene::new(&["--end", "stopped", "--timer-ms", "600000"], &[]);
        assert_eq!(scene.hears(), Some(b'r'));
        scene.say(GO);
        assert_eq!(scene.hears(), Some(b's'));
        until("it stops", || scene.is_stopped());
        if by_order {
            scene.say(b"u");
        } else {
            let guard = scene.guard().to_string();
            let ended = Command::new("kill").args(["-TERM", &guard]).status();
            assert!(ended.expect("every system has it").success());
        }
        until("it goes on", || !scene.is_stopped());
        scene.beats_on();
        until("the guard ends", || scene.guard_is_gone());
    }
}

#[test]
fn it_goes_on_at_once_when_its_tether_is_pulled_and_not_for_other_words() {
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.expect("a port").port();
    let arguments = [
        "--end",
        "stopped",
        "--timer-ms",
        "600000",
        "--tether-port",
        &port.to_string(),
    ];
    let mut scene = Scene::new(&arguments, &[]);
    assert_eq!(scene.hears(), Some(b'r'));
    scene.say(GO);
    assert_eq!(scene.hears(), Some(b's'));
    until("it stops", || scene.is_stopped());
    let mouth = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let say = |words: &[u8]| mouth.send_to(words, ("127.0.0.1", port));
    for words in [GO, &GO[2..], b"", &[0; 16]] {
        say(words).expect("the loopback takes it");
    }
    let long_enough = Instant::now() + Duration::from_millis(300);
    until("they were heard", || Instant::now() > long_enough);
    assert!(scene.is_stopped(), "whoever does not know the token");
    say(&GO[1..]).expect("the loopback takes it");
    until("it goes on", || !scene.is_stopped());
    until("the guard ends", || scene.guard_is_gone());
}

/// By somebody who has nothing to do with the drill.
#[test]
fn one_that_is_killed_while_it_is_stopped_is_started_again() {
    let mut scene = Scene::new(&["--end", "stopped", "--timer-ms", "4000"], &[]);
    assert_eq!(scene.hears(), Some(b'r'));
    scene.say(GO);
    assert_eq!(scene.hears(), Some(b's'));
    until("it stops", || scene.is_stopped());
    // Not waited for yet: it can be sent signals still.
    scene.daemon.kill().expect("our child");
    until("it is started again", || scene.file("again").exists());
    until("the guard ends", || scene.guard_is_gone());
}

#[test]
fn a_killed_daemon_is_started_again_as_it_was() {
    let mut scene = Scene::new(&["--end", "killed", "--timer-ms", "4000"], &[]);
    assert_eq!(scene.hears(), Some(b'r'));
    let begun = Instant::now();
    scene.say(GO);
    let ended = scene.daemon.wait().expect("our child");
    assert!(!ended.success());
    assert!(!scene.file("again").exists(), "not yet");
    until("it is started again", || scene.file("again").exists());
    assert!(begun.elapsed() >= Duration::from_secs(4), "before its time");
    let story = std::fs::read_to_string(scene.file("again")).expect("it was written");
    let folder = scene.folder.path().canonicalize().expect("it is there");
    assert_eq!(story.trim(), format!("as before {}", folder.display()));
    until("the guard ends", || scene.guard_is_gone());
}

#[test]
fn who_was_started_again_by_somebody_else_is_left_alone() {
    for supervised in [true, false] {
        let mut arguments = vec!["--end", "killed", "--timer-ms", "4000"];
        arguments.extend(supervised.then_some("--supervised"));
        let mut scene = Scene::new(&arguments, &[]);
        assert_eq!(scene.hears(), Some(b'r'));
        scene.say(GO);
        scene.daemon.wait().expect("our child");
        let listens = || std::os::unix::net::UnixListener::bind(scene.file("admin.sock"));
        let _another = (!supervised).then(|| listens().expect("it is free"));
        until("the guard ends", || scene.guard_is_gone());
        assert!(!scene.file("again").exists());
    }
}

#[test]
fn nothing_happens_before_it_is_told_nor_to_anybody_else() {
    let long = ["--end", "killed", "--timer-ms", "4000"];
    for dismissed in [true, false] {
        let mut scene = Scene::new(&long, &[]);
        assert_eq!(scene.hears(), Some(b'r'));
        if dismissed {
            scene.say(b"u");
        } else {
            scene.ears = None;
        }
        until("the guard ends", || scene.guard_is_gone());
        scene.beats_on();
    }
    let me = std::process::id().to_string();
    assert!(started(std::process::id()).is_ok());
    // Not its parent; another process that has its number.
    for wrong in [[("OF", me.as_str())], [("LATER", "1")]] {
        let mut scene = Scene::new(&long, &wrong);
        assert_eq!(scene.hears(), None, "{wrong:?}");
        until("the guard ends", || scene.guard_is_gone());
        scene.beats_on();
        let said = std::fs::read_to_string(scene.file("errors")).expect("it was written");
        assert!(said.contains("FMX-"), "{said}");
    }
}
