#![no_main]

#[path = "../../it/inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inputs::rendered(bytes));
