//! Logging, from the outside.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;

use log::{Level, LevelFilter, Log, Record};
use tk_core::logging::{BasicConfig, ConfigError, InitError, Logger, Stream, basic_config};

/// A writer that keeps each call's bytes.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn get(&self) -> Vec<String> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }
}

impl Write for Calls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).expect("whole characters");
        self.0.lock().unwrap().push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A logger of everything, and what it writes.
fn logger(config: BasicConfig) -> (Logger, Calls) {
    let calls = Calls::default();
    let config = config.level(LevelFilter::Trace).stream(calls.clone());
    (config.build().unwrap(), calls)
}

fn messages() -> BasicConfig {
    basic_config().format("%(message)s")
}

fn say(logger: &dyn Log, level: Level, target: &str, message: fmt::Arguments<'_>) {
    let record = Record::builder()
        .level(level)
        .target(target)
        .args(message)
        .build();
    logger.log(&record);
}

fn info(logger: &dyn Log, message: fmt::Arguments<'_>) {
    say(logger, Level::Info, "app", message);
}

/// A value whose formatting is a closure's business.
struct Shown<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

#[test]
fn the_defaults_are_pythons() {
    let calls = Calls::default();
    let logger = basic_config().stream(calls.clone()).build().unwrap();
    say(&logger, Level::Error, "app", format_args!("one"));
    say(&logger, Level::Warn, "app::db", format_args!("two"));
    say(&logger, Level::Info, "app", format_args!("three"));
    assert_eq!(calls.get(), ["ERROR:app:one\n", "WARNING:app::db:two\n"]);
    assert_eq!(logger.max_level(), LevelFilter::Warn);
}

#[test]
fn every_level_has_pythons_name_and_number() {
    let (logger, calls) = logger(basic_config().format("{levelname} {levelno}"));
    for level in Level::iter() {
        say(&logger, level, "app", format_args!(""));
    }
    let expected = [
        "ERROR 40\n",
        "WARNING 30\n",
        "INFO 20\n",
        "DEBUG 10\n",
        "TRACE 5\n",
    ];
    assert_eq!(calls.get(), expected);
}

#[test]
fn a_record_is_one_write() {
    let (logger, calls) = logger(basic_config().format("%(asctime)s %(threadName)s %(message)s"));
    info(&logger, format_args!("{} lines\nin {}", 2, "one record"));
    info(&logger, format_args!("{}", "long ".repeat(10_000)));
    let calls = calls.get();
    assert_eq!(calls.len(), 2);
    assert!(calls[0].ends_with("2 lines\nin one record\n"));
    assert!(calls[1].ends_with("long \n"));
}

#[test]
fn lines_of_many_threads_stay_whole() {
    const THREADS: usize = 8;
    const RECORDS: usize = 200;
    let (logger, calls) = logger(basic_config().format("<%(threadName)s %(message)s>"));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (logger, start) = (&logger, &start);
            let thread = thread::Builder::new().name(format!("writer-{number}"));
            let write = move || {
                start.wait();
                for record in 0..RECORDS {
                    info(logger, format_args!("{number} {record}"));
                }
            };
            thread.spawn_scoped(scope, write).unwrap();
        }
    });
    let calls = calls.get();
    assert_eq!(calls.len(), THREADS * RECORDS);
    for number in 0..THREADS {
        let of_thread = format!("<writer-{number} {number} ");
        let lines = calls.iter().filter(|line| line.starts_with(&of_thread));
        let expected = (0..RECORDS).map(|record| format!("{of_thread}{record}>\n"));
        assert!(lines.cloned().eq(expected));
    }
}

#[test]
fn directives_choose_by_target() {
    let calls = Calls::default();
    let config = messages().filter("warn,app::db=debug");
    let logger = config.stream(calls.clone()).build().unwrap();
    say(&logger, Level::Debug, "app::db", format_args!("1"));
    say(&logger, Level::Debug, "app::db::pool", format_args!("2"));
    say(&logger, Level::Trace, "app::db", format_args!("no"));
    say(&logger, Level::Info, "app", format_args!("no"));
    say(&logger, Level::Warn, "app", format_args!("3"));
    assert_eq!(calls.get(), ["1\n", "2\n", "3\n"]);
    assert_eq!(logger.max_level(), LevelFilter::Debug);
}

#[test]
fn the_level_is_for_targets_without_a_directive() {
    let build = |config: BasicConfig| config.build().unwrap();
    let enabled = |logger: &Logger, level, target| {
        logger.enabled(&log::Metadata::builder().level(level).target(target).build())
    };
    let logger = build(basic_config().filter("app=debug").level(LevelFilter::Info));
    assert!(enabled(&logger, Level::Debug, "app"));
    assert!(enabled(&logger, Level::Info, "other"));
    assert!(!enabled(&logger, Level::Debug, "other"));

    let logger = build(basic_config().filter("error").level(LevelFilter::Info));
    assert!(!enabled(&logger, Level::Warn, "other"));

    let logger = build(basic_config().filter("app=debug").filter("app=off"));
    assert!(!enabled(&logger, Level::Error, "app"));
    assert!(enabled(&logger, Level::Warn, "other"));
}

#[test]
fn text_after_a_slash_must_occur_in_the_message() {
    let calls = Calls::default();
    let config = messages().filter("info/disk").stream(calls.clone());
    let logger = config.build().unwrap();
    info(&logger, format_args!("the {} is full", "disk"));
    info(&logger, format_args!("the printer is on fire"));
    // Even so a message may do what it likes.
    info(
        &logger,
        format_args!(
            "disk {}",
            Shown(|_: &mut fmt::Formatter<'_>| Err(fmt::Error))
        ),
    );
    assert_eq!(
        calls.get(),
        ["the disk is full\n", "disk <message failed>\n"]
    );
}

#[test]
fn a_bad_configuration_is_an_error() {
    assert!(matches!(
        basic_config().format("%(nonsense)s").build(),
        Err(ConfigError::Format(_))
    ));
    assert!(matches!(
        basic_config().date_format("%!").build(),
        Err(ConfigError::DateFormat { .. })
    ));
    for directives in ["app=loud", "a=b=c", "info/a/b"] {
        assert!(matches!(
            basic_config().filter(directives).build(),
            Err(ConfigError::Filter { .. })
        ));
    }
    assert!(matches!(
        basic_config().format("%").try_init(),
        Err(InitError::Config(_))
    ));
}

#[test]
fn an_empty_date_format_is_the_default() {
    let (logger, calls) = logger(basic_config().format("%(asctime)s").date_format(""));
    info(&logger, format_args!(""));
    assert_eq!(calls.get()[0].len(), "2024-07-15 17:30:59,042\n".len());
}

/// Fails, or panics, every other time.
struct Unreliable {
    calls: Calls,
    count: usize,
    fail: fn() -> io::Result<usize>,
}

impl Write for Unreliable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count += 1;
        if self.count % 2 == 1 {
            return (self.fail)();
        }
        self.calls.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.fail)().map(drop)
    }
}

fn what_comes_through(fail: fn() -> io::Result<usize>) -> Vec<String> {
    let calls = Calls::default();
    let writer = Unreliable {
        calls: calls.clone(),
        count: 0,
        fail,
    };
    let logger = messages().level(LevelFilter::Info).stream(writer);
    let logger = logger.build().unwrap();
    for number in 1..=4 {
        info(&logger, format_args!("{number}"));
    }
    logger.flush();
    thread::scope(|scope| {
        scope.spawn(|| info(&logger, format_args!("lost")));
    });
    info(&logger, format_args!("last"));
    calls.get()
}

#[test]
fn a_writer_that_fails_loses_only_that_record() {
    let lines = what_comes_through(|| Err(io::ErrorKind::BrokenPipe.into()));
    assert_eq!(lines, ["2\n", "4\n", "last\n"]);
}

#[test]
fn a_writer_that_panics_loses_only_that_record() {
    let lines = what_comes_through(|| panic!("the writer panics, as it should"));
    assert_eq!(lines, ["2\n", "4\n", "last\n"]);
}

#[test]
fn a_panic_whose_payload_panics_goes_no_further() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload panics, as it should");
        }
    }

    let lines = what_comes_through(|| std::panic::panic_any(Bomb));
    assert_eq!(lines, ["2\n", "4\n", "last\n"]);
}

#[test]
fn a_message_that_panics_is_noted() {
    let (logger, calls) = logger(basic_config().format("%(message)-30s|%(levelname)s"));
    let panics = Shown(|f: &mut fmt::Formatter<'_>| {
        f.write_str("half a ")?;
        panic!("the message panics, as it should")
    });
    info(&logger, format_args!("{panics}"));
    info(&logger, format_args!("next"));
    let expected = [
        "half a <message panicked>     |INFO\n",
        "next                          |INFO\n",
    ];
    assert_eq!(calls.get(), expected);
}

#[test]
fn a_message_that_fails_is_noted() {
    let (logger, calls) = logger(messages());
    let fails = Shown(|f: &mut fmt::Formatter<'_>| f.write_str("half a ").and(Err(fmt::Error)));
    info(&logger, format_args!("{fails}"));
    assert_eq!(calls.get(), ["half a <message failed>\n"]);
}

#[test]
fn a_message_that_logs_comes_after_what_it_logs() {
    let (logger, calls) = logger(messages());
    let innermost = Shown(|f: &mut fmt::Formatter<'_>| {
        info(&logger, format_args!("{}", "innermost"));
        f.write_str("in the middle")
    });
    let logs = Shown(|f: &mut fmt::Formatter<'_>| {
        f.write_str("out")?;
        info(&logger, format_args!("{innermost}"));
        f.write_str("ermost")
    });
    info(&logger, format_args!("{logs}"));
    let expected = ["innermost\n", "in the middle\n", "outermost\n"];
    assert_eq!(calls.get(), expected);
}

#[test]
fn key_values_are_written() {
    let (logger, calls) = logger(basic_config().format("%(message)s %(kv)s [%(kv.user)s]"));
    let pairs: &[(&str, log::kv::Value<'_>)] = &[("user", "ann".into()), ("attempt", 3.into())];
    let record = Record::builder()
        .level(Level::Info)
        .key_values(&pairs)
        .args(format_args!("login"))
        .build();
    logger.log(&record);
    assert_eq!(calls.get(), ["login user=ann attempt=3 [ann]\n"]);
}

#[test]
fn time_goes_on() {
    let (logger, calls) = logger(basic_config().format("%(created)s %(msecs)d %(asctime)s"));
    info(&logger, format_args!(""));
    let line = calls.get().remove(0);
    let words: Vec<_> = line.split_whitespace().collect();
    let created: f64 = words[0].parse().unwrap();
    assert!(created > 1.7e9);
    let msecs: u32 = words[1].parse().unwrap();
    assert!(words[3].ends_with(&format!(",{msecs:03}")));
}

#[test]
fn a_writer_is_flushed_with_each_record_and_on_demand() {
    struct Flushed(Arc<AtomicUsize>);

    impl Write for Flushed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    let flushes = Arc::new(AtomicUsize::new(0));
    let config = messages().stream(Flushed(Arc::clone(&flushes)));
    let logger = config.level(LevelFilter::Info).build().unwrap();
    info(&logger, format_args!(""));
    assert_eq!(flushes.load(Ordering::Relaxed), 1);
    logger.flush();
    assert_eq!(flushes.load(Ordering::Relaxed), 2);
}

/// Logs when it is dropped, which in a thread-local is late.
struct LogsOnDrop(Arc<Logger>, &'static str);

impl Drop for LogsOnDrop {
    fn drop(&mut self) {
        info(&*self.0, format_args!("{} value", self.1));
    }
}

thread_local! {
    static EARLY: RefCell<Option<LogsOnDrop>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<LogsOnDrop>> = const { RefCell::new(None) };
}

#[test]
fn a_thread_logs_under_its_name_to_the_very_end() {
    let (logger, calls) = logger(basic_config().format("%(threadName)s %(thread)d %(message)s"));
    let logger = Arc::new(logger);
    let thread = thread::Builder::new().name("leaver".into());
    let id = thread
        .spawn(move || {
            // One is older than all that tk keeps in the thread, one is younger.
            EARLY.set(Some(LogsOnDrop(Arc::clone(&logger), "early")));
            info(&*logger, format_args!("{} value", "no"));
            LATE.set(Some(LogsOnDrop(logger, "late")));
            tk_core::current().id()
        })
        .unwrap()
        .join()
        .unwrap();
    let mut lines = calls.get();
    lines.sort();
    let expected = ["early", "late", "no"].map(|v| format!("leaver {id} {v} value\n"));
    assert_eq!(lines, expected);
}

#[test]
fn a_thread_that_first_logs_in_a_destructor_has_its_name() {
    let (logger, calls) = logger(basic_config().format("%(threadName)s %(message)s"));
    let thread = thread::Builder::new().name("silent".into());
    let value = LogsOnDrop(Arc::new(logger), "only");
    let thread = thread.spawn(move || EARLY.set(Some(value)));
    thread.unwrap().join().unwrap();
    assert_eq!(calls.get(), ["silent only value\n"]);
}

#[test]
fn a_logger_and_its_errors_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Logger>();
    shared::<ConfigError>();
    shared::<InitError>();
    sent::<BasicConfig>();
    let debug = format!("{:?} {:?}", Stream::Stdout, logger(messages()).0);
    assert!(debug.contains("Logger"));
}

/// The tests below need a process of their own, in which the child's part is this test. It does
/// nothing elsewhere.
#[test]
fn child() {
    let Ok(part) = std::env::var("TK_LOGGING_CHILD") else {
        return;
    };
    match &*part {
        "init_twice" => {
            let first = messages().level(LevelFilter::Info).stream(Stream::Stdout);
            first.try_init().unwrap();
            let second = messages().level(LevelFilter::Trace);
            let error = second.try_init().unwrap_err();
            assert!(matches!(error, InitError::AlreadySet(_)), "{error}");
            assert_eq!(log::max_level(), LevelFilter::Info);
            log::info!("the first logger writes this");
            log::debug!("nobody writes this");
        }
        "env" => {
            let config = messages().level(LevelFilter::Error).stream(Stream::Stdout);
            config.env().init();
            log::info!(target: "app", "in the log");
            log::info!(target: "other", "not in it");
        }
        "init_panics" => basic_config().format("%(nonsense)s").init(),
        "stderr" => {
            messages().init();
            log::error!("on the error stream");
        }
        "closed" => {
            basic_config().init();
            log::error!("nobody reads this");
            log::error!("nor this");
            log::logger().flush();
            println!("alive");
        }
        "writer_logs" => {
            let config = messages().level(LevelFilter::Info);
            config.stream(Chatty).init();
            log::info!("first");
            thread::spawn(|| log::info!("second")).join().unwrap();
            log::info!("third");
        }
        "large" | "large_stdout" => {
            if part == "large_stdout" {
                messages().stream(Stream::Stdout).init();
                print!("prompt> ");
            } else {
                messages().init();
            }
            for digit in 0..9 {
                log::error!("{}", digit.to_string().repeat(LARGE));
            }
        }
        other => panic!("no such part: {other}"),
    }
}

/// More than a pipe or a socket takes before the reader reads.
const LARGE: usize = 1_000_000;

/// Logs itself, to the logger that it serves, and writes to the standard output stream.
struct Chatty;

impl Write for Chatty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log::info!("about to write");
        log::logger().flush();
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn child_process(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "logging::child", "--nocapture"])
        .env("TK_LOGGING_CHILD", part)
        .env_remove("RUST_LOG");
    command
}

/// Says whether it succeeded, and what it wrote to its two streams.
fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_second_init_is_an_error_and_changes_nothing() {
    let (success, out, err) = run(&mut child_process("init_twice"));
    assert!(success, "{out}{err}");
    assert!(out.contains("the first logger writes this\n"), "{out}");
    assert!(!out.contains("nobody") && !err.contains("nobody"));
}

#[test]
fn the_environment_has_its_say() {
    let (success, out, err) = run(child_process("env").env("RUST_LOG", "app=info"));
    assert!(success, "{out}{err}");
    assert!(out.contains("in the log\n"), "{out}");
    assert!(!out.contains("not in it"), "{out}");

    for silent in [None, Some("")] {
        let mut command = child_process("env");
        let (success, out, _) = run(match silent {
            Some(value) => command.env("RUST_LOG", value),
            None => &mut command,
        });
        assert!(success && !out.contains("in the log"), "{out}");
    }
}

#[test]
fn a_mistake_in_the_environment_is_reported_and_skipped() {
    let (success, out, err) = run(child_process("env").env("RUST_LOG", "other=loud,app=info"));
    assert!(success, "{out}{err}");
    let expected = "warning: RUST_LOG: unknown level `loud` in `other=loud`; ignored\n";
    assert_eq!(err, expected);
    assert!(out.contains("in the log\n"), "{out}");
    assert!(!out.contains("not in it"), "{out}");
}

#[cfg(unix)]
#[test]
fn an_environment_that_is_not_unicode_is_reported_and_skipped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let value = OsStr::from_bytes(b"app=info\xff");
    let (success, out, err) = run(child_process("env").env("RUST_LOG", value));
    assert!(success, "{out}{err}");
    let expected = "warning: RUST_LOG: the value is not Unicode; ignored\n";
    assert_eq!(err, expected);
}

#[test]
fn init_panics_with_what_is_wrong() {
    let (success, _, err) = run(&mut child_process("init_panics"));
    assert!(!success);
    let expected = "unknown field `nonsense` at byte 2 of the log format";
    assert!(
        err.contains(expected) && err.contains("logging.rs"),
        "{err}"
    );
}

#[test]
fn the_standard_error_stream_is_the_default() {
    let (success, out, err) = run(&mut child_process("stderr"));
    assert!(success);
    assert_eq!(err, "on the error stream\n");
    assert!(!out.contains("on the error stream"));
}

#[test]
fn what_a_writer_logs_itself_goes_to_the_standard_error_stream() {
    let (success, out, err) = run(&mut child_process("writer_logs"));
    assert!(success);
    assert!(out.contains("first\nsecond\nthird\n"), "{out}");
    assert_eq!(err, "about to write\n".repeat(3));
}

#[test]
fn a_closed_stream_takes_nothing_down() {
    // A pipe whose other end is gone before anything is written.
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = child_process("closed").stderr(writer).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("alive"));
}

/// The lines of a child whose stream does not block, while it is read more slowly than it is
/// written.
#[cfg(unix)]
fn through_a_stream_that_does_not_block(
    part: &str,
    give: fn(&mut Command, std::process::Stdio),
) -> String {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    let (mut reader, writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let mut command = child_process(part);
    command.stdout(std::process::Stdio::null());
    give(&mut command, OwnedFd::from(writer).into());
    let mut child = command.spawn().unwrap();
    // It has the other end of the socket.
    drop(command);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert!(child.wait().unwrap().success());
    all
}

#[cfg(unix)]
#[test]
fn a_standard_error_stream_that_does_not_block_loses_nothing() {
    let all = through_a_stream_that_does_not_block("large", |command, stream| {
        command.stderr(stream);
    });
    let expected: Vec<_> = (0..9)
        .map(|digit| digit.to_string().repeat(LARGE))
        .collect();
    assert!(all.lines().eq(expected), "{} bytes", all.len());
}

#[cfg(unix)]
#[test]
fn a_standard_output_stream_that_does_not_block_loses_nothing() {
    let all = through_a_stream_that_does_not_block("large_stdout", |command, stream| {
        command.stdout(stream);
    });
    // The harness of the tests writes there too.
    let start = all.find("prompt> 0").expect("what was printed before");
    let mut lines = all[start..].lines();
    for digit in 0..9 {
        let line = lines.next().unwrap();
        let line = line.strip_prefix("prompt> ").unwrap_or(line);
        assert!(line == digit.to_string().repeat(LARGE), "line {digit}");
    }
}
