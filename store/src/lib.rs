//! farmux: store.
