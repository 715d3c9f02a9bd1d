//! farmux: tests.
