//! One record, with what is known of it besides: the time.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;

use super::error::ConfigError;
use super::line::Line;

/// What a logger knows of time.
#[derive(Debug)]
pub(super) struct Clock {
    /// Tells it from every other clock, whose zone may be another. Never zero.
    number: u64,
    /// When the logger was made.
    pub(super) start: Timestamp,
    zone: TimeZone,
    /// For `strftime`; `None` for Python's default.
    date_format: Option<String>,
}

impl Clock {
    /// A date format that does not work now will not work later; one that does, may not (a year that `%y` cannot
    /// show), and is then written as far as it goes.
    pub(super) fn new(zone: TimeZone, date_format: Option<String>) -> Result<Clock, ConfigError> {
        let start = Timestamp::now();
        let config = Config::new().custom(PosixCustom::new());
        if let Some(format) = &date_format
            && let Err(error) = broken_down(start, &zone).to_string_with_config(&config, format)
        {
            return Err(ConfigError::DateFormat {
                format: format.clone(),
                reason: error.to_string(),
            });
        }
        static LAST: AtomicU64 = AtomicU64::new(0);
        Ok(Clock {
            number: LAST.fetch_add(1, Relaxed) + 1,
            start,
            zone,
            date_format,
        })
    }
}

fn broken_down(time: Timestamp, zone: &TimeZone) -> BrokenDownTime {
    BrokenDownTime::from(&time.to_zoned_datetime(zone.clone()))
}

/// A second of a clock, as it is written.
#[derive(Clone, Copy)]
struct Date {
    clock: u64,
    second: i64,
    /// `2001-02-03 04:05:06`.
    text: [u8; 19],
}

thread_local! {
    /// The last one that the thread has written. Many records are of the same second, and to find out what that is on the
    /// calendar of a time zone takes longer than all the rest of a record.
    static LAST_DATE: Cell<Date> = const {
        Cell::new(Date {
            clock: 0,
            second: 0,
            text: [0; 19],
        })
    };
}

/// One record on its way into a line.
pub(super) struct Event<'a> {
    pub(super) record: &'a log::Record<'a>,
    pub(super) clock: &'a Clock,
    /// When it was logged, if the format wants to know.
    pub(super) time: Timestamp,
}

impl Event<'_> {
    /// In seconds since 1970.
    pub(super) fn created(&self) -> f64 {
        // As Python divides: exact for whole seconds.
        self.time.as_nanosecond() as f64 / 1e9
    }

    /// The second, counted from 1970, and its milliseconds, both cut off.
    fn second_and_milliseconds(&self) -> (i64, u32) {
        // Before 1970 both parts are negative.
        let (second, nanosecond) = (self.time.as_second(), self.time.subsec_nanosecond());
        let milliseconds = nanosecond.rem_euclid(1_000_000_000) / 1_000_000;
        (
            second - i64::from(nanosecond < 0),
            milliseconds.unsigned_abs(),
        )
    }

    /// The milliseconds of the second, cut off.
    pub(super) fn milliseconds(&self) -> u32 {
        self.second_and_milliseconds().1
    }

    /// In milliseconds since the logger was made.
    pub(super) fn relative_created(&self) -> f64 {
        let nanoseconds = self.time.as_nanosecond() - self.clock.start.as_nanosecond();
        nanoseconds as f64 / 1e6
    }

    /// The local time, in the logger's format.
    pub(super) fn write_asctime(&self, line: &mut Line) {
        let zone = &self.clock.zone;
        match &self.clock.date_format {
            None => {
                let (second, milliseconds) = self.second_and_milliseconds();
                let clock = self.clock.number;
                let last = LAST_DATE.try_with(Cell::get);
                if let Ok(last) = last
                    && (last.clock, last.second) == (clock, second)
                {
                    line.push_bytes(&last.text);
                } else {
                    let text = write_date(line, zone.to_datetime(self.time));
                    let date = Date {
                        clock,
                        second,
                        text,
                    };
                    // Where the system has no such variables of its own, it may be gone in a thread's last destructors.
                    let _ = LAST_DATE.try_with(|last| last.set(date));
                }
                line.push_char(',');
                line.push_digits(milliseconds, 3);
            }
            Some(format) => {
                let config = Config::new().custom(PosixCustom::new()).lenient(true);
                let time = broken_down(self.time, zone);
                // A line takes everything.
                let _ = time.format_with_config(&config, format, &mut StdFmtWrite(line));
            }
        }
    }
}

/// Writes the date and the time of day, and returns what it has written.
fn write_date(line: &mut Line, time: DateTime) -> [u8; 19] {
    let start = line.len();
    line.push_digits(time.year().unsigned_abs().into(), 4);
    for (mark, number) in [
        ('-', time.month()),
        ('-', time.day()),
        (' ', time.hour()),
        (':', time.minute()),
        (':', time.second()),
    ] {
        line.push_char(mark);
        line.push_digits(number.unsigned_abs().into(), 2);
    }
    let written = line.bytes()[start..].try_into();
    written.expect("a date has as many digits as any other")
}
