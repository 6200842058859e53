//! The local dates of a spreadsheet. A spreadsheet that recognizes a date writes it in a local form, but does not
//! convert the time zone: the values are still IAM's, in UTC.
//!
//! The forms are D.M.Y, D/M/Y, M/D/Y, D-M-Y, Y-M-D and Y/M/D, with or without a time. The form is detected from all
//! dates of a file together, since a single date such as 05/06/2021 is ambiguous.

use chrono::{NaiveDate, NaiveTime};

use crate::text::{cut, escape};
use crate::time::{Time, rfc3339};

/// The form that all dates of a report have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// The form of IAM.
    Rfc3339,
    /// A local form.
    Local(LocalForm),
}

/// A local form, with an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalForm {
    order: Order,
    separator: char,
    has_dates_without_time: bool,
    example: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    DayMonthYear,
    MonthDayYear,
    YearMonthDay,
}

/// A date of a report, with its position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DateCell<'a> {
    pub(crate) line: u64,
    pub(crate) column: &'a str,
    pub(crate) cell: &'a str,
}

/// A local date that cannot be parsed safely. Then no date of the file can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: `{cell}` in `{column}` {what}; save the output of `aws iam get-credential-report --output json` as it is"
)]
pub struct LocalDateError {
    /// The line, from 1.
    pub line: u64,
    /// The column.
    pub column: String,
    /// The date, escaped and truncated.
    pub cell: String,
    /// The reason why it cannot be parsed.
    pub what: String,
}

impl DateForm {
    /// Detects the form of the dates. If one date has IAM's form, no spreadsheet converted the dates, and local dates
    /// are unreadable.
    pub(crate) fn of<'a>(dates: impl Iterator<Item = DateCell<'a>> + Clone) -> Result<Self, LocalDateError> {
        if dates.clone().any(|date| rfc3339(date.cell).is_some()) {
            return Ok(Self::Rfc3339);
        }
        let local = dates.filter_map(|date| Some((date, LocalDate::of(date.cell)?)));
        let Some(form) = LocalForm::of(local.clone())? else { return Ok(Self::Rfc3339) };
        for (date, local) in local {
            if local.time(form.order).is_none() {
                return Err(date.error("is not a calendar date".to_owned()));
            }
        }
        Ok(Self::Local(form))
    }

    /// Parses a cell of this form.
    pub(crate) fn time(&self, cell: &str) -> Option<Time> {
        match self {
            Self::Rfc3339 => rfc3339(cell),
            Self::Local(form) => LocalDate::of(cell)?.time(form.order),
        }
    }

    /// Describes how local dates were parsed, as a sentence without a full stop.
    pub(crate) fn note(&self) -> Option<String> {
        let Self::Local(form) = self else { return None };
        let (name, example) = (form.name(), &form.example);
        let midnight = if form.has_dates_without_time { ", and as midnight where there is no time of day" } else { "" };
        Some(format!(
            "the dates have a spreadsheet's local form, as `{example}` has; they are read as {name} in UTC{midnight}"
        ))
    }
}

impl LocalForm {
    /// Returns the common form of the dates; `None` without dates.
    fn of<'a>(dates: impl Iterator<Item = (DateCell<'a>, LocalDate)>) -> Result<Option<Self>, LocalDateError> {
        let mut seen: Option<Seen<'a>> = None;
        for (date, local) in dates {
            match &mut seen {
                None => seen = Some(Seen::new(date, local)?),
                Some(seen) => seen.add(date, local)?,
            }
        }
        seen.map(Seen::form).transpose()
    }

    /// The name of the form, such as `D.M.Y`.
    fn name(&self) -> String {
        let separator = self.separator;
        self.order.letters().map(String::from).join(&separator.to_string())
    }
}

impl Order {
    fn letters(self) -> [char; 3] {
        match self {
            Self::DayMonthYear => ['D', 'M', 'Y'],
            Self::MonthDayYear => ['M', 'D', 'Y'],
            Self::YearMonthDay => ['Y', 'M', 'D'],
        }
    }
}

/// The evidence of the dates so far about their form.
struct Seen<'a> {
    first: DateCell<'a>,
    shape: Shape,
    clock: Option<(Clock, DateCell<'a>)>,
    day_first: Option<DateCell<'a>>,
    month_first: Option<DateCell<'a>>,
    has_dates_without_time: bool,
}

impl<'a> Seen<'a> {
    fn new(date: DateCell<'a>, local: LocalDate) -> Result<Self, LocalDateError> {
        let mut seen = Self {
            first: date,
            shape: local.shape,
            clock: None,
            day_first: None,
            month_first: None,
            has_dates_without_time: false,
        };
        seen.add(date, local)?;
        Ok(seen)
    }

    fn add(&mut self, date: DateCell<'a>, local: LocalDate) -> Result<(), LocalDateError> {
        if local.shape.year == Year::TwoDigits {
            return Err(date.error("has a year of two digits".to_owned()));
        }
        if local.shape != self.shape {
            return Err(date.error(format!("has another form than {}", self.first.shown())));
        }
        match (local.time, self.clock) {
            (None, _) => self.has_dates_without_time = true,
            (Some((_, clock)), None) => self.clock = Some((clock, date)),
            (Some((_, clock)), Some((other, there))) if clock != other => {
                let halves = if clock == Clock::TwelveHours { "AM or PM" } else { "no AM or PM" };
                return Err(date.error(format!("has {halves}, unlike {}", there.shown())));
            }
            (Some(_), Some(_)) => {}
        }
        if self.shape.year == Year::First {
            return Ok(());
        }
        // A number over 12 cannot be a month.
        let [first, second] = [local.numbers[0], local.numbers[1]].map(|number| number > 12);
        if first {
            self.day_first.get_or_insert(date);
        }
        if second {
            self.month_first.get_or_insert(date);
        }
        match (self.day_first, self.month_first) {
            (Some(_), Some(_)) if first && second => Err(date.error("is not a calendar date".to_owned())),
            (Some(other), Some(_)) if second => {
                Err(date.error(format!("has the month first, and {} the day", other.shown())))
            }
            (Some(_), Some(other)) => Err(date.error(format!("has the day first, and {} the month", other.shown()))),
            (None, Some(_)) if self.shape.separator != '/' => {
                Err(date.error(format!("has the month first, which no form with `{}` has", self.shape.separator)))
            }
            (Some(_), None) | (None, Some(_) | None) => Ok(()),
        }
    }

    fn form(self) -> Result<LocalForm, LocalDateError> {
        let order = match (self.shape.year, self.day_first, self.month_first) {
            (Year::First, ..) => Order::YearMonthDay,
            (Year::Last | Year::TwoDigits, Some(_), _) => Order::DayMonthYear,
            (Year::Last | Year::TwoDigits, None, Some(_)) => Order::MonthDayYear,
            (Year::Last | Year::TwoDigits, None, None) => {
                let what = "is a local date, and no date of the report tells the day from the month";
                return Err(self.first.error(what.to_owned()));
            }
        };
        Ok(LocalForm {
            order,
            separator: self.shape.separator,
            has_dates_without_time: self.has_dates_without_time,
            example: self.first.text(),
        })
    }
}

impl DateCell<'_> {
    fn error(self, what: String) -> LocalDateError {
        LocalDateError { line: self.line, column: self.column.to_owned(), cell: self.text(), what }
    }

    fn text(self) -> String {
        cut(&escape(self.cell), 64).into_owned()
    }

    fn shown(self) -> String {
        format!("`{}` in `{}` of line {}", self.text(), self.column, self.line)
    }
}

/// A date in a local form that is not known yet.
#[derive(Debug, Clone, Copy)]
struct LocalDate {
    shape: Shape,
    numbers: [i32; 3],
    time: Option<(NaiveTime, Clock)>,
}

/// The part of the form that a single date shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    separator: char,
    year: Year,
}

/// The position of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Year {
    First,
    Last,
    /// First or last: a number of two digits can also be a day.
    TwoDigits,
}

/// The format of the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// 0 to 23.
    TwentyFourHours,
    /// 1 to 12, with AM or PM.
    TwelveHours,
}

impl LocalDate {
    /// The date in a cell; `None` for any other text.
    fn of(cell: &str) -> Option<Self> {
        let separator = cell.chars().find(|character| !character.is_ascii_digit())?;
        let end = cell.find(|character: char| !character.is_ascii_digit() && character != separator);
        let (date, rest) = cell.split_at(end.unwrap_or(cell.len()));
        let mut parts = date.split(separator);
        let parts = [parts.next()?, parts.next()?, parts.next().filter(|_| parts.next().is_none())?];
        let year = match (separator, parts.map(str::len)) {
            ('-' | '/', [4, 1 | 2, 1 | 2]) => Year::First,
            ('.' | '-' | '/', [1 | 2, 1 | 2, 4]) => Year::Last,
            ('.' | '-' | '/', [1 | 2, 1 | 2, 1 | 2]) => Year::TwoDigits,
            _ => return None,
        };
        let [one, two, three] = parts.map(|part| part.parse().ok());
        let time = if rest.is_empty() { None } else { Some(time_of_day(rest)?) };
        Some(Self { shape: Shape { separator, year }, numbers: [one?, two?, three?], time })
    }

    /// Returns the time if the numbers in that order are a calendar date.
    fn time(self, order: Order) -> Option<Time> {
        let [one, two, three] = self.numbers;
        let (year, month, day) = match order {
            Order::DayMonthYear => (three, two, one),
            Order::MonthDayYear => (three, one, two),
            Order::YearMonthDay => (one, two, three),
        };
        let date = NaiveDate::from_ymd_opt(year, month.try_into().ok()?, day.try_into().ok()?)?;
        Some(date.and_time(self.time.map_or(NaiveTime::MIN, |(time, _)| time)).and_utc())
    }
}

/// Parses the time after a date: `5:16`, ` 05:16:50`, `, 5:16:50 PM`, `T05:16:50`.
fn time_of_day(text: &str) -> Option<(NaiveTime, Clock)> {
    let text = text.strip_prefix([',', 'T']).unwrap_or(text).trim_start();
    let end = text.find(|character: char| !character.is_ascii_digit() && character != ':').unwrap_or(text.len());
    let (time, half) = text.split_at(end);
    let mut parts = time.split(':').map(|part| match part.len() {
        1 | 2 => part.parse::<u32>().ok(),
        _ => None,
    });
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let half = half.trim();
    let (hour, clock) = match (hour, half) {
        (_, "") => (hour, Clock::TwentyFourHours),
        (1..=12, _) if half.eq_ignore_ascii_case("AM") => (hour % 12, Clock::TwelveHours),
        (1..=12, _) if half.eq_ignore_ascii_case("PM") => (hour % 12 + 12, Clock::TwelveHours),
        _ => return None,
    };
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    parts.next().is_none().then_some((time, clock))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells<'a>(dates: &'a [&'a str]) -> impl Iterator<Item = DateCell<'a>> + Clone {
        (2..).zip(dates).map(|(line, cell)| DateCell { line, column: "user_creation_time", cell })
    }

    fn read(dates: &[&str]) -> Result<Vec<String>, String> {
        let form = DateForm::of(cells(dates)).map_err(|error| error.to_string())?;
        let shown = |time: Option<Time>| time.map_or("-".to_owned(), |time| time.format("%FT%TZ").to_string());
        Ok(dates.iter().map(|date| shown(form.time(date))).collect())
    }

    #[test]
    fn every_form_is_parsed_in_utc() {
        let read_as = [
            (["20.06.2021 05:16:50", "1.2.2022 5:06"], ["2021-06-20T05:16:50Z", "2022-02-01T05:06:00Z"]),
            (["20/06/2021 05:16", "01/02/2022"], ["2021-06-20T05:16:00Z", "2022-02-01T00:00:00Z"]),
            (["6/20/2021 5:16 PM", "1/2/2022 12:00 am"], ["2021-06-20T17:16:00Z", "2022-01-02T00:00:00Z"]),
            (
                ["6/20/2021, 5:16:50\u{202f}PM", "1/2/2022, 12:00:00 PM"],
                ["2021-06-20T17:16:50Z", "2022-01-02T12:00:00Z"],
            ),
            (["20-06-2021 05:16", "01-02-2022 05:16"], ["2021-06-20T05:16:00Z", "2022-02-01T05:16:00Z"]),
            (["2021-06-02 05:16", "2022-02-01"], ["2021-06-02T05:16:00Z", "2022-02-01T00:00:00Z"]),
            (["2021-06-02T05:16:50", "2022-02-01T00:00:00"], ["2021-06-02T05:16:50Z", "2022-02-01T00:00:00Z"]),
            (["2021/06/02 05:16", "2022/2/1 5:16"], ["2021-06-02T05:16:00Z", "2022-02-01T05:16:00Z"]),
        ];
        for (dates, expected) in read_as {
            assert_eq!(read(&dates).unwrap(), expected, "{dates:?}");
        }
    }

    #[test]
    fn one_date_in_iams_form_makes_local_dates_unreadable() {
        assert_eq!(
            read(&["20.06.2021", "2021-06-20T05:16:50Z", "06/20/2021"]).unwrap()[..],
            ["-", "2021-06-20T05:16:50Z", "-"]
        );
        assert_eq!(read(&["N/A", "a while ago", "44367.2"]).unwrap()[..], ["-", "-", "-"]);
        assert_eq!(
            read(&["20.06.2021", "a while ago", "20.06.2021 25:00"]).unwrap()[..],
            ["2021-06-20T00:00:00Z", "-", "-"]
        );
    }

    #[test]
    fn dates_that_cannot_be_parsed_safely_are_rejected() {
        let rejected = |dates: &[&str]| {
            let message = read(dates).unwrap_err();
            message
                .strip_suffix("; save the output of `aws iam get-credential-report --output json` as it is")
                .unwrap()
                .to_owned()
        };
        insta::assert_snapshot!(rejected(&["01.02.2021", "05.06.2021"]), @"line 2: `01.02.2021` in `user_creation_time` is a local date, and no date of the report tells the day from the month");
        insta::assert_snapshot!(rejected(&["20/06/2021", "06/20/2021"]), @"line 3: `06/20/2021` in `user_creation_time` has the month first, and `20/06/2021` in `user_creation_time` of line 2 the day");
        insta::assert_snapshot!(rejected(&["06/20/2021", "20/06/2021"]), @"line 3: `20/06/2021` in `user_creation_time` has the day first, and `06/20/2021` in `user_creation_time` of line 2 the month");
        insta::assert_snapshot!(rejected(&["20.06.2021", "20/06/2021"]), @"line 3: `20/06/2021` in `user_creation_time` has another form than `20.06.2021` in `user_creation_time` of line 2");
        insta::assert_snapshot!(rejected(&["2021-06-20", "20-06-2021"]), @"line 3: `20-06-2021` in `user_creation_time` has another form than `2021-06-20` in `user_creation_time` of line 2");
        insta::assert_snapshot!(rejected(&["06-20-2021"]), @"line 2: `06-20-2021` in `user_creation_time` has the month first, which no form with `-` has");
        insta::assert_snapshot!(rejected(&["20.06.2021", "31.02.2021"]), @"line 3: `31.02.2021` in `user_creation_time` is not a calendar date");
        insta::assert_snapshot!(rejected(&["20.06.2021", "20.20.2021"]), @"line 3: `20.20.2021` in `user_creation_time` is not a calendar date");
        insta::assert_snapshot!(rejected(&["20.06.2021", "20.06.21"]), @"line 3: `20.06.21` in `user_creation_time` has a year of two digits");
        insta::assert_snapshot!(rejected(&["6/20/2021 5:16 PM", "N/A", "6/20/2021 17:16"]), @"line 4: `6/20/2021 17:16` in `user_creation_time` has no AM or PM, unlike `6/20/2021 5:16 PM` in `user_creation_time` of line 2");
    }

    #[test]
    fn the_note_describes_how_dates_were_parsed() {
        let note = |dates: &[&str]| DateForm::of(cells(dates)).unwrap().note();
        assert_eq!(note(&["2021-06-20T05:16:50Z", "20.06.2021"]), None);
        insta::assert_snapshot!(note(&["N/A", "20.06.2021 05:16"]).unwrap(), @"the dates have a spreadsheet's local form, as `20.06.2021 05:16` has; they are read as D.M.Y in UTC");
        insta::assert_snapshot!(note(&["6/20/2021", "6/21/2021 5:16 AM"]).unwrap(), @"the dates have a spreadsheet's local form, as `6/20/2021` has; they are read as M/D/Y in UTC, and as midnight where there is no time of day");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(dates in proptest::collection::vec("[0-9./:TAPM -]{0,20}|.{0,12}", 0..8)) {
            let dates: Vec<&str> = dates.iter().map(String::as_str).collect();
            let _ = read(&dates);
        }

        #[test]
        fn a_date_is_the_same_time_in_every_form(seconds in 1_300_000_000_i64..1_900_000_000) {
            let time = Time::from_timestamp(seconds, 0).unwrap();
            let forms = ["%d.%m.%Y %T", "%d/%m/%Y %T", "%m/%d/%Y %I:%M:%S %p", "%d-%m-%Y %T", "%Y-%m-%d %T", "%Y/%m/%d %T"];
            for form in forms {
                let unambiguous = Time::from_timestamp(1_624_166_210, 0).unwrap().format(form).to_string();
                let date = time.format(form).to_string();
                prop_assert_eq!(&read(&[&unambiguous, &date]).unwrap()[1], &time.format("%FT%TZ").to_string());
            }
        }
    }
}
