//! `farmux cluster recover`: the one command that works on a node whose daemon is stopped.

use std::path::Path;

use farmux_raft::id::ClusterName;

use super::Shell;
use crate::fault::Fault;
use crate::recover::Remains;

impl Shell {
    pub(super) async fn recover(
        &mut self,
        config: &Path,
        yes: Option<ClusterName>,
        accept_data_loss: bool,
    ) -> Result<(), Fault> {
        let remains = Remains::survey(config).await?;
        remains.check(accept_data_loss).await?;
        let (what, name) = (remains.in_words(), remains.name().to_string());
        self.terminal.line(&what)?;
        let given = yes.as_ref().map(ClusterName::as_str);
        self.terminal.confirm_by_name(&what, &name, given)?;
        // A name takes long to type: whoever came back meanwhile is not overlooked.
        remains.check(accept_data_loss).await?;
        let epoch = remains.recover().await?;
        self.terminal.line(&format!(
            "cluster {name} is this node alone, in epoch {epoch}; start it: systemctl start \
             farmux\nThen give it a second node and a witness: farmux cluster token create"
        ))
    }
}
