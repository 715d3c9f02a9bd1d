//! farmux: node.
