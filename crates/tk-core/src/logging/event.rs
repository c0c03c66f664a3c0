//! One record, with what is known of it besides: the time and the thread.

use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;

use super::error::ConfigError;
use super::line::Line;

/// What a logger knows of time.
#[derive(Debug)]
pub(super) struct Clock {
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
        Ok(Clock {
            start,
            zone,
            date_format,
        })
    }
}

fn broken_down(time: Timestamp, zone: &TimeZone) -> BrokenDownTime {
    BrokenDownTime::from(&time.to_zoned_datetime(zone.clone()))
}

/// One record on its way into a line.
pub(super) struct Event<'a> {
    pub(super) record: &'a log::Record<'a>,
    pub(super) clock: &'a Clock,
    /// When it was logged, if the format wants to know.
    pub(super) time: Timestamp,
    /// Who logged it, if the format wants to know.
    pub(super) thread: Option<crate::Record>,
}

impl Event<'_> {
    /// In seconds since 1970.
    pub(super) fn created(&self) -> f64 {
        // As Python divides: exact for whole seconds.
        self.time.as_nanosecond() as f64 / 1e9
    }

    /// The milliseconds of the second, cut off.
    pub(super) fn milliseconds(&self) -> u32 {
        let milliseconds = self.time.as_nanosecond().div_euclid(1_000_000);
        milliseconds.rem_euclid(1000) as u32
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
                let time = zone.to_datetime(self.time);
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
                line.push_char(',');
                line.push_digits(self.milliseconds(), 3);
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
