//! Watches: shown, changed, and as a sheet.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State as Shared};
use farmux_raft::id::WatchName;
use farmux_raft::state::{CheckKey, Command, Config, Page, Reject, State, Subject};

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::probed;
use super::super::status::{uptime_of, watch_report, watch_reports};
use super::super::types::{
    Chosen, ImportRequest, Reading, SheetAnswer, WatchAnswer, WatchDetail, WatchReport,
    WatchRequest,
};
use super::config::{confirm_newest, revise};
use super::{Daemon, freshness, member, pages, silences};
use crate::config::{ConfigError, change_watches, diff, export_csv, import_csv};
use crate::daemon::{Member, wall_clock};
use crate::fault::{Code, Fault};

/// `GET /v1/watches`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<WatchReport>>> {
    let member = member(&node)?;
    answer(Reading {
        fresh: freshness(&node, &member),
        data: watch_reports(&member.state()),
    })
}

/// `GET /v1/watches/NAME`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(name): Path<String>,
) -> Answer<Reading<WatchDetail>> {
    let name: WatchName = parse(&name)?;
    let member = member(&node)?;
    let state = member.state();
    let unknown = || Fault::new(Code::WatchUnknown).what(format!("there is no watch {name}"));
    let watch = watch_report(&state, &name).ok_or_else(unknown)?;
    let (probed_by, results) = probed::of_leader(&member, &CheckKey::Watch(name.clone())).await;
    let subject = Subject::Watch(name.clone());
    let of_it = |page: &&Page| page.subject == subject;
    let pages_of_it = state.pages.iter().rev().filter(of_it).take(PAGES_SHOWN);
    answer(Reading {
        fresh: freshness(&node, &member),
        data: WatchDetail {
            watch,
            results,
            probed_by,
            uptime: uptime_of(&state, &name, wall_clock()),
            silenced: silences::silenced(&state, &subject),
            pages: pages_of_it
                .map(|page| pages::report(&state, page))
                .collect(),
        },
    })
}

/// `POST /v1/watches`.
pub(crate) async fn change(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<WatchRequest>,
) -> Answer<WatchAnswer> {
    let WatchRequest {
        order,
        dry_run,
        note,
    } = request;
    let wish = Wish { dry_run, note };
    let change = |state: &State| change_watches(&state.config, &state.nodes, &order);
    answer(bring_about(&*member(&node)?, &caller, wish, change).await?)
}

/// `POST /v1/watches/import`.
pub(crate) async fn import(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<ImportRequest>,
) -> Answer<WatchAnswer> {
    let ImportRequest {
        import,
        dry_run,
        note,
    } = request;
    let wish = Wish { dry_run, note };
    let change = |state: &State| import_csv(&state.config, &state.nodes, &import);
    answer(bring_about(&*member(&node)?, &caller, wish, change).await?)
}

/// `GET /v1/watches/export`.
pub(crate) async fn export(Shared(node): Daemon) -> Answer<Reading<SheetAnswer>> {
    let member = member(&node)?;
    let csv = export_csv(&member.state().config, &Chosen::default());
    answer(Reading {
        fresh: freshness(&node, &member),
        data: SheetAnswer { csv },
    })
}

pub(super) struct Wish {
    pub(super) dry_run: bool,
    pub(super) note: String,
}

/// Changes the newest configuration, as one revision; where another came between, the change is
/// made anew on that.
pub(super) async fn bring_about(
    member: &Member,
    caller: &Caller,
    wish: Wish,
    change: impl Fn(&State) -> Result<(Config, usize), Vec<ConfigError>>,
) -> Result<WatchAnswer, Fault> {
    let moved = Reject::RevisionMoved {
        base: Default::default(),
        newest: Default::default(),
    };
    let mut attempt = 1;
    let mut confirmed = false;
    loop {
        let state = member.state();
        let (config, touched) = change(&state).map_err(refused)?;
        let mut made = WatchAnswer {
            touched,
            diff: diff(&state.config, &config),
            revision: None,
        };
        let same = config == *state.config;
        if wish.dry_run || (same && confirmed) {
            return Ok(made);
        }
        if same {
            // That nothing changes is said of the newest only.
            confirm_newest(member).await?;
            confirmed = true;
            continue;
        }
        let command = Command::Configure {
            author: caller.author(),
            base: state.revision,
            config: Box::new(config),
            note: wish.note.clone(),
        };
        match revise(member, command).await {
            Err(fault) if fault.code == moved.code() && attempt < ATTEMPTS_MAX => {
                attempt += 1;
                tokio::time::sleep(CATCH_UP).await;
            }
            Err(fault) => return Err(fault),
            Ok(revision) => {
                made.revision = revision;
                return Ok(made);
            }
        }
    }
}

fn refused(errors: Vec<ConfigError>) -> Fault {
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    Fault::new(Code::WatchesRefused).why(lines.join("\n"))
}

/// Somebody who changes it as often is a machine, and meets the others' lines in turn.
const ATTEMPTS_MAX: u32 = 5;

/// A follower applies what the leader has within some heartbeats.
const CATCH_UP: Duration = Duration::from_millis(100);

/// What one looks back on; `farmux page list` has them all.
const PAGES_SHOWN: usize = 5;
