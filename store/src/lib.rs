//! The disk: log, vote, snapshots, and the barrier through which everything durable goes.
