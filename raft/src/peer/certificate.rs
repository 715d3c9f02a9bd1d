//! Certificates: the cluster's own CA, the leaves that it signs, and what a leaf says.
//!
//! ```text
//!   Ca (its key is replicated, so that any leader can sign)
//!    ├── node leaf    URI farmux://<cluster>/node/<id>/<role>/<name>   DNS n<id>.<cluster>.farmux
//!    └── admin leaf   URI farmux://<cluster>/admin/<name>
//! ```
//!
//! A leaf says what its URI says and nothing else; subject and common name are for people.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::key::{NodeKey, RequestedKey, random, sha256};
use crate::id::{AdminName, ClusterId, ClusterName, NameError, NodeId, NodeName, UnixMillis};
use crate::state::{LeaseKey, NodeRole, Secret, Secrets};

/// How long a leaf is good. Long enough to be away for a season, short enough that a stolen one
/// dies.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(90 * DAY_SECONDS);

/// How far in the past a certificate starts: a clock that is a day off (a wrong time zone written
/// to the hardware clock is at most 14 h) must not keep a node out.
pub const BACKDATE: Duration = Duration::from_secs(25 * 3600);

/// How long the CA is good: longer than any machine it runs on. It has no successor yet.
const CA_LIFETIME: Duration = Duration::from_secs(30 * 365 * DAY_SECONDS);

const DAY_SECONDS: u64 = 24 * 3600;

/// Who may present a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// A machine of the cluster: server and client at once.
    Node {
        /// Which.
        node: NodeId,
        /// As what it joined.
        role: NodeRole,
        /// What it is called.
        name: NodeName,
    },
    /// A person: client of the admin API only.
    Admin {
        /// In whose name.
        name: AdminName,
    },
}

/// What a leaf says: for which cluster, and who bears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The cluster whose CA signed it.
    pub cluster: ClusterId,
    /// Who bears it.
    pub bearer: Bearer,
}

/// Why a certificate or key is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not X.509, or not PEM.
    #[error("this is no certificate")]
    Unreadable,
    /// Not one of ours: no farmux name in it, or more than one.
    #[error("this certificate does not name a node or an administrator of a farmux cluster")]
    Nameless,
    /// A private key that is none of ours.
    #[error("this is no ECDSA P-256 private key")]
    Key,
    /// A signing request that proves nothing.
    #[error("this signing request is damaged, or not signed by the key in it")]
    Request,
    /// The CA's key and its certificate do not belong together.
    #[error("the CA's key does not belong to its certificate")]
    Pair,
    /// A name that cannot stand in a certificate.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A time outside the years that a certificate can express.
    #[error("the time {} cannot stand in a certificate", .0.0)]
    Time(UnixMillis),
}

/// The cluster's certificate authority.
pub struct Ca {
    cluster: ClusterId,
    certificate: CertificateDer<'static>,
    key: NodeKey,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ca({})", self.cluster)
    }
}

impl Ca {
    /// Makes the CA of a new cluster.
    ///
    /// **Errors**: `Time`: the clock is outside the years 1970 to 9999.
    pub fn create(
        cluster: ClusterId,
        name: &ClusterName,
        now: UnixMillis,
    ) -> Result<Ca, CertificateError> {
        let key = NodeKey::generate();
        let mut params = blank(&format!("farmux {name} CA"), now, CA_LIFETIME)?;
        params
            .distinguished_name
            .push(DnType::OrganizationName, cluster.to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri(format!("farmux://{cluster}/ca"))];
        let certificate = params
            .self_signed(key.pair())
            .map_err(|_| CertificateError::Key)?;
        Ok(Ca {
            cluster,
            certificate: certificate.der().clone(),
            key,
        })
    }

    /// Takes the CA out of the replicated state.
    ///
    /// **Errors**: `Unreadable`, `Key`, `Nameless`, `Pair`: the state is damaged; stop.
    pub fn load(secrets: &Secrets) -> Result<Ca, CertificateError> {
        let certificate = certificate_from_pem(&secrets.ca_certificate)?;
        let key = NodeKey::from_pem(secrets.ca_key.reveal())?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| CertificateError::Unreadable)?;
        if parsed.public_key().raw != key.pair().subject_public_key_info() {
            return Err(CertificateError::Pair);
        }
        let cluster = ca_cluster(&certificate)?;
        Ok(Ca {
            cluster,
            certificate,
            key,
        })
    }

    /// What the replicated state keeps of it.
    pub fn secrets(&self, lease_key: LeaseKey) -> Secrets {
        Secrets {
            ca_certificate: certificate_to_pem(&self.certificate),
            ca_key: Secret::new(self.key.to_pem()),
            lease_key,
        }
    }

    /// Its certificate, which every node trusts.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Whose CA it is.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Certifies a key for [`LEAF_LIFETIME`] from `now`, starting [`BACKDATE`] earlier.
    ///
    /// `addresses` are those at which a node is reached, so that a browser or curl can check them
    /// too; empty for administrators.
    ///
    /// **Errors**: `Time`.
    pub fn sign(
        &self,
        key: &RequestedKey,
        bearer: &Bearer,
        addresses: &[IpAddr],
        now: UnixMillis,
    ) -> Result<CertificateDer<'static>, CertificateError> {
        let common = match bearer {
            Bearer::Node { name, .. } => format!("farmux node {name}"),
            Bearer::Admin { name } => format!("farmux admin {name}"),
        };
        let mut params = blank(&common, now, LEAF_LIFETIME)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let names = Names {
            cluster: self.cluster,
            bearer: bearer.clone(),
        };
        params.subject_alt_names = vec![uri(names.to_uri())];
        if let Bearer::Node { node, .. } = bearer {
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ServerAuth);
            let host = server_name(self.cluster, *node);
            params.subject_alt_names.push(SanType::DnsName(
                host.try_into()
                    .expect("hexadecimal digits and dots are ASCII"),
            ));
            params
                .subject_alt_names
                .extend(addresses.iter().copied().map(SanType::IpAddress));
        }
        let issuer = Issuer::from_ca_cert_der(&self.certificate, self.key.pair())
            .map_err(|_| CertificateError::Unreadable)?;
        let leaf = params
            .signed_by(key.public(), &issuer)
            .map_err(|_| CertificateError::Request)?;
        Ok(leaf.der().clone())
    }
}

/// The host name by which TLS checks that it talks to the node it wanted.
pub fn server_name(cluster: ClusterId, node: NodeId) -> String {
    format!("n{}.{cluster}.farmux", node.0)
}

/// SHA-256 of a certificate: what a token pins.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    sha256(certificate)
}

/// Whether a leaf is old enough to be renewed: two thirds of its life are over.
pub fn renew_due(not_after: UnixMillis, now: UnixMillis) -> bool {
    let third = u64::try_from(LEAF_LIFETIME.as_millis()).expect("90 days fit") / 3;
    now.0.saturating_add(third) >= not_after.0
}

/// Until when a certificate is good.
///
/// **Errors**: `Unreadable`.
pub fn not_after(certificate: &CertificateDer<'_>) -> Result<UnixMillis, CertificateError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::Unreadable)?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Ok(UnixMillis(seconds.saturating_mul(1000)))
}

/// SHA-256 of the public key (SPKI) in a certificate; equal to [`NodeKey::fingerprint`].
///
/// **Errors**: `Unreadable`.
pub fn key_fingerprint(certificate: &CertificateDer<'_>) -> Result<[u8; 32], CertificateError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::Unreadable)?;
    Ok(sha256(parsed.public_key().raw))
}

/// Reads one certificate from PEM.
///
/// **Errors**: `Unreadable`.
pub fn certificate_from_pem(pem: &str) -> Result<CertificateDer<'static>, CertificateError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Unreadable)
}

/// Writes one certificate as PEM. **Source**: RFC 7468, 64 characters a line.
pub fn certificate_to_pem(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes become one line of 64 characters.
    for line in certificate.chunks(48) {
        base64(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

impl Names {
    /// Reads who bears a leaf. It does not check who signed it.
    ///
    /// **Errors**: `Unreadable`, `Nameless`.
    pub fn read(leaf: &CertificateDer<'_>) -> Result<Names, CertificateError> {
        Names::parse(&our_uri(leaf)?).ok_or(CertificateError::Nameless)
    }

    fn to_uri(&self) -> String {
        let cluster = self.cluster;
        match &self.bearer {
            Bearer::Node { node, role, name } => {
                format!("farmux://{cluster}/node/{}/{role}/{name}", node.0)
            }
            Bearer::Admin { name } => format!("farmux://{cluster}/admin/{name}"),
        }
    }

    fn parse(uri: &str) -> Option<Names> {
        let (cluster, rest) = uri.strip_prefix("farmux://")?.split_once('/')?;
        let cluster = parse_cluster(cluster)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let bearer = match parts.as_slice() {
            ["node", id, role, name] => Bearer::Node {
                node: NodeId(id.parse().ok()?),
                role: match *role {
                    "balancer" => NodeRole::Balancer,
                    "witness" => NodeRole::Witness,
                    _ => return None,
                },
                name: name.parse().ok()?,
            },
            ["admin", name] => Bearer::Admin {
                name: name.parse().ok()?,
            },
            _ => return None,
        };
        Some(Names { cluster, bearer })
    }
}

/// Reads the cluster out of its CA's certificate.
///
/// **Errors**: `Unreadable`, `Nameless`.
pub fn ca_cluster(certificate: &CertificateDer<'_>) -> Result<ClusterId, CertificateError> {
    let uri = our_uri(certificate)?;
    uri.strip_prefix("farmux://")
        .and_then(|rest| rest.strip_suffix("/ca"))
        .and_then(parse_cluster)
        .ok_or(CertificateError::Nameless)
}

fn parse_cluster(text: &str) -> Option<ClusterId> {
    // Exactly as `Display` writes it: one identity has one spelling.
    let id = ClusterId(u128::from_str_radix(text, 16).ok()?);
    (id.to_string() == text).then_some(id)
}

/// The one URI of ours in a certificate; two would say two things.
fn our_uri(certificate: &CertificateDer<'_>) -> Result<String, CertificateError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::Unreadable)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| CertificateError::Unreadable)?
        .ok_or(CertificateError::Nameless)?;
    let mut found = None;
    for name in &names.value.general_names {
        if let GeneralName::URI(uri) = name
            && uri.starts_with("farmux://")
            && found.replace((*uri).to_owned()).is_some()
        {
            return Err(CertificateError::Nameless);
        }
    }
    found.ok_or(CertificateError::Nameless)
}

fn uri(text: String) -> SanType {
    SanType::URI(text.try_into().expect("our names are ASCII"))
}

/// What every certificate of ours has in common.
fn blank(
    common_name: &str,
    now: UnixMillis,
    lifetime: Duration,
) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.not_before = date(now, -i128_of(BACKDATE))?;
    params.not_after = date(now, i128_of(lifetime))?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // Positive and at most 20 bytes (RFC 5280, 4.1.2.2); random, so that two leaves of one key
    // differ.
    let mut serial: [u8; 16] = random();
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn i128_of(time: Duration) -> i128 {
    i128::try_from(time.as_millis()).expect("our lifetimes are short")
}

fn date(now: UnixMillis, offset_ms: i128) -> Result<time::OffsetDateTime, CertificateError> {
    let nanoseconds = (i128::from(now.0) + offset_ms) * 1_000_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .map_err(|_| CertificateError::Time(now))
}

/// **Source**: RFC 4648, section 4.
fn base64(bytes: &[u8], text: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let byte = |i: usize| group.get(i).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4usize {
            let digit = bits >> (18 - 6 * place) & 0x3f;
            let padding = place > group.len();
            text.push(if padding {
                '='
            } else {
                char::from(ALPHABET[digit as usize])
            });
        }
    }
}

#[cfg(test)]
mod tests;
