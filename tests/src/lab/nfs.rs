//! A real NFS server: Debian's nfs-ganesha with its memory file system.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::network::Host;
use super::process::Process;

/// Starts it on ports 111 and 2049 of `host`, registered at a portmapper of its own, with a folder
/// below `lab`. It answers some seconds later.
///
/// **Errors**: it cannot be started.
pub fn start(host: &Host, lab: &Path) -> Result<Process> {
    let at = lab.join(format!("{}-nfs", host.name()));
    fs::create_dir_all(&at).context("make the NFS server's folder")?;
    let configuration = format!(
        "NFS_CORE_PARAM {{ Protocols = 3, 4; Enable_NLM = false; Enable_RQUOTA = false; }}\n\
         NFSV4 {{ Graceless = true; RecoveryRoot = {folder}; }}\n\
         EXPORT {{ Export_Id = 1; Path = /mem; Pseudo = /mem; Access_Type = RO; \
         Protocols = 3, 4; Transports = TCP, UDP; FSAL {{ Name = MEM; }} }}\n",
        folder = at.display()
    );
    fs::write(at.join("conf"), configuration)?;
    // Its portmapper and it meet at a socket in /run, which must not be the machine's.
    let script = format!(
        "mount -t tmpfs tmpfs /run && rpcbind && \
         exec ganesha.nfsd -F -f {folder}/conf -L {folder}/log -p {folder}/pid",
        folder = at.display()
    );
    let mut command = host.command("sh");
    command.args(["-c", &script]);
    host.spawn(&format!("{}-nfs", host.name()), command)
}
