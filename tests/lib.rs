//! Nothing: the package is its integration test, `it`.
