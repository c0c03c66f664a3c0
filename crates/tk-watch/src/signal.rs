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

    /// No system has more signals.
    const MOST: usize = 128;

    /// The state of a signal.
    #[derive(Clone, Copy)]
    enum Known {
        /// It has no handler of this crate.
        No,
        /// A thread of this process is about to make the handler.
        BeingMade { process: u32 },
        /// The handler, and the process that has made it.
        Handled { process: u32, id: SigId },
    }

    /// The signals, by their numbers.
    struct Signals([Known; MOST + 1]);

    impl Inherit for Signals {
        fn anew() -> Signals {
            Signals([Known::No; MOST + 1])
        }
    }

    static SIGNALS: Mutex<Signals> = Mutex::constant(Signals([Known::No; MOST + 1]));

    /// Makes the process write a dump when it gets this signal.
    pub(crate) fn dump_at(signal: i32) -> Result<(), InstallError> {
        let place = usize::try_from(signal).unwrap_or(0);
        if !(1..=MOST).contains(&place) || FORBIDDEN.contains(&signal) {
            let error = io::ErrorKind::InvalidInput.into();
            return Err(InstallError::Signal(signal, error));
        }
        let here = generation();
        let before = loop {
            let mut signals = SIGNALS.lock();
            match signals.0[place] {
                Known::Handled { process, .. } if process == here => return Ok(()),
                // It has a handler, or has failed, in a moment.
                Known::BeingMade { process } if process == here => {}
                before => {
                    signals.0[place] = Known::BeingMade { process: here };
                    break before;
                }
            }
            drop(signals);
            thread::sleep(Duration::from_millis(1));
        };
        let made = handle(signal, before);
        SIGNALS.lock().0[place] = match made {
            Ok(id) => Known::Handled { process: here, id },
            Err(_) => before,
        };
        made.map(drop)
    }

    /// Makes the handler, and removes that of the parent.
    fn handle(signal: i32, before: Known) -> Result<SigId, InstallError> {
        let refused = |error| InstallError::Signal(signal, error);
        if matches!(before, Known::No) && is_caught(signal) {
            return Err(InstallError::SignalTaken(signal));
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
        if let Known::Handled { id, .. } = before {
            // The pipe of the parent.
            unregister(id);
        }
        Ok(id)
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
