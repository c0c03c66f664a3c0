// Not std's mutex: ThreadSanitizer does not see what that one hands over.
use tk_core::__private::fork::Mutex;
use tk_park::{StopSource, StopToken};

/// A stop source that is replaced by a new one at each request.
pub struct Renewed(Mutex<Option<StopSource>>);

impl Renewed {
    /// A source that has not been asked to stop.
    #[allow(clippy::new_without_default, reason = "no test needs a default")]
    pub fn new() -> Renewed {
        Renewed(Mutex::new(Some(StopSource::new())))
    }

    /// A token of the present source.
    pub fn token(&self) -> StopToken {
        self.0.lock().as_ref().unwrap().token()
    }

    /// Stops all tokens that were taken before this call. Tokens taken afterwards are not stopped.
    pub fn request_stop(&self) {
        let new = StopSource::new();
        let used = self.0.lock().replace(new);
        used.unwrap().request_stop();
    }
}
