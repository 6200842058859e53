//! One binary, so that the SDKs are linked once.
fn main() {}
