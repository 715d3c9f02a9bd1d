//! What the FTP servers of the lab are configured by; see [`super::ftpd`].

use std::net::Ipv4Addr;
use std::path::Path;

use super::VIP;
use super::ftpd::SESSIONS_MAX;

/// vsftpd, without namespaces of its own: a session would not be found among those of its host.
pub(super) fn vsftpd(at: Ipv4Addr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "listen=YES\nlisten_address={at}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
         anon_other_write_enable=YES\nanon_umask=022\nno_anon_password=YES\n\
         anon_root={folder}/root\nsecure_chroot_dir={folder}/empty\nmax_per_ip=0\n\
         seccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nconnect_from_port_20=YES\n"
    )
}

/// What makes it speak TLS to whoever asks. Its clients meet it at the VIP, and inside TLS nobody
/// but it can say so.
pub(super) fn vsftpd_tls(folder: &Path, first: u16, last: u16) -> String {
    let folder = folder.display();
    format!(
        "ssl_enable=YES\nallow_anon_ssl=YES\nforce_local_logins_ssl=NO\nforce_local_data_ssl=NO\n\
         require_ssl_reuse=NO\nssl_tlsv1=YES\nssl_ciphers=HIGH\n\
         rsa_cert_file={folder}/tls.pem\nrsa_private_key_file={folder}/tls.pem\n\
         pasv_address={VIP}\npasv_min_port={first}\npasv_max_port={last}\n"
    )
}

/// proftpd; `DelayTable none` switches off a module that slows logins down.
pub(super) fn proftpd(at: Ipv4Addr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "ServerName lab\nServerType standalone\nUseIPv6 off\nPort 21\nDefaultAddress {at}\n\
         SocketBindTight on\nUser nobody\nGroup nogroup\nMaxInstances {SESSIONS_MAX}\n\
         UseReverseDNS off\nWtmpLog off\nTransferLog none\nDelayTable none\n\
         ScoreboardFile {folder}/scoreboard\nPidFile {folder}/pid\n\
         SystemLog {folder}/../proftpd.log\n\
         <Anonymous {folder}/root>\n  User ftp\n  Group nogroup\n  UserAlias anonymous ftp\n  \
         RequireValidShell off\n  AllowOverwrite on\n  AllowStoreRestart on\n  \
         AllowRetrieveRestart on\n</Anonymous>\n"
    )
}

/// pyftpdlib, with a folder or in front of an HTTP server.
pub(super) const PYFTPDLIB: &str = include_str!("ftpd.py");
