//! `farmux watch …`.

use std::net::IpAddr;
use std::path::Path;

use farmux_raft::state::Health;

use super::super::args::{
    ChangeArguments, ChosenArguments, FieldArguments, HowArguments, ImportArguments, ListArguments,
    WatchAction,
};
use super::super::show;
use super::Shell;
use super::config::read_up_to;
use crate::api::SHEET_BYTES_MAX;
use crate::api::types::{
    Chosen, Import, ImportRequest, Reading, SheetAnswer, WatchAnswer, WatchDetail, WatchFields,
    WatchOrder, WatchReport, WatchRequest,
};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn watch(&mut self, action: WatchAction) -> Result<(), Fault> {
        let now = self.now();
        match action {
            WatchAction::List(wanted) => self.list_watches(&wanted).await,
            WatchAction::Show { watch } => {
                let path = format!("/v1/watches/{watch}");
                let watch: Reading<WatchDetail> = self.client.get(&path).await?;
                self.terminal
                    .show(&watch, |watch, paint| show::watch(watch, paint, now))
            }
            WatchAction::Add {
                name,
                address,
                fields,
                how,
            } => {
                let order = WatchOrder::Add {
                    name: name.to_string(),
                    fields: Box::new(new_fields(address, *fields)),
                };
                self.change_watches(order, how, true).await
            }
            WatchAction::Set {
                which,
                address,
                unlabel,
                put_label,
                to_group,
                no_group,
                group_check,
                no_depends_on,
                fields,
                how,
                yes,
            } => {
                let group = to_group.map(String::from);
                let fields = WatchFields {
                    address: address.map(|address| address.to_string()),
                    group: group.or_else(|| no_group.then(String::new)),
                    labels: put_label.into_iter().collect(),
                    unlabel: unlabel.into_iter().collect(),
                    inherit_check: group_check,
                    not_depends_on: no_depends_on.iter().map(ToString::to_string).collect(),
                    ..changes(*fields)
                };
                let order = WatchOrder::Set {
                    which: chosen(which),
                    fields: Box::new(fields),
                };
                self.change_watches(order, how, yes).await
            }
            WatchAction::Remove { which, how, yes } => {
                let which = chosen(which);
                self.change_watches(WatchOrder::Remove { which }, how, yes)
                    .await
            }
            WatchAction::Import(import) => self.import_watches(import).await,
            WatchAction::Export { .. } => {
                let sheet: Reading<SheetAnswer> = self.client.get("/v1/watches/export").await?;
                self.terminal
                    .show(&sheet, |sheet, _| sheet.data.csv.clone())
            }
        }
    }

    async fn list_watches(&mut self, wanted: &ListArguments) -> Result<(), Fault> {
        let mut watches: Reading<Vec<WatchReport>> = self.client.get("/v1/watches").await?;
        watches.data.retain(|watch| is_wanted(wanted, watch));
        watches.data.sort_by_key(|watch| {
            // The worst first, and of those the newest.
            let rank = match (watch.health, &watch.unreachable_because) {
                (Health::Down, None) => 0,
                (Health::Down, Some(_)) => 1,
                (Health::Unknown, _) => 2,
                (Health::Up, _) => 3,
            };
            let since = watch.since.map_or(0, |since| since.0.0);
            let newest = if rank < 2 { u64::MAX - since } else { 0 };
            (rank, newest, watch.name.clone())
        });
        let now = self.now();
        self.terminal.show(&watches, |watches, paint| {
            show::watches(watches, paint, now)
        })
    }

    /// Shows what would change, asks where somebody can be asked, and has it done.
    async fn change_watches(
        &mut self,
        order: WatchOrder,
        how: HowArguments,
        yes: bool,
    ) -> Result<(), Fault> {
        let mut request = WatchRequest {
            order,
            dry_run: true,
            note: how.note,
        };
        if !how.dry_run && !yes {
            let would: WatchAnswer = self.client.post("/v1/watches", &request).await?;
            self.agree(&would)?;
        }
        request.dry_run = how.dry_run;
        let done: WatchAnswer = self.client.post("/v1/watches", &request).await?;
        self.show_change(&done, how.dry_run, yes)
    }

    async fn import_watches(&mut self, arguments: ImportArguments) -> Result<(), Fault> {
        let replace = arguments.replace.then(|| Chosen {
            names: Default::default(),
            labels: arguments.labels.into_iter().collect(),
            group: arguments.group.map(String::from),
            all: arguments.all,
        });
        let yes = arguments.yes || replace.is_none();
        let mut request = ImportRequest {
            import: Import {
                csv: read_sheet(&arguments.file)?,
                replace,
            },
            dry_run: true,
            note: arguments.how.note,
        };
        let dry_run = arguments.how.dry_run;
        if !dry_run && !yes {
            let would: WatchAnswer = self.client.post("/v1/watches/import", &request).await?;
            self.agree(&would)?;
        }
        request.dry_run = dry_run;
        let done: WatchAnswer = self.client.post("/v1/watches/import", &request).await?;
        self.show_change(&done, dry_run, yes)
    }

    /// Somebody at a terminal reads through what would change; a script has said yes by itself.
    fn agree(&mut self, would: &WatchAnswer) -> Result<(), Fault> {
        if would.diff.is_empty() || !self.terminal.asks() {
            return Ok(());
        }
        let shown = show::watches_changed(would, true);
        self.terminal.write(&shown)?;
        let question = format!("Change {} watches?", would.touched);
        self.terminal.confirm(&question, false)
    }

    fn show_change(&mut self, done: &WatchAnswer, dry_run: bool, yes: bool) -> Result<(), Fault> {
        let shown_already = self.terminal.asks() && !yes && !dry_run;
        self.terminal.show(done, |done, _| {
            if shown_already && !done.diff.is_empty() {
                let without = WatchAnswer {
                    diff: Vec::new(),
                    ..done.clone()
                };
                return show::watches_changed(&without, dry_run);
            }
            show::watches_changed(done, dry_run)
        })
    }
}

fn is_wanted(wanted: &ListArguments, watch: &WatchReport) -> bool {
    let labelled = wanted
        .labels
        .iter()
        .all(|(name, value)| watch.labels.get(name) == Some(value));
    let group = wanted.group.as_ref().map(ToString::to_string);
    let grouped = group.is_none() || group == watch.group;
    let kind = watch.check.split([' ', ',']).next().unwrap_or_default();
    let checked = wanted.kind.as_ref().is_none_or(|wanted| wanted == kind);
    labelled && grouped && checked && (!wanted.down || watch.health == Health::Down)
}

fn chosen(which: ChosenArguments) -> Chosen {
    Chosen {
        names: which.names.iter().map(ToString::to_string).collect(),
        labels: which.labels.into_iter().collect(),
        group: which.group.map(String::from),
        all: which.all,
    }
}

fn new_fields(address: IpAddr, fields: FieldArguments) -> WatchFields {
    WatchFields {
        address: Some(address.to_string()),
        group: fields.group.map(String::from),
        labels: fields.labels.into_iter().collect(),
        ..changes(fields.change)
    }
}

fn changes(change: ChangeArguments) -> WatchFields {
    WatchFields {
        port: change.port.map(i64::from),
        depends_on: change.depends_on.iter().map(ToString::to_string).collect(),
        ladder: change.ladder,
        check: change.check,
        ..WatchFields::default()
    }
}

fn read_sheet(file: &Path) -> Result<String, Fault> {
    let most = u64::try_from(SHEET_BYTES_MAX).unwrap_or(u64::MAX);
    read_up_to(file, most.saturating_add(1))
}
