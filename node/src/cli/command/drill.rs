//! `farmux drill …`: rehearsals of failures.
//!
//! ```text
//!   run: plan ─shown─▶ asked ─▶ begun ─▶ how far is it? ─▶ … ─▶ the verdict, as exit code
//!                                 ▲           │ no answer: the daemon may be the one that is hit
//!                                 └───────────┘ Ctrl-C: its end is asked for, and waited for
//! ```

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::args::{DrillAction, DrillArguments, Output, ScheduleAction, ScheduleArguments};
use super::super::show;
use super::Shell;
use crate::api::types::{
    ApplyAnswer, Done, DrillBegun, DrillEvent, DrillList, DrillLockRequest, DrillPhase, DrillPlan,
    DrillRequest, DrillRun, DrillScheduleRequest, DrillStanding, DrillVerdict, Reading,
    StatusReport,
};
use crate::drill::DrillKind;
use crate::fault::{Code, Exit, Fault};

impl Shell {
    pub(super) async fn drill(&mut self, action: DrillAction) -> Result<(), Fault> {
        match action {
            DrillAction::List => {
                let all: Reading<DrillList> = self.client.get("/v1/drills").await?;
                let now = self.now();
                self.terminal
                    .show(&all, |all, paint| show::drills(all, paint, now))
            }
            DrillAction::Plan { what } => self.plan_drill(what).await,
            DrillAction::Run {
                what,
                dry_run: true,
                ..
            } => self.plan_drill(what).await,
            DrillAction::Run { what, yes, .. } => self.run_drill(what, yes).await,
            DrillAction::Abort { run } => self.abort_drill(run).await,
            DrillAction::Lock { why } => {
                let request = DrillLockRequest { why };
                let done: Done = self.client.post("/v1/drills/lock", &request).await?;
                self.terminal.show(&done, |done, _| match done.changed {
                    true => "no drill is run until: farmux drill unlock\n".to_owned(),
                    false => "drills are locked already: farmux drill list\n".to_owned(),
                })
            }
            DrillAction::Unlock => {
                let done: Done = self.client.post("/v1/drills/unlock", &()).await?;
                self.terminal.show(&done, |done, _| match done.changed {
                    true => "drills may be run again\n".to_owned(),
                    false => "drills were not locked\n".to_owned(),
                })
            }
            DrillAction::History { limit } => {
                let path = format!("/v1/drills/history?limit={limit}");
                let runs: Reading<Vec<DrillRun>> = self.client.get(&path).await?;
                self.terminal.show(&runs, show::drill_history)
            }
            DrillAction::Report { run } => self.report_drill(run).await,
            DrillAction::Schedule(arguments) => self.schedule_drill(arguments).await,
        }
    }

    async fn schedule_drill(&mut self, arguments: ScheduleArguments) -> Result<(), Fault> {
        let ScheduleArguments {
            kind,
            weekly,
            tz,
            target,
            action,
        } = arguments;
        let made: ApplyAnswer = match (action, kind, weekly) {
            (Some(ScheduleAction::List), ..) => {
                let all: Reading<DrillList> = self.client.get("/v1/drills").await?;
                return self.terminal.show(&all, show::drill_schedules);
            }
            (Some(ScheduleAction::Remove { name }), ..) => {
                let path = format!("/v1/drills/schedules/{name}");
                self.client.delete(&path).await?
            }
            (None, Some(kind), Some(weekly)) => {
                let request = DrillScheduleRequest {
                    kind,
                    weekly,
                    tz,
                    target,
                };
                self.client.post("/v1/drills/schedules", &request).await?
            }
            (None, _, _) => return Err(Fault::new(Code::Usage).why("which drill, and when?")),
        };
        self.terminal
            .show(&made, |made, _| show::applied(made, false))
    }

    async fn plan_drill(&mut self, what: DrillArguments) -> Result<(), Fault> {
        let (_, plan) = self.planned(request(what)).await?;
        self.terminal.show(&plan, |plan, _| show::drill_plan(plan))
    }

    /// What it would do; as if the cluster's name had been typed, where that is asked for: whoever
    /// shall type it is shown first what it is for.
    async fn planned(&self, mut request: DrillRequest) -> Result<(DrillRequest, DrillPlan), Fault> {
        if request.kind == DrillKind::QuorumLoss {
            request.typed = Some(self.cluster_name().await?);
        }
        let plan = self.client.post("/v1/drills/plan", &request).await?;
        Ok((request, plan))
    }

    async fn report_drill(&mut self, run: u64) -> Result<(), Fault> {
        let form = match self.terminal.form() {
            Output::Table => "text",
            Output::Json => "json",
            Output::Md => "md",
            Output::Html => "html",
        };
        let path = format!("/v1/drills/{run}/report?form={form}");
        let text = self.client.text(&path).await?;
        self.terminal.write(&text)
    }

    async fn abort_drill(&mut self, run: Option<u64>) -> Result<(), Fault> {
        let run = match run {
            Some(run) => run,
            None => {
                let all: Reading<DrillList> = self.client.get("/v1/drills").await?;
                let running = all.data.running.map(|running| running.run);
                running.ok_or_else(|| Fault::new(Code::DrillUnknown).what("no drill is running"))?
            }
        };
        let path = format!("/v1/drills/{run}/abort");
        let done: Done = self.client.post(&path, &()).await?;
        self.terminal.show(&done, |done, _| match done.changed {
            true => format!(
                "run {run} ends; a node that cannot hear that comes back by its own timer\n"
            ),
            false => format!("run {run} is over, or was aborted already\n"),
        })
    }

    /// Shows what it will do, asks, has it begun, and follows it.
    async fn run_drill(&mut self, what: DrillArguments, yes: bool) -> Result<(), Fault> {
        let request = request(what);
        let given = request.typed.clone();
        let (request, plan) = self.planned(request).await?;
        self.terminal.line(&show::drill_plan(&plan))?;
        match &request.typed {
            Some(name) if request.kind == DrillKind::QuorumLoss => {
                let question = "It takes the majority from what is served.";
                let named = self
                    .terminal
                    .confirm_by_name(question, name, given.as_deref());
                named.map_err(|fault| fault.mend(format!("once more with --force {name}")))?;
            }
            Some(_) | None => self.terminal.confirm("Go on?", yes)?,
        }
        // From here on Ctrl-C is ours.
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(|error| Fault::new(Code::Broken).why(error))?;
        let begun: DrillBegun = self.client.post("/v1/drills/run", &request).await?;
        self.tell(&DrillEvent::Begun(begun))?;
        let run = self.follow_drill(begun.run, &mut interrupt).await?;
        self.tell(&DrillEvent::Over(Box::new(run.clone())))?;
        conclude(&run)
    }

    async fn cluster_name(&self) -> Result<String, Fault> {
        let status: StatusReport = self.client.get("/v1/status").await?;
        let name = status.cluster.map(|cluster| cluster.name);
        name.ok_or_else(|| Fault::new(Code::NoCluster))
    }

    /// Asks how far it is until it is over.
    async fn follow_drill(&mut self, run: u64, interrupt: &mut Signal) -> Result<DrillRun, Fault> {
        let path = format!("/v1/drills/{run}");
        let (mut told, mut heard) = (None::<DrillPhase>, Instant::now());
        let mut end = End::Unwanted;
        loop {
            match self.client.get::<Reading<DrillStanding>>(&path).await {
                Ok(standing) => {
                    heard = Instant::now();
                    let DrillStanding {
                        progress, record, ..
                    } = standing.data;
                    if let Some(record) = record {
                        self.terminal.live(String::new);
                        return Ok(record);
                    }
                    if let Some(progress) = progress {
                        let paint = self.terminal.paint();
                        let news = told.replace(progress.phase) != Some(progress.phase);
                        match news {
                            true => self.tell(&DrillEvent::Progress(progress))?,
                            false => self
                                .terminal
                                .live(|| show::drill_progress(&progress, paint)),
                        }
                    }
                }
                // Who is asked may be the one who is hit, and just begin again; or the leader is
                // another soon.
                Err(fault) if fault.exit == Exit::Refused && !is_starting(&fault) => {
                    return Err(fault);
                }
                Err(fault) if heard.elapsed() >= SILENT_MAX => {
                    return Err(lost(run).why(fault.what));
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => {}
                _ = interrupt.recv() => {
                    if end != End::Unwanted {
                        return Err(lost(run).why("nobody waits for it any more"));
                    }
                    end = End::Wanted;
                }
            }
            end = self.end_drill(run, end).await?;
        }
    }

    /// Asks for its end, if that is wanted, until somebody takes it.
    async fn end_drill(&mut self, run: u64, end: End) -> Result<End, Fault> {
        if matches!(end, End::Unwanted | End::Taken) {
            return Ok(end);
        }
        let path = format!("/v1/drills/{run}/abort");
        let asked: Result<Done, Fault> = self.client.post(&path, &()).await;
        let (news, line) = match asked {
            Ok(_) => (End::Taken, "it ends; waiting for the undo".to_owned()),
            Err(fault) => (
                End::Refused,
                format!(
                    "nobody takes its end yet, and it is asked for again: {}",
                    fault.what
                ),
            ),
        };
        if news != end {
            self.terminal.live(String::new);
            self.terminal
                .line(&format!("{line}   (Ctrl-C again: do not wait)"))?;
        }
        Ok(news)
    }

    /// What happens, a line each.
    fn tell(&mut self, event: &DrillEvent) -> Result<(), Fault> {
        if self.terminal.is_json() {
            let line = serde_json::to_string(event).expect("events are plain data");
            return self.terminal.write(&format!("{line}\n"));
        }
        self.terminal.live(String::new);
        let paint = self.terminal.paint();
        let text = match event {
            DrillEvent::Begun(begun) => format!(
                "run {} begins   (Ctrl-C ends it; farmux drill abort does, anywhere)\n",
                begun.run
            ),
            DrillEvent::Progress(progress) => show::drill_progress(progress, paint) + "\n",
            DrillEvent::Over(run) => format!("\n{}", show::drill_over(run, paint)),
        };
        self.terminal.write(&text)
    }
}

/// Whether whoever looks on wants the end of a run, by Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Unwanted,
    Wanted,
    /// Whoever is asked may be the one who is hit.
    Refused,
    Taken,
}

fn request(what: DrillArguments) -> DrillRequest {
    let DrillArguments {
        kind,
        target,
        outside,
        force,
        bound,
    } = what;
    DrillRequest {
        kind,
        target,
        outside,
        typed: force,
        bound_ms: bound,
    }
}

/// The verdict as an exit code.
fn conclude(run: &DrillRun) -> Result<(), Fault> {
    let (code, what) = match run.verdict {
        DrillVerdict::Pass => return Ok(()),
        DrillVerdict::Fail => (Code::DrillFailed, "failed"),
        DrillVerdict::Aborted => (Code::DrillAborted, "proved nothing"),
    };
    let fault = Fault::new(code)
        .what(format!("{} on {} {what}", run.kind, run.target))
        .why(run.reasons.join("\n"));
    Err(match run.verdict {
        DrillVerdict::Fail => fault.mend(format!("farmux drill report {}", run.run)),
        DrillVerdict::Pass | DrillVerdict::Aborted => fault,
    })
}

/// A daemon that was just started again knows its cluster a moment later.
fn is_starting(fault: &Fault) -> bool {
    fault.code == Code::NoCluster.to_string()
}

/// It goes on, and nobody here sees it.
fn lost(run: u64) -> Fault {
    Fault::new(Code::OutcomeUnknown)
        .what(format!(
            "run {run} goes on, or is over: nobody says so here"
        ))
        .mend(format!("farmux drill report {run}"))
}

/// As often as a person sees a difference.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A killed daemon is started again within its timer of half a minute; then it says what it came
/// to.
const SILENT_MAX: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::sample_run;

    #[test]
    fn the_verdict_is_the_exit_code() {
        let mut run = sample_run();
        assert_eq!(conclude(&run), Ok(()));
        let mut exit = |verdict| {
            run.verdict = verdict;
            run.reasons = vec!["an outage of 400 ms, 300 ms allowed".to_owned()];
            conclude(&run).map_err(|fault| (u8::from(fault.exit), fault.why))
        };
        let why = "an outage of 400 ms, 300 ms allowed".to_owned();
        assert_eq!(exit(DrillVerdict::Fail), Err((7, why.clone())));
        assert_eq!(exit(DrillVerdict::Aborted), Err((1, why)));
    }
}
