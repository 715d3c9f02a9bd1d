//! Reads services and their bounds.

use farmux_raft::id::ServiceName;
use farmux_raft::state::{Farm, Ftp, Limits, Queue, Service, ServiceKind};

use super::super::document::{LimitsTable, QueueTable, ServiceTable};
use super::super::reader::Reader;
use super::check::check;
use super::optional;

/// Reads a service; a check's stored password is taken over from the farm as it was `before`.
pub(super) fn service(
    reader: &mut Reader<'_>,
    at: &str,
    table: &ServiceTable,
    before: Option<&Farm>,
) -> Option<(ServiceName, Service)> {
    let here = |field: &str| format!("{at}.{field}");
    let name: Option<ServiceName> = reader.name(at, &table.name);
    let kind = kind(reader, at, table);
    let port = reader.port(&here("port"), &table.port);
    let limits = match &table.limits {
        None => Some(Limits::default()),
        Some(table) => limits(reader, &here("limits"), table),
    };
    let queue = match &table.queue {
        None => Some(Queue::default()),
        Some(table) => queue(reader, &here("queue"), table),
    };
    let most = reader.most(&here("max_connections"), table.max_connections.as_ref());
    let send_proxy = match &table.send_proxy {
        None => Some(None),
        Some(word) => reader.word(&here("send_proxy"), Some(word)).map(Some),
    };
    let accept_proxy = reader.list(&here("accept_proxy"), &table.accept_proxy);
    let stored = name
        .as_ref()
        .and_then(|name| before?.services.get(name)?.check.as_ref());
    let check = match &table.check {
        None => Some(None),
        Some(table) => check(reader, &here("check"), table, stored).map(Some),
    };
    let service = Service {
        kind: kind?,
        port: port?,
        check: check?,
        limits: limits?,
        max_connections: most?,
        queue: queue?,
        send_proxy: send_proxy?,
        accept_proxy: accept_proxy?,
    };
    Some((name?, service))
}

#[derive(Clone, Copy)]
enum Spoken {
    Tcp,
    Http,
    Ftp,
}

fn kind(reader: &mut Reader<'_>, at: &str, table: &ServiceTable) -> Option<ServiceKind> {
    let choices = [
        ("tcp", Spoken::Tcp),
        ("http", Spoken::Http),
        ("ftp", Spoken::Ftp),
    ];
    let spoken = reader.choice(&format!("{at}.kind"), &table.kind, &choices, &["udp"])?;
    let data_ports = optional(table.data_ports.as_ref(), |word| {
        reader.name(&format!("{at}.data_ports"), word)
    })?;
    let tls = reader.word(&format!("{at}.tls"), table.tls.as_ref())?;
    match (spoken, data_ports) {
        (Spoken::Ftp, Some(data_ports)) => Some(ServiceKind::Ftp(Ftp { data_ports, tls })),
        (Spoken::Ftp, None) => {
            let what = "an ftp service needs data_ports, as in \"40000-40999\"";
            reader.wrong(at, &table.kind.span(), what);
            None
        }
        (Spoken::Tcp | Spoken::Http, _) => {
            let words = [("data_ports", &table.data_ports), ("tls", &table.tls)];
            for (field, word) in words {
                if let Some(word) = word {
                    let what = "only a service of kind \"ftp\" has this";
                    reader.wrong(&format!("{at}.{field}"), &word.span(), what);
                }
            }
            Some(match spoken {
                Spoken::Http => ServiceKind::Http,
                Spoken::Tcp | Spoken::Ftp => ServiceKind::Tcp,
            })
        }
    }
}

fn limits(reader: &mut Reader<'_>, at: &str, table: &LimitsTable) -> Option<Limits> {
    let default = Limits::default();
    let mut limit = |field: &str, word, default| {
        reader.duration(&format!("{at}.{field}"), Option::as_ref(word), default)
    };
    let connect = limit("connect", &table.connect, default.connect);
    let header = limit("header", &table.header, default.header);
    let idle = limit("idle", &table.idle, default.idle);
    let total = limit("total", &table.total, default.total);
    Some(Limits {
        connect: connect?,
        header: header?,
        idle: idle?,
        total: total?,
    })
}

fn queue(reader: &mut Reader<'_>, at: &str, table: &QueueTable) -> Option<Queue> {
    let default = Queue::default();
    let (length, timeout) = (table.length.as_ref(), table.timeout.as_ref());
    let length = reader.amount(&format!("{at}.length"), length, default.length);
    let timeout = reader.duration(&format!("{at}.timeout"), timeout, default.timeout);
    Some(Queue {
        length: length?,
        timeout: timeout?,
    })
}
