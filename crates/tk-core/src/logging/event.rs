//! One record with its time.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;

use super::error::ConfigError;
use super::line::Line;

/// A logger's time zone and date format.
#[derive(Debug)]
pub(super) struct Clock {
    /// Identifies the clock, because other clocks may have other zones. Never zero.
    number: u64,
    /// The time at which the logger was built.
    pub(super) start: Timestamp,
    zone: TimeZone,
    /// For `strftime`. `None` for Python's default.
    date_format: Option<String>,
}

impl Clock {
    /// Creates a clock, and tries the date format with the present time.
    ///
    /// A format that fails now is an error. One that works now may still fail later, for a year
    /// that `%y` cannot show. Then the date is written up to that point.
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
            // Relaxed: only the number matters, and no two clocks get the same one.
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

/// The text of one second of a clock.
#[derive(Clone, Copy)]
struct Date {
    clock: u64,
    second: i64,
    /// `2001-02-03 04:05:06`.
    text: [u8; 19],
}

thread_local! {
    /// The last date that the thread has written. Many records have the same second, and its date
    /// in a time zone takes longer than the rest of a record.
    static LAST_DATE: Cell<Date> = const {
        Cell::new(Date {
            clock: 0,
            second: 0,
            text: [0; 19],
        })
    };
}

/// One record that is being formatted.
pub(super) struct Event<'a> {
    pub(super) record: &'a log::Record<'a>,
    pub(super) clock: &'a Clock,
    /// The time at which it was logged, if the format uses the time.
    pub(super) time: Timestamp,
}

impl Event<'_> {
    /// The time in seconds since 1970.
    pub(super) fn created(&self) -> f64 {
        // The same division as in Python, which is exact for whole seconds.
        self.time.as_nanosecond() as f64 / 1e9
    }

    /// The seconds since 1970 and the milliseconds of the second, both rounded down.
    fn second_and_milliseconds(&self) -> (i64, u32) {
        // Before 1970, both parts are negative.
        let (second, nanosecond) = (self.time.as_second(), self.time.subsec_nanosecond());
        let milliseconds = nanosecond.rem_euclid(1_000_000_000) / 1_000_000;
        (
            second - i64::from(nanosecond < 0),
            milliseconds.unsigned_abs(),
        )
    }

    /// The milliseconds of the second, rounded down.
    pub(super) fn milliseconds(&self) -> u32 {
        self.second_and_milliseconds().1
    }

    /// The time in milliseconds since the logger was built.
    pub(super) fn relative_created(&self) -> f64 {
        let nanoseconds = self.time.as_nanosecond() - self.clock.start.as_nanosecond();
        nanoseconds as f64 / 1e6
    }

    /// Writes the local time in the logger's format.
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
                    // On systems without native thread-locals, it may be gone in late destructors.
                    let _ = LAST_DATE.try_with(|last| last.set(date));
                }
                line.push_char(',');
                line.push_digits(milliseconds, 3);
            }
            Some(format) => {
                let config = Config::new().custom(PosixCustom::new()).lenient(true);
                let time = broken_down(self.time, zone);
                // Writing to a line never fails.
                let _ = time.format_with_config(&config, format, &mut StdFmtWrite(line));
            }
        }
    }
}

/// Writes the date and the time of day, and returns the text.
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
