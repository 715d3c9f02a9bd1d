//! The words of `farmux watch` and `farmux events`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use farmux_raft::id::{GroupName, WatchName};
use farmux_raft::state::{EventKind, Parent, Word};

use crate::config::{CheckFields, parse_duration};

/// Things that are checked, not balanced.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum WatchAction {
    /// All of them, the worst first
    List(ListArguments),
    /// One: how it is, how it has been, what it depends on and who depends on it
    Show {
        /// Its name
        watch: WatchName,
    },
    /// Watch something new
    Add {
        /// What it shall be called
        name: WatchName,
        /// Where it answers
        address: IpAddr,
        /// What else it is
        #[command(flatten)]
        fields: Box<FieldArguments>,
        /// How it is done
        #[command(flatten)]
        how: HowArguments,
    },
    /// Change some; shows what changes
    Set {
        /// Which
        #[command(flatten)]
        which: ChosenArguments,
        /// Where it answers
        #[arg(long)]
        address: Option<IpAddr>,
        /// Labels to take off, by their names
        #[arg(long, value_name = "NAME")]
        unlabel: Vec<String>,
        /// Labels to put on
        #[arg(long = "put-label", value_name = "NAME=VALUE", value_parser = parse_label)]
        put_label: Vec<(String, String)>,
        /// Its group from now on
        #[arg(long, value_name = "GROUP", conflicts_with = "no_group")]
        to_group: Option<GroupName>,
        /// It has no group any more
        #[arg(long)]
        no_group: bool,
        /// It has its group's check from now on
        #[arg(long, conflicts_with = "kind")]
        group_check: bool,
        /// It depends on this no more
        #[arg(long, value_name = "WATCH|FARM/SERVER")]
        no_depends_on: Vec<Parent>,
        /// What is different
        #[command(flatten)]
        fields: Box<ChangeArguments>,
        /// How it is done
        #[command(flatten)]
        how: HowArguments,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Watch some no more
    Remove {
        /// Which
        #[command(flatten)]
        which: ChosenArguments,
        /// How it is done
        #[command(flatten)]
        how: HowArguments,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Add and change watches as a sheet has them, all or nothing
    Import(ImportArguments),
    /// All of them as a sheet that `import` understands; secrets are named, not shown
    Export {
        /// As CSV, which is the only form for now
        #[arg(long)]
        csv: bool,
    },
}

/// Which of them are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct ListArguments {
    /// Only those with this label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Only those of this group
    #[arg(long)]
    pub group: Option<GroupName>,
    /// Only those that are down, or unreachable
    #[arg(long)]
    pub down: bool,
    /// Only those that are checked so
    #[arg(long)]
    pub kind: Option<String>,
}

/// Which are meant: those that everything said here is true of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[group(required = true, multiple = true)]
pub struct ChosenArguments {
    /// Their names
    pub names: Vec<WatchName>,
    /// Those with this label, their own or their group's
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Those of this group
    #[arg(long)]
    pub group: Option<GroupName>,
    /// All of them
    #[arg(long, conflicts_with_all = ["names", "labels", "group"])]
    pub all: bool,
}

/// What a new one is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct FieldArguments {
    /// Its group, whose defaults it has
    #[arg(long)]
    pub group: Option<GroupName>,
    /// A label, once for each
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// The rest
    #[command(flatten)]
    pub change: ChangeArguments,
}

/// What a new one is, or what of one that is there is different.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct ChangeArguments {
    /// At which port; 0: at the check's customary one
    #[arg(long)]
    pub port: Option<u16>,
    /// What must be up for it to be up, once for each
    #[arg(long, value_name = "WATCH|FARM/SERVER")]
    pub depends_on: Vec<Parent>,
    /// Who is paged after whom for it; an empty name: as for what names none
    #[arg(long)]
    pub ladder: Option<String>,
    /// How it is checked
    #[command(flatten)]
    pub check: CheckFields,
}

/// How a change is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct HowArguments {
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the history
    #[arg(short = 'm', long, default_value = "", hide_default_value = true)]
    pub note: String,
}

/// What is imported.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ImportArguments {
    /// The sheet, CSV with a header; `-` reads standard input
    pub file: PathBuf,
    /// Remove those that the sheet does not have: of --label, of --group, or of --all
    #[arg(long, requires = "scope")]
    pub replace: bool,
    /// Of those with this label
    #[arg(
        long = "label",
        value_name = "NAME=VALUE",
        value_parser = parse_label,
        requires = "replace",
        group = "scope"
    )]
    pub labels: Vec<(String, String)>,
    /// Of those of this group
    #[arg(long, requires = "replace", group = "scope")]
    pub group: Option<GroupName>,
    /// Of all of them
    #[arg(long, requires = "replace", group = "scope")]
    pub all: bool,
    /// How it is done
    #[command(flatten)]
    pub how: HowArguments,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// What happened lately.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct EventsArguments {
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only of the last so long
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// Only about this: a watch, FARM/SERVER/SERVICE, a node, a VIP …
    #[arg(long)]
    pub subject: Option<String>,
    /// Only of this kind: health, page, delivery, acknowledged, revision, order, node, owner or
    /// leader
    #[arg(long, value_parser = parse_kind)]
    pub kind: Option<EventKind>,
}

/// A label, as `site=berlin`.
fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write a label as NAME=VALUE".to_owned()),
    }
}

fn parse_kind(text: &str) -> Result<EventKind, String> {
    let found = EventKind::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let words: Vec<&str> = EventKind::WORDS.iter().map(|(word, _)| *word).collect();
        format!("possible: {}", words.join(", "))
    })
}
