//! Pieces of text that tell of waits.

use std::fmt;
use std::time::Duration;

use crate::{Owner, thread_by_owner};

/// Shows the thread that holds something: `painter (thread 7)`.
#[derive(Debug)]
pub struct HolderName(pub Owner);

impl fmt::Display for HolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.0;
        match thread_by_owner(holder) {
            // A name may contain anything, and must not look like another line.
            Some(thread) => write!(f, "{} (thread {holder})", thread.name().escape_debug()),
            None if holder.is_known() => write!(f, "thread {holder}"),
            None => f.write_str("an unknown thread"),
        }
    }
}

/// Shows a time with one digit behind the point below a minute.
#[derive(Debug)]
pub struct Rounded(pub Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3600, seconds / 60 % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_seconds_minutes_and_hours() {
        let shown = |millis| Rounded(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(40), "0.0 s");
        assert_eq!(shown(1_260), "1.3 s");
        assert_eq!(shown(125_000), "2 min 5 s");
        assert_eq!(shown(3_725_000), "1 h 2 min");
    }

    #[test]
    fn the_name_of_a_holder_stays_on_its_line() {
        let (holder, shown) = std::thread::spawn(|| {
            let me = crate::current();
            me.set_name("painter\n");
            (me.owner(), HolderName(me.owner()).to_string())
        })
        .join()
        .unwrap();
        assert_eq!(shown, format!("painter\\n (thread {holder})"));
        assert_eq!(
            HolderName(Owner::ANONYMOUS).to_string(),
            "an unknown thread"
        );
    }
}
