//! What certificates say, for how long, and what is no certificate of ours.

use super::super::key::SigningRequest;
use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn ca() -> Ca {
    let name = "prod".parse().expect("a name");
    Ca::create(ClusterId(7), &name, NOW).expect("a CA")
}

fn node(id: u64) -> Bearer {
    Bearer::Node {
        node: NodeId(id),
        role: NodeRole::Witness,
        name: "lb1".parse().expect("a name"),
    }
}

#[test]
fn a_leaf_says_who_bears_it_and_for_how_long() {
    let ca = ca();
    let key = NodeKey::generate();
    let requested = key.request().key().expect("our own request");
    assert_eq!(requested.fingerprint(), key.fingerprint());
    for bearer in [
        node(3),
        Bearer::Admin {
            name: "ana".parse().expect("a name"),
        },
    ] {
        let leaf = ca.sign(&requested, &bearer, &[], NOW).expect("signed");
        let names = Names {
            cluster: ClusterId(7),
            bearer,
        };
        assert_eq!(Names::read(&leaf), Ok(names));
        let (_, parsed) = X509Certificate::from_der(&leaf).expect("X.509");
        let validity = parsed.validity();
        assert_eq!(validity.not_before.timestamp(), 1_800_000_000 - 25 * 3600);
        assert_eq!(
            validity.not_after.timestamp(),
            1_800_000_000 + 90 * 24 * 3600
        );
        assert_eq!(
            not_after(&leaf),
            Ok(UnixMillis(NOW.0 + 90 * 24 * 3_600_000))
        );
    }
}

#[test]
fn the_ca_survives_the_state() {
    let ca = ca();
    let secrets = ca.secrets(LeaseKey([1; 32]));
    let again = Ca::load(&secrets).expect("what it wrote");
    assert_eq!(again.certificate(), ca.certificate());
    assert_eq!(again.cluster(), ClusterId(7));
    let mut torn = secrets.clone();
    torn.ca_key = Secret::new(NodeKey::generate().to_pem());
    assert_eq!(Ca::load(&torn).map(|_| ()), Err(CertificateError::Pair));
    let mut torn = secrets;
    torn.ca_certificate.truncate(100);
    assert_eq!(
        Ca::load(&torn).map(|_| ()),
        Err(CertificateError::Unreadable)
    );
}

#[test]
fn a_ca_is_no_leaf_and_a_leaf_no_ca() {
    let ca = ca();
    assert_eq!(
        Names::read(ca.certificate()),
        Err(CertificateError::Nameless)
    );
    let key = NodeKey::generate()
        .request()
        .key()
        .expect("our own request");
    let leaf = ca.sign(&key, &node(1), &[], NOW).expect("signed");
    assert_eq!(ca_cluster(&leaf), Err(CertificateError::Nameless));
}

#[test]
fn an_altered_request_proves_nothing() {
    let mut request = NodeKey::generate().request();
    let last = request.0.len() - 1;
    request.0[last] ^= 1;
    assert!(matches!(request.key(), Err(CertificateError::Request)));
    assert!(matches!(
        SigningRequest(vec![0; 5000]).key(),
        Err(CertificateError::Request)
    ));
}

#[test]
fn names_have_one_spelling() {
    let id = ClusterId(7).to_string();
    assert!(Names::parse(&format!("farmux://{id}/node/3/balancer/lb1")).is_some());
    for bad in [
        format!(
            "farmux://{}/node/3/balancer/lb1",
            id.to_uppercase().replace('7', "A")
        ),
        "farmux://7/node/3/balancer/lb1".to_owned(),
        format!("farmux://{id}/node/3/admin/lb1"),
        format!("farmux://{id}/node/3/balancer/lb1/more"),
        format!("farmux://{id}/node/-3/balancer/lb1"),
        format!("farmux://{id}/admin/"),
        format!("http://{id}/admin/ana"),
    ] {
        assert_eq!(Names::parse(&bad), None, "{bad}");
    }
}

#[test]
fn renewal_is_due_at_two_thirds() {
    let day = 24 * 3_600_000;
    let end = UnixMillis(NOW.0 + 90 * day);
    assert!(!renew_due(end, UnixMillis(NOW.0 + 59 * day)));
    assert!(renew_due(end, UnixMillis(NOW.0 + 60 * day)));
    assert!(renew_due(end, UnixMillis(NOW.0 + 91 * day)));
}

#[test]
fn base64_has_the_vectors_of_its_rfc() {
    for (plain, coded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        let mut text = String::new();
        base64(plain.as_bytes(), &mut text);
        assert_eq!(text, coded);
    }
}
