//! The owner of the VIP dies while many clients transfer files.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use farmux_tests::lab::ftp::sum;
use farmux_tests::lab::{VIP, wait};
use farmux_tests::script::Script;

use super::scene::{CROWD_FIRST, Scene};

/// How long it may take until every session has begun: logging in is slow on a busy machine.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);

/// The crowd's own patience is 180 s; then it says what is missing.
const END_WITHIN: Duration = Duration::from_secs(200);

/// The owner's kernel keeps the address for up to 2.5 s more, and may answer ARP meanwhile.
const NEW_SESSION_WITHIN: Duration = Duration::from_secs(5);

/// What a crowd of clients fetches, and how.
pub(crate) struct Crowd<'a> {
    /// How many.
    pub(crate) sessions: u8,
    /// What they fetch.
    pub(crate) file: &'a str,
    /// What is in it.
    pub(crate) bytes: &'a [u8],
    /// Seconds between two pieces of 64 KiB, so that a transfer outlives the death of an owner.
    pub(crate) pace: f32,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    /// The node that was killed.
    killed: String,
    /// Figures to print.
    figures: String,
}

impl Crowd<'_> {
    /// The last steps of a site: the owner dies while the crowd fetches, comes back, takes nothing
    /// back, and `served` says whether clients notice nothing.
    pub(crate) fn play(
        &self,
        scene: &mut Scene,
        script: &mut Script,
        served: impl Fn(&Scene) -> Result<()>,
    ) {
        let mut outcome = Outcome::default();
        let pages = [
            "[DOWN] prod node lb",
            "[NOTICE] prod VIP front: moved from ",
        ];
        let killed = format!("the owner killed while {} clients fetch", self.sessions);
        script.step(&killed, &pages, || {
            outcome = self.lose_the_owner(scene)?;
            Ok(())
        });
        script.note(&outcome.figures);
        let Outcome { killed, .. } = outcome;
        let up = format!("[UP] prod node {killed}");
        script.step("the node back, and takes nothing back", &[&up], || {
            scene.restart(&killed)?;
            ensure!(scene.cluster.owner()? != killed, "the VIP moved back");
            served(scene)
        });
    }

    /// Lets all of them begin, kills the owner, and waits until each has its file.
    fn lose_the_owner(&self, scene: &mut Scene) -> Result<Outcome> {
        let args = [
            "crowd".to_owned(),
            VIP.to_string(),
            self.sessions.to_string(),
            self.file.to_owned(),
            sum(self.bytes),
            CROWD_FIRST.to_string(),
            self.pace.to_string(),
        ];
        let args = args.each_ref().map(String::as_str);
        let crowd = scene.files.start("crowd", &args)?;
        let says = |text: &str| crowd.log().lines().any(|line| line.starts_with(text));
        let begun = wait::until_true("every session has begun", BEGIN_WITHIN, || {
            says("under way")
        });
        begun.with_context(|| crowd.log())?;
        let early = crowd.log().lines().count();
        ensure!(early == 1, "a session ended early: {}", crowd.log());

        let start = Instant::now();
        let killed = scene.kill_the_owner()?;
        let newcomer = scene.newcomer()?;
        let opened = wait::until("a new session on the new owner", NEW_SESSION_WITHIN, || {
            scene.fetch(newcomer, "/whoami").ok()
        });
        opened?;
        let opened = start.elapsed();

        let line = wait::until("every session has its file", END_WITHIN, || {
            let log = crowd.log();
            let line = log.lines().find(|line| line.starts_with("crowd "))?;
            Some(line.to_owned())
        });
        let line = line.with_context(|| crowd.log())?;
        let equal = format!("equal={}", self.sessions);
        ensure!(line.ends_with(&equal), "{}", crowd.log());
        Ok(Outcome {
            killed,
            figures: format!("{line} new-session-ms={}", opened.as_millis()),
        })
    }
}
