//! Which addresses a URL may lead to.

use std::collections::BTreeSet;

use super::*;

fn origin() -> Origin {
    let vips = ["10.0.0.100", "2001:db8::100"];
    Origin {
        own: vec![],
        never: vips
            .iter()
            .map(|ip| ip.parse().expect("an address"))
            .collect(),
    }
}

#[test]
fn what_only_we_can_reach_is_refused() {
    let rows = [
        ("127.0.0.1", Some("loopback")),
        ("127.255.255.254", Some("loopback")),
        ("::1", Some("loopback")),
        ("::ffff:127.0.0.1", Some("loopback")),
        ("::127.0.0.1", Some("loopback")),
        ("64:ff9b::127.0.0.1", Some("loopback")),
        ("2002:7f00:1::", Some("loopback")),
        ("169.254.169.254", Some("link-local")),
        ("169.254.0.1", Some("link-local")),
        ("::ffff:169.254.169.254", Some("link-local")),
        ("64:ff9b::a9fe:a9fe", Some("link-local")),
        ("fe80::1", Some("link-local")),
        ("febf::1", Some("link-local")),
        ("0.0.0.0", Some("unspecified")),
        ("0.1.2.3", Some("unspecified")),
        ("::", Some("unspecified")),
        ("::ffff:0.0.0.0", Some("unspecified")),
        ("224.0.0.1", Some("multicast")),
        ("239.255.255.255", Some("multicast")),
        ("ff02::1", Some("multicast")),
        ("255.255.255.255", Some("broadcast")),
        ("100.100.100.200", Some("a cloud's metadata")),
        ("168.63.129.16", Some("a cloud's metadata")),
        ("fd00:ec2::254", Some("a cloud's metadata")),
        ("10.0.0.100", Some("a VIP of this cluster")),
        ("::ffff:10.0.0.100", Some("a VIP of this cluster")),
        ("2001:db8::100", Some("a VIP of this cluster")),
        ("10.0.0.9", None),
        ("192.168.1.1", None),
        ("172.16.0.1", None),
        ("203.0.113.7", None),
        ("::ffff:203.0.113.7", None),
        ("2001:db8::1", None),
        ("fd00::1", None),
        ("fec0::1", None),
    ];
    for (ip, wanted) in rows {
        let ip: IpAddr = ip.parse().expect("an address");
        assert_eq!(forbidden(ip, Reach::Outside, &origin()), wanted, "{ip}");
        assert_eq!(forbidden(ip, Reach::Anywhere, &origin()), None, "{ip}");
    }
}

#[tokio::test]
async fn a_name_counts_by_what_it_leads_to() {
    let deadline = || Instant::now() + Duration::from_secs(5);
    let origin = Origin {
        own: vec![],
        never: BTreeSet::new(),
    };
    for host in ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1"] {
        let found = look_up(host, 80, Reach::Outside, &origin, deadline()).await;
        assert!(
            matches!(
                found,
                Err(DialError::Refused { .. } | DialError::LookUp { .. })
            ),
            "{host}: {found:?}"
        );
    }
    let found = look_up("127.0.0.1", 80, Reach::Anywhere, &origin, deadline()).await;
    assert_eq!(found, Ok(vec![SocketAddr::from(([127, 0, 0, 1], 80))]));
    let lost = look_up("farmux.invalid", 80, Reach::Outside, &origin, deadline()).await;
    assert!(matches!(lost, Err(DialError::LookUp { .. })), "{lost:?}");
}
