//! The output of formats, compared with that of CPython 3.11.

mod python;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use log::{Level, Record};
use proptest::prelude::*;

use super::error::FormatErrorKind::{self, *};
use super::event::{Clock, Event};
use super::line::Line;
use super::spec::{LIMIT, Spec};
use super::template::{Piece, Style, Template};
use super::{brace, percent};

/// 2024-07-15 17:30:59.0421379 in Greenwich.
const TIME: i128 = 1_721_064_659_042_137_900;

fn clock(hours_east: i8, date_format: Option<&str>) -> Clock {
    let zone = TimeZone::fixed(Offset::constant(hours_east));
    let mut clock = Clock::new(zone, date_format.map(str::to_owned)).expect("a good date format");
    clock.start = Timestamp::from_nanosecond(TIME - 1_234_567_800).expect("a time of our days");
    clock
}

fn render_at(time: i128, template: &Template, clock: &Clock) -> String {
    let thread = crate::current();
    if &*thread.name() != "wörker-7" {
        thread.set_name("wörker-7");
    }
    let mut line = Line::default();
    template.render(
        &Event {
            record: &Record::builder()
                .level(Level::Warn)
                .target("app::db::pool")
                .module_path(Some("app::db::pool"))
                .file(Some("src/db/pool.rs"))
                .line(Some(117))
                .key_values(&[("user", "ann"), ("attempt", "3")])
                .args(format_args!("disk {:?} isn't\tfull — {} %", "C:", 97))
                .build(),
            clock,
            time: Timestamp::from_nanosecond(time).expect("a time of our days"),
        },
        &mut line,
    );
    line.into_string()
}

fn render(format: &str) -> String {
    let template = Template::parse(format, None).unwrap_or_else(|e| panic!("{format}: {e}"));
    render_at(TIME, &template, &clock(0, None))
}

/// The only field of a format.
fn spec(format: &str) -> Spec {
    let pieces = if format.starts_with('%') {
        percent::parse(format)
    } else {
        brace::parse(format)
    };
    match pieces.as_deref() {
        Ok([Piece::Field(_, spec)]) => spec.clone(),
        other => panic!("{format}: {other:?}"),
    }
}

fn error(format: &str) -> (FormatErrorKind, usize, Option<String>) {
    match Template::parse(format, None) {
        Err(e) => (e.kind(), e.position(), e.field().map(str::to_owned)),
        Ok(template) => panic!("{format}: {template:?}"),
    }
}

#[test]
fn records_look_as_in_python() {
    for &(format, expected) in python::RECORDS {
        assert_eq!(render(format), expected, "{format}");
    }
}

#[test]
fn texts_look_as_in_python() {
    for &(format, text, expected) in python::TEXTS {
        let mut line = Line::default();
        spec(format).write_text(&mut line, |line| line.push_str(text));
        assert_eq!(line.into_string(), expected, "{format} of {text:?}");
    }
}

#[test]
fn integers_look_as_in_python() {
    for &(format, value, expected) in python::INTEGERS {
        let mut line = Line::default();
        spec(format).write_integer(&mut line, value);
        assert_eq!(line.into_string(), expected, "{format} of {value}");
    }
}

#[test]
fn floats_look_as_in_python() {
    for &(format, value, expected) in python::FLOATS {
        let mut line = Line::default();
        spec(format).write_float(&mut line, value);
        assert_eq!(line.into_string(), expected, "{format} of {value:e}");
    }
}

#[test]
fn a_field_of_tk_is_formatted_like_the_others() {
    let me = std::process::id();
    assert_eq!(render("%(process)d"), me.to_string());
    assert_eq!(render("{process:012}"), format!("{me:012}"));
    assert!(render("%(thread)d").parse::<u64>().unwrap() > 0);
    assert_eq!(render("%(kv)s|%(kv.user)-5s|"), "user=ann attempt=3|ann  |");
    assert_eq!(
        render("{kv.attempt:>3} {kv.none:>3}|{kv.none!r}"),
        "  3    |''"
    );
}

#[test]
fn a_record_that_knows_little_is_written_all_the_same() {
    let template = Template::parse(
        "{name}|{module}|{pathname}|{filename}|{lineno}|{kv}|{message}",
        None,
    );
    let mut line = Line::default();
    let clock = clock(0, None);
    template.unwrap().render(
        &Event {
            record: &Record::builder().build(),
            clock: &clock,
            time: clock.start,
        },
        &mut line,
    );
    let expected = "|(unknown file)|(unknown file)|(unknown file)|0||";
    assert_eq!(line.into_string(), expected);
}

#[test]
fn the_module_falls_back_to_the_file() {
    let template = Template::parse("%(module)s %(filename)s", None).unwrap();
    let clock = clock(0, None);
    let module_of = |file| {
        let mut line = Line::default();
        template.render(
            &Event {
                record: &Record::builder().file(Some(file)).build(),
                clock: &clock,
                time: clock.start,
            },
            &mut line,
        );
        line.into_string()
    };
    assert_eq!(module_of("src/db/pool.rs"), "pool pool.rs");
    assert_eq!(module_of(r"src\db\pool.rs"), "pool pool.rs");
    assert_eq!(module_of("pool"), "pool pool");
}

#[test]
fn the_date_is_local_and_has_milliseconds_by_default() {
    let template = Template::parse("%(asctime)s", None).unwrap();
    let at = |time, clock: Clock| render_at(time, &template, &clock);
    assert_eq!(at(TIME, clock(2, None)), "2024-07-15 19:30:59,042");
    assert_eq!(at(TIME, clock(-9, None)), "2024-07-15 08:30:59,042");
    assert_eq!(at(999_999_999, clock(0, None)), "1970-01-01 00:00:00,999");
    // Before 1970, where the second's parts count up all the same.
    assert_eq!(at(-1, clock(0, None)), "1969-12-31 23:59:59,999");
}

#[test]
fn a_second_that_is_written_again_is_that_of_its_clock() {
    let template = Template::parse("%(asctime)s", None).unwrap();
    let (here, there) = (clock(2, None), clock(-9, None));
    let at = |time, clock: &Clock| render_at(time, &template, clock);
    for _ in 0..2 {
        assert_eq!(at(TIME, &here), "2024-07-15 19:30:59,042");
        assert_eq!(at(TIME + 957_000_000, &here), "2024-07-15 19:30:59,999");
        assert_eq!(at(TIME, &there), "2024-07-15 08:30:59,042");
        assert_eq!(at(TIME + 958_000_000, &there), "2024-07-15 08:31:00,000");
        assert_eq!(at(TIME, &there), "2024-07-15 08:30:59,042");
    }
    // Two seconds that meet at zero.
    assert_eq!(at(1, &here), "1970-01-01 02:00:00,000");
    assert_eq!(at(-1, &here), "1970-01-01 01:59:59,999");
}

#[test]
fn a_date_format_has_what_it_asks_for() {
    let template = Template::parse("%(asctime)s", None).unwrap();
    let dated = |format| render_at(TIME, &template, &clock(2, Some(format)));
    assert_eq!(dated("%d.%m.%Y %H:%M"), "15.07.2024 19:30");
    assert_eq!(dated("%H:%M:%S.%3f %z"), "19:30:59.042 +0200");
    assert_eq!(dated("%c"), "Mon Jul 15 19:30:59 2024");
    assert_eq!(dated("%% ünï"), "% ünï");

    let padded = Template::parse("{asctime:>10.5}|", None).unwrap();
    let clock = clock(0, Some("%H:%M:%S"));
    assert_eq!(render_at(TIME, &padded, &clock), "     17:30|");
}

#[test]
fn a_bad_date_format_is_an_error() {
    for format in ["%", "%!", "%H %é"] {
        let clock = Clock::new(TimeZone::UTC, Some(format.to_owned()));
        assert!(clock.is_err(), "{format}");
    }
}

#[test]
fn a_date_that_cannot_be_shown_later_is_shown_in_part() {
    let template = Template::parse("%(asctime)s|", None).unwrap();
    let year_2100 = 4_102_444_800_000_000_000;
    let line = render_at(year_2100, &template, &clock(0, Some("%H:%M %y")));
    assert!(
        line.starts_with("00:00 ") && line.ends_with('|'),
        "{line:?}"
    );
}

#[test]
fn the_form_shows_or_is_said() {
    assert_eq!(render("{%(levelname)s}"), "{WARNING}");
    assert_eq!(render("100% {levelname}"), "100% WARNING");
    let brace = Template::parse("%({levelname})s", Some(Style::Brace)).unwrap();
    assert_eq!(render_at(TIME, &brace, &clock(0, None)), "%(WARNING)s");
    assert!(Template::parse("{levelname}", Some(Style::Percent)).is_err());
    assert!(Template::parse("%(levelname)s", Some(Style::Brace)).is_err());
}

#[test]
fn an_error_says_what_and_where() {
    let of = |name: &str| Some(name.to_owned());
    // The % form.
    assert_eq!(error("ü %(nam)s"), (UnknownField, 5, of("nam")));
    assert_eq!(error("%(funcName)s"), (UnknownField, 2, of("funcName")));
    assert_eq!(error("%(kv.)s"), (UnknownField, 2, of("kv.")));
    assert_eq!(error("%()s"), (MissingName, 1, None));
    assert_eq!(error("%(name)s %s"), (MissingName, 9, None));
    assert_eq!(error("100%"), (UnexpectedEnd, 3, None));
    assert_eq!(error("%(name)"), (UnexpectedEnd, 7, of("name")));
    assert_eq!(error("%(name)-5"), (UnexpectedEnd, 9, of("name")));
    assert_eq!(error("%(name"), (Unclosed, 1, None));
    assert_eq!(error("%(name)q"), (Unsupported('q'), 7, of("name")));
    assert_eq!(error("%(name)!s"), (Unsupported('!'), 7, of("name")));
    assert_eq!(error("%(name)*s"), (Unsupported('*'), 7, of("name")));
    assert_eq!(error("%(levelno)c"), (Unsupported('c'), 10, of("levelno")));
    assert_eq!(error("%(name)5d"), (Mismatch('d'), 8, of("name")));
    assert_eq!(error("%(msecs)x"), (Mismatch('x'), 8, of("msecs")));
    assert_eq!(error("%(name)4097s"), (TooLarge, 7, of("name")));
    assert_eq!(error("%(name).4097s"), (TooLarge, 8, of("name")));
    // The brace form.
    assert_eq!(error("ü {nam}"), (UnknownField, 4, of("nam")));
    assert_eq!(
        error("{levelno.real}"),
        (UnknownField, 1, of("levelno.real"))
    );
    assert_eq!(error("{name} {}"), (MissingName, 7, None));
    assert_eq!(error("{:5}"), (MissingName, 0, None));
    assert_eq!(error("{name"), (Unclosed, 0, None));
    assert_eq!(error("{name!s"), (Unclosed, 0, of("name")));
    assert_eq!(error("{name} {"), (Unclosed, 7, None));
    assert_eq!(error("{name:5"), (Unclosed, 0, of("name")));
    assert_eq!(error("{name} }"), (StrayBrace, 7, None));
    assert_eq!(error("{name!}"), (UnexpectedEnd, 6, of("name")));
    assert_eq!(error("{name!x}"), (Unsupported('x'), 6, of("name")));
    assert_eq!(error("{name!sx}"), (Unsupported('x'), 7, of("name")));
    assert_eq!(error("{levelno:,}"), (Unsupported(','), 9, of("levelno")));
    assert_eq!(error("{levelno:n}"), (Unsupported('n'), 9, of("levelno")));
    assert_eq!(error("{name:5.}"), (Unsupported('.'), 7, of("name")));
    assert_eq!(error("{name:5sd}"), (Unsupported('d'), 8, of("name")));
    assert_eq!(error("{name:{lineno}}"), (Unsupported('{'), 6, of("name")));
    assert_eq!(error("{name:d}"), (Mismatch('d'), 6, of("name")));
    assert_eq!(error("{name:=9}"), (Mismatch('='), 6, of("name")));
    assert_eq!(error("{name:+}"), (Mismatch('+'), 6, of("name")));
    assert_eq!(error("{name:#}"), (Mismatch('#'), 6, of("name")));
    assert_eq!(error("{msecs:d}"), (Mismatch('d'), 7, of("msecs")));
    assert_eq!(error("{levelno:.3}"), (Mismatch('.'), 9, of("levelno")));
    assert_eq!(error("{levelno!s:d}"), (Mismatch('d'), 11, of("levelno")));
    assert_eq!(error("{name:4097}"), (TooLarge, 6, of("name")));
    // Both.
    assert_eq!(error(""), (NoFields, 0, None));
    assert_eq!(error("[name] %% message"), (NoFields, 0, None));
    assert_eq!(error("{{name}}"), (NoFields, 0, None));
}

#[test]
fn an_error_reads_well() {
    let text = |format| Template::parse(format, None).unwrap_err().to_string();
    assert_eq!(
        text("%(funcName)s"),
        "unknown field `funcName` at byte 2 of the log format (a Rust function does not know its \
         name)"
    );
    assert_eq!(
        text("%(name)5d"),
        "unsuitable `d` in field `name` at byte 8 of the log format"
    );
    assert_eq!(text("{name} }"), "single `}` at byte 7 of the log format");
    assert_eq!(
        text("%(message)999999999999999999999999s"),
        "a width or precision of more than 4096 in field `message` at byte 10 of the log format"
    );
}

#[test]
fn the_largest_width_and_precision_are_honored() {
    let line = render(&format!("%(levelno){LIMIT}.{LIMIT}f"));
    assert_eq!(line.len(), 3 + LIMIT);
    assert_eq!(
        render(&format!("{{name:é^{LIMIT}}}")).chars().count(),
        LIMIT
    );
    assert_eq!(render(&format!("%(lineno).{LIMIT}d")).len(), LIMIT);
    assert_eq!(render(&format!("{{created:.{LIMIT}e}}")).len(), LIMIT + 6);
}

/// A message whose own code has a say.
struct Message<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Message<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

#[test]
fn what_a_message_or_a_value_cannot_say_is_noted() {
    let template = Template::parse("%(message)s|%(kv.key)-20s|%(kv)s|%(name)s", None).unwrap();
    let failing = Message(|f: &mut fmt::Formatter<'_>| f.write_str("half").and(Err(fmt::Error)));
    let clock = clock(0, None);
    let mut line = Line::default();
    template.render(
        &Event {
            record: &Record::builder()
                .target("app")
                .key_values(&[("key", log::kv::Value::from_dyn_display(&failing))])
                .args(format_args!("{failing}"))
                .build(),
            clock: &clock,
            time: clock.start,
        },
        &mut line,
    );
    assert_eq!(
        line.into_string(),
        "half<message failed>|half<key failed>    |key=half<key-values failed>|app"
    );
}

proptest! {
    #[test]
    fn no_format_makes_the_parser_panic(format in ".*") {
        for style in [None, Some(Style::Percent), Some(Style::Brace)] {
            if let Err(error) = Template::parse(&format, style) {
                prop_assert!(format.is_char_boundary(error.position()));
            }
        }
    }

    #[test]
    fn nothing_that_looks_like_a_format_panics(
        format in r"([%{}()!:.<>=^+ #0-9*é,sdfx-]|(%\(|\{)(name|msecs|levelno|kv\.é|asctime)\)?|\}){0,12}",
    ) {
        for style in [Style::Percent, Style::Brace] {
            match Template::parse(&format, Some(style)) {
                Ok(template) => drop(render_at(TIME, &template, &clock(0, None))),
                Err(error) => prop_assert!(format.is_char_boundary(error.position())),
            }
        }
    }

    #[test]
    fn every_valid_spec_renders_as_wide_as_it_says(
        flags in "[-+ 0#]{0,3}",
        width in 0..=LIMIT,
        precision in proptest::option::of(0..=LIMIT),
        conversion in "[sradiufFeEgG]",
        integer: i64,
        float: f64,
        text in ".*",
    ) {
        let precision = precision.map_or(String::new(), |p| format!(".{p}"));
        // A width does not begin with a zero.
        let width_text = if width == 0 { String::new() } else { width.to_string() };
        let parsed = spec(&format!("%(lineno){flags}{width_text}{precision}{conversion}"));
        for write in [
            &(|line: &mut Line| parsed.write_integer(line, integer)) as &dyn Fn(&mut Line),
            &|line| parsed.write_float(line, float),
            &|line| parsed.write_text(line, |line| line.push_str(&text)),
        ] {
            let mut line = Line::default();
            write(&mut line);
            prop_assert!(line.into_string().chars().count() >= width);
        }
    }

    #[test]
    fn a_brace_spec_fills_and_aligns(
        fill in "[^{}]",
        align in "[<>^]",
        width in 1..=64_usize,
        text in ".{0,40}",
    ) {
        prop_assume!(fill.chars().count() == 1);
        let parsed = spec(&format!("{{message:{fill}{align}{width}}}"));
        let mut line = Line::default();
        parsed.write_text(&mut line, |line| line.push_str(&text));
        let missing = width.saturating_sub(text.chars().count());
        let (left, right) = match &*align {
            "<" => (0, missing),
            ">" => (missing, 0),
            _ => (missing / 2, missing - missing / 2),
        };
        let expected = fill.repeat(left) + &text + &fill.repeat(right);
        prop_assert_eq!(line.into_string(), expected);
    }
}
