//! The words that a spreadsheet saves instead of `true` and `false`: it converts them to booleans, and writes those in
//! its own language.

/// English, German, French, Spanish, Italian, Portuguese, Dutch, the Scandinavian languages, Polish, Czech.
const TRUE: [&str; 12] =
    ["true", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar", "sant", "sand", "sann", "prawda", "pravda"];
const FALSE: [&str; 9] = ["false", "falsch", "faux", "falso", "onwaar", "falskt", "falsk", "fałsz", "nepravda"];

/// Parses a boolean cell of a saved file.
pub(crate) fn parse(cell: &str) -> Option<bool> {
    let word = cell.to_lowercase();
    match (TRUE.contains(&word.as_str()), FALSE.contains(&word.as_str())) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_parsed_in_the_languages_of_spreadsheets() {
        for word in ["TRUE", "Wahr", "VRAI", "verdadero", "SANT"] {
            assert_eq!(parse(word), Some(true), "{word}");
        }
        for word in ["False", "FALSCH", "FAUX", "falso", "ONWAAR", "FAŁSZ"] {
            assert_eq!(parse(word), Some(false), "{word}");
        }
        for word in ["", "N/A", "not_supported", "1", "yes", "wahrlich"] {
            assert_eq!(parse(word), None, "{word}");
        }
    }
}
