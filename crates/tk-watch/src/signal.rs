//! Dumps at signals.
//!
//! The handler writes a byte to a pipe, and does nothing else: a handler runs in a thread that it
//! has interrupted, which may have any lock, also that of the allocator. A thread reads the pipe.

#[cfg(unix)]
pub(crate) use imp::dump_at;

#[cfg(unix)]
mod imp {
    use std::io::{self, Read as _};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use signal_hook::SigId;
    use signal_hook::consts::FORBIDDEN;
    use signal_hook::low_level::{pipe, unregister};
    use tk_core::__private::RegistrationExt;
    use tk_core::__private::fork::{Inherit, Mutex, generation};
    use tk_core::Registration;

    use crate::InstallError;
    use crate::install::Settings;

    /// How long the thread that a signal interrupts has to go on with what it did, so that the dump
    /// does not show it as running.
    const BACK_TO_SLEEP: Duration = Duration::from_millis(10);

    /// The signals that have a handler of this crate, and the process that has made it.
    struct Signals([Option<(i32, u32, SigId)>; 8]);

    impl Inherit for Signals {
        fn anew() -> Signals {
            Signals([None; 8])
        }
    }

    static SIGNALS: Mutex<Signals> = Mutex::constant(Signals([None; 8]));

    /// Makes the process write a dump when it gets this signal.
    pub(crate) fn dump_at(signal: i32) -> Result<(), InstallError> {
        let refused = |error| InstallError::Signal(signal, error);
        if FORBIDDEN.contains(&signal) {
            return Err(refused(io::ErrorKind::InvalidInput.into()));
        }
        let known = {
            let mut signals = SIGNALS.lock();
            let known = signals
                .0
                .iter_mut()
                .find(|entry| entry.is_some_and(|(known, ..)| known == signal));
            match known {
                Some(Some((_, process, _))) if *process == generation() => return Ok(()),
                known => known.and_then(Option::take),
            }
        };
        match known {
            // The pipe of the parent.
            Some((.., id)) => _ = unregister(id),
            None if is_caught(signal) => return Err(InstallError::SignalTaken(signal)),
            None => {}
        }
        let (mut receiver, sender) = UnixStream::pair().map_err(refused)?;
        let name = format!("tk-watch-{signal}");
        let registration = Registration::unlisted(name.as_str());
        let read = move || {
            registration.begin();
            let mut bytes = [0; 64];
            loop {
                match receiver.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(_) => {
                        // The thread in which the handler has run goes back to sleep meanwhile.
                        thread::sleep(BACK_TO_SLEEP);
                        Settings::current().dump(&format!("a dump at signal {signal}"));
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        };
        let reader = thread::Builder::new().name(name).spawn(read);
        reader.map_err(InstallError::Thread)?;
        // If this fails, the sender is dropped, and the thread ends.
        let id = pipe::register(signal, sender).map_err(refused)?;
        let mut signals = SIGNALS.lock();
        if let Some(free) = signals.0.iter_mut().find(|entry| entry.is_none()) {
            *free = Some((signal, generation(), id));
        }
        Ok(())
    }

    /// Whether the process has a handler for this signal. False where the system does not say.
    fn is_caught(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok());
        let bit = u32::try_from(signal).map_or(u32::MAX, |signal| signal.wrapping_sub(1));
        mask.is_some_and(|mask| mask.checked_shr(bit).is_some_and(|rest| rest & 1 != 0))
    }
}

#[cfg(not(unix))]
pub(crate) fn dump_at(signal: i32) -> Result<(), crate::InstallError> {
    let error = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(crate::InstallError::Signal(signal, error))
}
