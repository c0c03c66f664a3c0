//! env_logger: its own formats, and one with the thread's name.

use std::io::Write;
use std::thread;

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::kind::{Line, Logger};

/// Its logger.
pub struct Env(env_logger::Logger);

super::named!("env_logger": Env);

impl Logger for Env {
    fn new(line: Line, writer: impl Write + Send + 'static) -> Self {
        let mut builder = Builder::new();
        builder
            .filter_level(LevelFilter::Info)
            .filter_module("quiet", LevelFilter::Off);
        builder.target(Target::Pipe(Box::new(writer)));
        match line {
            Line::Plain => builder.format_timestamp(None),
            Line::Full => builder.format(|out, record| {
                let (time, thread) = (out.timestamp_millis(), thread::current());
                let (level, name) = (record.level(), thread.name().unwrap_or(""));
                writeln!(out, "{time} {level} {name} {}", record.args())
            }),
        };
        Env(builder.build())
    }

    fn log(&self) -> &dyn log::Log {
        &self.0
    }
}
