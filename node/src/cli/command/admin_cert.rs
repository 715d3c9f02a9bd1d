//! `farmux admin-cert …`.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use farmux_raft::id::AdminName;

use super::super::args::AdminCertAction;
use super::super::show;
use super::Shell;
use crate::api::types::{AdminCertAnswer, AdminCertReport, AdminCertRequest, Done, Reading};
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn admin_cert(&mut self, action: AdminCertAction) -> Result<(), Fault> {
        match action {
            AdminCertAction::Create { name, out } => self.create_admin_cert(name, out).await,
            AdminCertAction::List => {
                let admins: Reading<Vec<AdminCertReport>> =
                    self.client.get("/v1/admin-certs").await?;
                self.terminal.show(&admins, show::admin_certs)
            }
            AdminCertAction::Revoke { name } => {
                let path = format!("/v1/admin-certs/{name}");
                let done: Done = self.client.delete(&path).await?;
                self.terminal.show(&done, |done, _| match done.changed {
                    true => format!("the certificates of {name} are worthless now\n"),
                    false => format!("the certificates of {name} were worthless already\n"),
                })
            }
        }
    }

    async fn create_admin_cert(
        &mut self,
        name: AdminName,
        out: Option<PathBuf>,
    ) -> Result<(), Fault> {
        let request = AdminCertRequest { name };
        let answer: AdminCertAnswer = self.client.post("/v1/admin-certs", &request).await?;
        let Some(file) = out else {
            return self.terminal.show(&answer, |answer, _| answer.pem.clone());
        };
        write_secret(&file, &answer.pem)?;
        let text = format!(
            "{0} is written (mode 0600), good until {1} UTC\n\n    farmux status --connect \
             HOST:9443 \
             --cert {0}\n",
            file.display(),
            answer.expires.to_the_second(),
        );
        self.terminal.write(&text)
    }
}

/// A new file of mode 0600; one that exists is not replaced, because it may be somebody's key.
fn write_secret(file: &Path, text: &str) -> Result<(), Fault> {
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = opened.and_then(|mut open| std::io::Write::write_all(&mut open, text.as_bytes()));
    written.map_err(|error| {
        Fault::new(Code::FileUnreadable)
            .what(format!("{} cannot be written", file.display()))
            .why(error)
            .mend("another --out, then the same command again: the certificate made now is lost")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ops.pem");
        write_secret(&file, "first").expect("a new file");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let fault = write_secret(&file, "second").expect_err("it exists");
        assert_eq!(fault.code, Code::FileUnreadable.to_string());
        assert_eq!(
            std::fs::read_to_string(&file).expect("it is there"),
            "first"
        );
    }
}
