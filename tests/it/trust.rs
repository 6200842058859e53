//! The certificates that are compiled in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checker::trust::AMAZON;
use sha2::{Digest as _, Sha256};

/// As published at <https://www.amazontrust.com/repository/>.
const FINGERPRINTS: [(&str, &str); 5] = [
    ("Amazon Root CA 1", "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"),
    ("Amazon Root CA 2", "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4"),
    ("Amazon Root CA 3", "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4"),
    ("Amazon Root CA 4", "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092"),
    (
        "Starfield Services Root Certificate Authority - G2",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ),
];

#[test]
fn they_are_amazons() {
    let blocks =
        AMAZON.split("-----END CERTIFICATE-----").filter_map(|block| block.split_once("-----BEGIN CERTIFICATE-----"));
    let found: Vec<(String, String)> = blocks
        .map(|(name, body)| {
            let der = STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap();
            let print: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
            (name.trim().to_owned(), print.concat())
        })
        .collect();
    assert_eq!(found, FINGERPRINTS.map(|(name, print)| (name.to_owned(), print.to_owned())));
}
