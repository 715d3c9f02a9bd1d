//! The probes of DNS, UDP and ICMP against what people really run: two name servers of different
//! makers, and the kernel.

use std::fs;
use std::time::Duration;

use farmux_netplane::plan::{DnsRecord, ProbeKind};
use farmux_tests::lab::dns::dnsmasq;
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{CLIENT, Host, Lab, server_address, wait};

use crate::probes::{STARTS_WITHIN, TIMEOUT, found, found_within};

const DNS: u16 = 53;

fn dns(name: &str, record: DnsRecord, value: Option<&str>) -> (u16, ProbeKind) {
    let kind = ProbeKind::Dns {
        name: name.into(),
        record,
        value: value.map(Into::into),
    };
    (DNS, kind)
}

/// A name server that knows what is looked up here.
fn names(host: &Host) -> Process {
    dnsmasq(host, RECORDS).expect("dnsmasq-base is installed")
}

const RECORDS: &[&str] = &[
    "--local=/example/",
    "--host-record=www.example,10.0.0.7,fd00::7",
    "--cname=alias.example,www.example",
    "--mx-host=example,mail.example,10",
    "--txt-record=example,v=spf1 -all",
    "--ptr-record=7.0.0.10.in-addr.arpa,www.example",
];

/// A zone of our own, one name of it with more addresses than a datagram holds, and a zone whose
/// file is missing.
fn nsd(host: &Host, lab: &Lab) -> Process {
    let folder = lab.folder().join("nsd");
    fs::create_dir_all(&folder).expect("a folder");
    let at = folder.display();
    let configuration = format!(
        "server:\n ip-address: {}\n username: \"\"\n zonesdir: \"{at}\"\n database: \"\"\n \
         pidfile: \"{at}/pid\"\n xfrdfile: \"{at}/xfrd\"\n zonelistfile: \"{at}/list\"\n \
         xfrdir: \"{at}\"\n server-count: 1\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: example\n zonefile: zone\n\
         zone:\n name: broken.test\n zonefile: missing\n",
        host.address()
    );
    let mut zone = "$ORIGIN example.\n$TTL 60\n\
        @ SOA ns admin 2026112601 3600 600 86400 60\n@ NS ns\n@ MX 10 mail\n\
        @ TXT \"v=spf1\" \" -all\"\nns A 10.0.0.8\nmail A 10.0.0.9\n\
        www A 10.0.0.7\nwww AAAA fd00::7\nalias CNAME www\n"
        .to_owned();
    for last in 1..=60 {
        zone.push_str(&format!("many A 10.0.1.{last}\n"));
    }
    fs::write(folder.join("conf"), configuration).expect("writes");
    fs::write(folder.join("zone"), zone).expect("writes");
    let mut command = host.command("nsd");
    command.arg("-d").arg("-c").arg(folder.join("conf"));
    host.spawn("nsd", command).expect("nsd is installed")
}

#[test]
fn name_servers_are_known_by_their_answers() {
    use DnsRecord::{A, Aaaa, Cname, Mx, Ns, Ptr, Soa, Txt};
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let one = lab.host("s1", server_address(1)).expect("a server");
    let two = lab.host("s2", server_address(2)).expect("a server");
    let www = || dns("www.example", A, Some("10.0.0.7"));
    assert_eq!(found(&client, &one, [www()]), ["connection refused"]);

    let _servers = [names(&one), nsd(&two, &lab)];
    for host in [&one, &two] {
        let answers = || found(&client, host, [www()]) == ["1 A record"];
        wait::until_true("it answers", STARTS_WITHIN, answers).expect("it starts");
        let checks = [
            dns("WWW.Example.", Aaaa, Some("FD00:0::7")),
            dns("alias.example", A, Some("10.0.0.7")),
            dns("alias.example", Cname, Some("www.EXAMPLE")),
            dns("example", Mx, Some("mail.example")),
            dns("example", Txt, Some("v=spf1 -all")),
            dns("www.example", A, Some("10.0.0.9")),
            dns("nobody.example", A, None),
            dns("www.elsewhere.test", A, None),
        ];
        let wanted = [
            "1 AAAA record",
            "1 A record",
            "1 CNAME record",
            "1 MX record",
            "1 TXT record",
            "none of 1 A records is the expected one",
            "no such name (NXDOMAIN)",
            "the name server refuses (REFUSED)",
        ];
        assert_eq!(found(&client, host, checks), wanted, "{}", host.name());
    }
    let reverse = dns("7.0.0.10.in-addr.arpa", Ptr, Some("www.example"));
    assert_eq!(found(&client, &one, [reverse]), ["1 PTR record"]);
    let checks = [
        dns("many.example", A, Some("10.0.1.60")),
        dns("example", Soa, Some("2026112601")),
        dns("example", Soa, Some("2026112602")),
        dns("example", Ns, Some("ns.example")),
        dns("www.example", Mx, None),
        dns("www.broken.test", A, None),
    ];
    assert_eq!(
        found(&client, &two, checks),
        [
            "60 A records",
            "1 SOA record",
            "none of 1 SOA records is the expected one",
            "1 NS record",
            "the name has no MX record",
            "the name server failed (SERVFAIL)",
        ]
    );
    for host in [&one, &two] {
        host.hang();
        let hung = "timeout after 2 s while waiting for the answer";
        assert_eq!(found(&client, host, [www()]), [hung]);
        host.crash();
        let refused = || found(&client, host, [www()]) == ["connection refused"];
        wait::until_true("nobody listens", STARTS_WITHIN, refused).expect("all are dead");
    }
}

/// A question to a name server, as bytes that somebody wrote into a configuration.
#[test]
fn a_datagram_service_is_known_by_its_first_bytes() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let ask = |expect: &[u8]| {
        let question = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
        let kind = ProbeKind::Udp {
            send: question[..].into(),
            expect: expect.into(),
        };
        (DNS, kind)
    };
    assert_eq!(found(&client, &host, [ask(b"")]), ["connection refused"]);
    let server = names(&host);
    let answers = || found(&client, &host, [ask(b"")]) == ["answered"];
    wait::until_true("it answers", STARTS_WITHIN, answers).expect("it starts");
    assert_eq!(
        found(&client, &host, [ask(b"\x12\x34\x85"), ask(b"\x12\x35")]),
        ["answered", "the answer does not begin as expected"]
    );
    server.pause().expect("it runs");
    let hung = "timeout after 2 s while waiting for the answer";
    assert_eq!(found(&client, &host, [ask(b"")]), [hung]);
}

/// Longer than the kernel looks for a neighbour: three times a second apart.
const UNTIL_UNREACHABLE: Duration = Duration::from_secs(6);

fn echo(client: &Host, host: &Host, timeout: Duration) -> String {
    let [told] = found_within(client, host, timeout, [(0, ProbeKind::Icmp)]);
    told
}

/// By either kind of socket: as anybody, where the kernel allows it, and raw.
#[test]
fn machines_are_known_by_their_echo() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let raw = lab.host("raw", CLIENT).expect("a client");
    let plain = lab.host("plain", server_address(9)).expect("a client");
    let range = "/proc/sys/net/ipv4/ping_group_range";
    let set = |client: &Host, groups: &str| {
        let mut command = client.command("sh");
        command.args(["-c", &format!("echo {groups} >{range}")]);
        let status = command.status().expect("sh is there");
        assert!(status.success());
    };
    set(&raw, "1 0");
    set(&plain, "0 2147483647");
    let nft = |words: &[&str]| {
        let status = host.command("nft").args(words).status();
        assert!(
            status.expect("nftables is installed").success(),
            "{words:?}"
        );
    };
    for client in [&raw, &plain] {
        assert_eq!(echo(client, &host, TIMEOUT), "echo answered");
    }

    nft(&["add", "table", "inet", "t"]);
    nft(&["add chain inet t c { type filter hook input priority 0; }"]);
    nft(&["add rule inet t c ip protocol icmp drop"]);
    let hung = "timeout after 2 s while waiting for the answer";
    for client in [&raw, &plain] {
        assert_eq!(echo(client, &host, TIMEOUT), hung);
    }
    nft(&["flush chain inet t c"]);
    nft(&["add rule inet t c ip protocol icmp reject with icmp type host-unreachable"]);
    for client in [&raw, &plain] {
        assert_eq!(echo(client, &host, TIMEOUT), "host unreachable");
    }
    nft(&["delete", "table", "inet", "t"]);
    for client in [&raw, &plain] {
        assert_eq!(echo(client, &host, TIMEOUT), "echo answered");
    }

    let mut command = host.command("ip");
    let status = command.args(["address", "flush", "dev", "eth0"]).status();
    assert!(status.expect("iproute2 is installed").success());
    let hung = "timeout after 6 s while waiting for the answer";
    for client in [&raw, &plain] {
        // While the kernel remembers the neighbour it sends to it in silence; then it says so.
        let mut command = client.command("ip");
        let status = command.args(["neigh", "flush", "dev", "eth0"]).status();
        assert!(status.expect("iproute2 is installed").success());
        let told = echo(client, &host, UNTIL_UNREACHABLE);
        assert!(["host unreachable", hung].contains(&&*told), "{told}");
    }
}
