//! The words of `farmux drill`.

use clap::{Args, Subcommand};
use farmux_raft::id::DrillName;

use crate::drill::DrillKind;

/// Rehearse a failure: measured, bounded, undone, and on the record.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum DrillAction {
    /// Every drill: what it puts to the test, what it may cost, and how it went last
    List,
    /// What a drill would do now, and whom it would hit; changes nothing
    Plan {
        /// Which, and how
        #[command(flatten)]
        what: DrillArguments,
    },
    /// Run one: shows what it will do, asks, and follows it to its verdict
    ///
    /// Ctrl-C asks for its end and waits for the undo. Whatever becomes of this command, the drill
    /// ends by itself.
    Run {
        /// Which, and how
        #[command(flatten)]
        what: DrillArguments,
        /// Only show what it would do
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// End the run that is under way; a node that cannot hear that comes back by its own timer
    Abort {
        /// Its number [default: the one that is under way]
        run: Option<u64>,
    },
    /// Let nobody run a drill; one that is under way is ended
    Lock {
        /// Why
        #[arg(short = 'm', long = "message", value_name = "WHY")]
        why: String,
    },
    /// Let drills be run again
    Unlock,
    /// The runs that are remembered, the newest first
    History {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// What a run came to: -o text, md, json or html (one file, to be kept)
    Report {
        /// Its number, as `history` lists it
        run: u64,
    },
    /// Have one run by itself, every week; a part of the configuration, and a revision of it
    Schedule(ScheduleArguments),
}

/// A drill that is run by itself, every week.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ScheduleArguments {
    /// Which drill; the schedule is called so
    #[arg(value_name = "NAME", value_parser = parse_kind, required = true)]
    pub kind: Option<DrillKind>,
    /// When, as in "Tue 03:00"
    #[arg(long, value_name = "DAY TIME", required = true)]
    pub weekly: Option<String>,
    /// In which time zone, as in Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Whom to hit [default: the plan chooses]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Or what else
    #[command(subcommand)]
    pub action: Option<ScheduleAction>,
}

/// What else can be done with schedules.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ScheduleAction {
    /// All of them
    List,
    /// Run a drill by itself no more
    Remove {
        /// What the schedule is called
        name: DrillName,
    },
}

/// Which drill, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DrillArguments {
    /// Which drill; `farmux drill list` has them all
    #[arg(value_name = "NAME", value_parser = parse_kind)]
    pub kind: DrillKind,
    /// Whom to hit: a VIP, a node, FARM/SERVER, a watch or a contact [default: the plan chooses]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Somebody measures from outside (`farmux probe URL`): then no node need
    #[arg(long)]
    pub outside: bool,
    /// The cluster's name, for quorum-loss: it takes the majority from what is served
    #[arg(long, value_name = "CLUSTER")]
    pub force: Option<String>,
    /// The longest outage it may cost, in milliseconds [default: the drill's own]
    #[arg(long, value_name = "MS")]
    pub bound: Option<u64>,
}

fn parse_kind(text: &str) -> Result<DrillKind, String> {
    DrillKind::of_word(text).ok_or_else(|| {
        let words = DrillKind::ALL.map(DrillKind::word);
        format!("one of {}", words.join(", "))
    })
}
