//! openraft's own storage suite on a real store.

use farmux_raft::consensus::TypeConfig;
use farmux_raft::id::NodeId;
use farmux_store::{LogStore, Machine, Store};
use openraft::StorageError;
use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<NodeId>> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), NodeId(0)).expect("a new store opens");
        Ok((folder, store.log, store.machine))
    }
}

#[test]
fn openrafts_storage_suite_passes() {
    Suite::test_all(Fresh).expect("every test of the suite passes");
}
