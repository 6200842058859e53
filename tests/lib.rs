//! Nothing: `it` is what this package is for.
