//! The greeting probes against the servers that people really run, one LAN away.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};

use farmux_netplane::plan::{ProbeKind, Protocol};
use farmux_tests::lab::daemons::Daemons;
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{CLIENT, Host, Lab, server_address, wait};
use rustix::process::Signal;

use super::probes::{STARTS_WITHIN, found, found_within};

fn check(protocol: Protocol) -> (u16, ProbeKind) {
    let port = match protocol {
        Protocol::Smtp => 25,
        Protocol::Pop3 => 110,
        Protocol::Imap => 143,
        Protocol::Ssh => 22,
        Protocol::Redis => 6379,
        Protocol::Postgres => 5432,
        Protocol::Mysql => 3306,
    };
    (port, ProbeKind::Greeting(protocol))
}

/// The seven, each at its port.
fn all() -> [(u16, ProbeKind); 7] {
    [
        check(Protocol::Smtp),
        check(Protocol::Pop3),
        check(Protocol::Imap),
        check(Protocol::Ssh),
        check(Protocol::Redis),
        check(Protocol::Postgres),
        check(Protocol::Mysql),
    ]
}

/// Waits until one check finds this.
fn until(client: &Host, host: &Host, check: (u16, ProbeKind), wanted: &str) {
    let seen = std::cell::RefCell::new(String::new());
    let is = || {
        let [found] = found(client, host, [check.clone()]);
        *seen.borrow_mut() = found;
        *seen.borrow() == wanted
    };
    let ended = wait::until_true(wanted, STARTS_WITHIN, is);
    assert!(ended.is_ok(), "{wanted}: {}", seen.borrow());
}

fn says_nothing_of(server: &Process, trouble: &[&str]) {
    let log = server.log();
    for word in trouble {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

/// Each is well, without an account, and nothing in its log speaks of a client that vanished; each
/// is missed when it hangs and when it is gone.
#[test]
fn seven_servers_greet() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let daemons = Daemons::on(&host, lab.folder()).expect("tests/run.sh unpacked them");
    let exim = daemons.exim().expect("Exim");
    let dovecot = daemons.dovecot().expect("Dovecot");
    let sshd = daemons.sshd().expect("OpenSSH");
    let _redis = daemons.redis(6379, "--protected-mode no").expect("Redis");
    let postgres = daemons.postgres("scram-sha-256").expect("PostgreSQL");
    let mariadb = daemons.mariadb("app", "").expect("MariaDB");
    let well = [
        "SMTP greets",
        "POP3 greets",
        "IMAP greets",
        "SSH greets",
        "Redis answers",
        "PostgreSQL answers, login wanted",
        "MySQL answers, login refused",
    ];
    for (check, wanted) in all().into_iter().zip(well) {
        until(&client, &host, check, wanted);
    }
    for _ in 0..5 {
        // Dovecot starts a process for each connection, which a busy machine takes seconds for.
        assert_eq!(found_within(&client, &host, STARTS_WITHIN, all()), well);
    }
    let main = lab.folder().join("s1-servers/exim/mainlog");
    let main = std::fs::read_to_string(main).expect("Exim wrote it");
    assert!(main.contains("closed by QUIT"), "{main}");
    for trouble in ["lost", "unexpected", "rejected"] {
        assert!(!main.contains(trouble), "{trouble}: {main}");
    }
    says_nothing_of(&dovecot, &["Error"]);
    for who in ["imap-login", "pop3-login"] {
        let left = format!("{who}: Info: Disconnected: Aborted login by logging out");
        assert!(dovecot.log().contains(&left), "{}", dovecot.log());
    }
    // Who says farewell before sshd has begun to speak is gone when it does.
    wait::until_true("sshd hears a farewell", STARTS_WITHIN, || {
        let before = sshd.log().len();
        let [greets] = found(&client, &host, [check(Protocol::Ssh)]);
        let log = sshd.log();
        let new = log.get(before..).unwrap_or_default();
        let troubles = ["kex_exchange", "banner", "invalid", "reset"];
        greets == "SSH greets"
            && new.contains("Received disconnect")
            && troubles.iter().all(|word| !new.contains(word))
    })
    .unwrap_or_else(|_| panic!("{}", sshd.log()));
    says_nothing_of(
        &postgres,
        &["could not receive", "incomplete", "FATAL", "ERROR"],
    );
    says_nothing_of(&mariadb, &["Aborted connection"]);
    assert!(exim.is_running());

    host.hang();
    let late = |what: &str| format!("timeout after 2 s while waiting for the {what}");
    let hung = [
        late("SMTP greeting"),
        late("POP3 greeting"),
        late("IMAP greeting"),
        late("SSH greeting"),
        late("Redis answer"),
        late("PostgreSQL answer"),
        late("MySQL greeting"),
    ];
    assert_eq!(found(&client, &host, all()), hung);
    host.go_on();
    host.crash();
    // What was accepted before dies with a reset first.
    wait::until_true("all seven refuse", STARTS_WITHIN, || {
        found(&client, &host, all()) == ["connection refused"; 7]
    })
    .expect("nobody listens any more");
}

/// MariaDB blocks an address whose handshakes break off five times in a row: a probe that read the
/// greeting and left was blocked, as was one that said `COM_QUIT` instead of a login. One that
/// has its login refused is not. Whoever only reads the greeting is, which the end shows.
#[test]
fn mysql_does_not_block_who_probes() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let daemons = Daemons::on(&host, lab.folder()).expect("tests/run.sh unpacked them");
    let _mariadb = daemons
        .mariadb("app", "--max-connect-errors=5")
        .expect("MariaDB");
    let well = "MySQL answers, login refused";
    until(&client, &host, check(Protocol::Mysql), well);
    for _ in 0..20 {
        assert_eq!(found(&client, &host, [check(Protocol::Mysql)]), [well]);
    }
    client.within(|| {
        let to = SocketAddr::from((host.address(), 3306));
        for _ in 0..8 {
            let mut stream = TcpStream::connect(to).expect("it listens");
            let _ = stream.read(&mut [0; 100]);
        }
    });
    let blocked = "MySQL error 1129 (this node is blocked: mysqladmin flush-hosts)";
    until(&client, &host, check(Protocol::Mysql), blocked);
}

/// Servers that live and want no strangers are well; those that say that they cannot serve are not.
#[test]
fn what_a_server_says_decides() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let daemons = Daemons::on(&host, lab.folder()).expect("tests/run.sh unpacked them");
    let mariadb = daemons.mariadb("farmux", "").expect("MariaDB");
    let redis = ProbeKind::Greeting(Protocol::Redis);
    let _secret = daemons.redis(6380, "--requirepass s3cret").expect("Redis");
    let _shy = daemons.redis(6381, "--protected-mode yes").expect("Redis");
    let full = "--protected-mode no --maxclients 1";
    let _full = daemons.redis(6382, full).expect("Redis");
    let postgres = daemons.postgres("reject").expect("PostgreSQL");
    until(
        &client,
        &host,
        (6380, redis.clone()),
        "Redis answers, login wanted",
    );
    until(
        &client,
        &host,
        (6381, redis.clone()),
        "Redis is in protected mode",
    );
    until(&client, &host, (6382, redis.clone()), "Redis answers");
    let to = |port| SocketAddr::from((host.address(), port));
    let _held = client.within(|| TcpStream::connect(to(6382)).expect("it listens"));
    until(&client, &host, (6382, redis), "Redis says error");

    let let_in = "MySQL answers, login accepted";
    until(&client, &host, check(Protocol::Mysql), let_in);
    says_nothing_of(&mariadb, &["Aborted connection", "Access denied"]);

    let check = check(Protocol::Postgres);
    let refused = "PostgreSQL answers, login refused";
    until(&client, &host, check.clone(), refused);
    // It waits for its last client before it ends, and takes no other.
    let _last = client.within(|| TcpStream::connect(to(5432)).expect("it listens"));
    assert_eq!(found(&client, &host, [check.clone()]), [refused]);
    postgres.signal(Signal::TERM).expect("it runs");
    let not_now = "PostgreSQL takes no connections now (57P03)";
    until(&client, &host, check, not_now);
}
