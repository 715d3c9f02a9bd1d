//! The farmux binary.

fn main() {}
