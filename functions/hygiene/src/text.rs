//! Renders dates, durations and untrusted names for people.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// A moment in UTC to the minute, as `2021-06-20 05:16 UTC`.
pub fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A duration in its largest whole unit: `1,979 days`, `1 hour`, `40 minutes`, `less than a minute`. Only for display:
/// verdicts compare exact durations.
pub fn age(age: TimeDelta) -> String {
    let units = [(age.num_days(), "day"), (age.num_hours(), "hour"), (age.num_minutes(), "minute")];
    match units.into_iter().find(|(count, _)| *count > 0) {
        Some((count, unit)) => counted(count.unsigned_abs(), unit),
        None => "less than a minute".to_owned(),
    }
}

/// An age beyond a limit. If both would be rendered alike, shows the difference: `45 days and 3 hours`.
pub fn age_beyond(limit: TimeDelta, exact: TimeDelta) -> String {
    let (shown, limit_shown) = (age(exact), age(limit));
    if shown != limit_shown {
        return shown;
    }
    let beyond = exact - limit;
    let beyond = match beyond.num_seconds() {
        0 => "less than a second".to_owned(),
        seconds if seconds < 60 => counted(seconds.unsigned_abs(), "second"),
        _ => age(beyond),
    };
    format!("{limit_shown} and {beyond}")
}

/// `1 day`, `2 days`, `1,979 days`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Escapes control, bidirectional and invisible characters, as `\u{202e}`. IAM rejects such names, but a report file
/// can have any content.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_escaped(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character has no appearance of its own, by Unicode's properties: <https://www.unicode.org/reports/tr44/>.
///
/// Controls, format characters and line separators change how the text around them is shown. Default-ignorable
/// characters, such as fillers and variation selectors, are invisible. Private-use and unassigned characters are all
/// shown as the same box, and a later version of Unicode can make an unassigned one invisible. (Surrogates are no
/// `char`.) Spaces other than U+0020 are kept: they are visible.
pub(crate) fn is_escaped(character: char) -> bool {
    // Most text is ASCII and needs no table lookup.
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    ESCAPED_CATEGORIES.contains(category) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// `Other` includes controls, format characters, private use, unassigned (and surrogates).
const ESCAPED_CATEGORIES: GeneralCategoryGroup = GeneralCategoryGroup::Other
    .union(GeneralCategoryGroup::LineSeparator)
    .union(GeneralCategoryGroup::ParagraphSeparator);

/// Truncates the text to `limit` characters, the last one an ellipsis if something was removed.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || text.chars().count() <= limit {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().take(limit.saturating_sub(1)).collect::<String>();
    Cow::Owned(kept + "…")
}

/// The width of text for people: a mail reader wraps longer lines again.
pub(crate) const WIDTH: usize = 78;

/// Wraps prose. A word longer than the line (a link, an ARN) is not split.
pub(crate) fn paragraph(text: &mut String, indent: &str, prose: &str) {
    let mut line = indent.to_owned();
    let mut length = indent.chars().count();
    let mut empty = true;
    for word in prose.split(' ').filter(|word| !word.is_empty()) {
        let needed = word.chars().count() + usize::from(!empty);
        if !empty && length + needed > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent.chars().count());
            length = line.len();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        length += word.chars().count() + usize::from(!empty);
        empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Renders an error as a sentence: `could not read it` becomes `Could not read it.`
pub fn sentence(text: &str) -> String {
    let end = if text.ends_with('.') { "" } else { "." };
    capitalized(text) + end
}

/// The text with its first letter in upper case.
pub fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    first + characters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_beyond_a_limit_is_seen_to_be() {
        let limit = TimeDelta::days(45);
        assert_eq!(age_beyond(limit, limit + TimeDelta::minutes(200)), "45 days and 3 hours");
        assert_eq!(age_beyond(limit, limit + TimeDelta::seconds(1)), "45 days and 1 second");
        assert_eq!(age_beyond(limit, limit + TimeDelta::seconds(59)), "45 days and 59 seconds");
        assert_eq!(age_beyond(limit, limit + TimeDelta::seconds(60)), "45 days and 1 minute");
        assert_eq!(age_beyond(limit, limit + TimeDelta::milliseconds(1)), "45 days and less than a second");
        assert_eq!(age_beyond(limit, limit + TimeDelta::days(1)), "46 days");
        let limit = TimeDelta::hours(5);
        assert_eq!(age_beyond(limit, limit + TimeDelta::minutes(59)), "5 hours and 59 minutes");
        assert_eq!(age_beyond(limit, limit + TimeDelta::minutes(60)), "6 hours");
    }

    #[test]
    fn an_age_is_rendered_in_its_largest_whole_unit() {
        let cases = [
            (TimeDelta::zero(), "less than a minute"),
            (TimeDelta::seconds(60), "1 minute"),
            (TimeDelta::minutes(119), "1 hour"),
            (TimeDelta::hours(24), "1 day"),
            (TimeDelta::days(1979), "1,979 days"),
        ];
        for (duration, text) in cases {
            assert_eq!(age(duration), text);
        }
    }

    #[test]
    fn thousands_are_grouped() {
        let groupings = [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")];
        for (count, text) in groupings {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn control_characters_and_invisible_characters_are_escaped() {
        assert_eq!(escape("a\nb\u{202e}c\u{200b}\u{1b}[31m"), "a\\u{a}b\\u{202e}c\\u{200b}\\u{1b}[31m");
        let escaped = [
            ('\u{0}', "NULL"),
            ('\u{7f}', "DELETE"),
            ('\u{85}', "NEXT LINE"),
            ('\u{ad}', "SOFT HYPHEN"),
            ('\u{34f}', "COMBINING GRAPHEME JOINER"),
            ('\u{600}', "ARABIC NUMBER SIGN, a format character"),
            ('\u{115f}', "HANGUL CHOSEONG FILLER"),
            ('\u{1160}', "HANGUL JUNGSEONG FILLER"),
            ('\u{17b4}', "KHMER VOWEL INHERENT AQ"),
            ('\u{180b}', "MONGOLIAN FREE VARIATION SELECTOR ONE"),
            ('\u{180e}', "MONGOLIAN VOWEL SEPARATOR"),
            ('\u{200b}', "ZERO WIDTH SPACE"),
            ('\u{200d}', "ZERO WIDTH JOINER"),
            ('\u{202e}', "RIGHT-TO-LEFT OVERRIDE"),
            ('\u{2028}', "LINE SEPARATOR"),
            ('\u{2029}', "PARAGRAPH SEPARATOR"),
            ('\u{2065}', "unassigned, reserved as ignorable"),
            ('\u{2066}', "LEFT-TO-RIGHT ISOLATE"),
            ('\u{3164}', "HANGUL FILLER"),
            ('\u{e000}', "private use"),
            ('\u{fe0f}', "VARIATION SELECTOR-16"),
            ('\u{feff}', "ZERO WIDTH NO-BREAK SPACE"),
            ('\u{ffa0}', "HALFWIDTH HANGUL FILLER"),
            ('\u{ffff}', "noncharacter"),
            ('\u{378}', "unassigned"),
            ('\u{1bca0}', "SHORTHAND FORMAT LETTER OVERLAP"),
            ('\u{1d173}', "MUSICAL SYMBOL BEGIN BEAM"),
            ('\u{e0041}', "TAG LATIN CAPITAL LETTER A"),
            ('\u{e0100}', "VARIATION SELECTOR-17"),
            ('\u{10ffff}', "noncharacter"),
        ];
        for (character, name) in escaped {
            let text = format!("a{character}b");
            assert_eq!(escape(&text), format!("a{}b", character.escape_unicode()), "{name}");
        }
    }

    #[test]
    fn visible_characters_are_kept() {
        let kept = [
            "žofie.o'neil@example.com",
            "z\u{30c}ofie", // a combining caron
            "Ελένη Юлия שרה فاطمة नीता 김민준 คุณ",
            "田中さくら ﾀﾅｶ",
            "𠮷野家",
            "🔑👩🏽☃",
            "a b\u{a0}c\u{3000}d",
            "†½€\u{fffd}",
        ];
        for text in kept {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("žluť", 4), "žluť");
        assert_eq!(cut("žluťoučký", 4), "žlu…");
    }
}
