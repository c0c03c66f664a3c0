//! Names of threads: the ones made up for them, and what the operating system is told.

use std::sync::atomic::{AtomicU64, Ordering};

/// The next default name: `Thread-N`, or `Thread-N (target)` for a thread that runs a function called `target`.
///
/// Each call takes a number, whether or not the name is used.
///
/// ```
/// let name = tk_core::next_name(Some("worker"));
/// assert!(name.starts_with("Thread-") && name.ends_with(" (worker)"));
/// ```
pub fn next_name(target: Option<&str>) -> String {
    let n = next_number();
    match target {
        Some(target) => format!("Thread-{n} ({target})"),
        None => format!("Thread-{n}"),
    }
}

/// The name of a thread that tk neither started nor finds named.
pub(crate) fn next_dummy_name() -> String {
    format!("Dummy-{}", next_number())
}

fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Relaxed: all that matters is that no two calls get the same number.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The name of the function whose type is `F`, if `F` is the type of a function item.
///
/// A closure, a function pointer or a box of either has no name: `None`.
///
/// ```
/// fn worker() {}
///
/// fn name_of<F: FnOnce()>(_: F) -> Option<&'static str> {
///     tk_core::function_name::<F>()
/// }
///
/// assert_eq!(name_of(worker), Some("worker"));
/// assert_eq!(name_of(|| worker()), None);
/// assert_eq!(name_of(worker as fn()), None);
/// ```
pub fn function_name<F>() -> Option<&'static str> {
    // A function item has no size. What else has none, and can be called, is a closure that captures nothing or a
    // wrapper around one of the two.
    if size_of::<F>() != 0 {
        return None;
    }
    last_segment(std::any::type_name::<F>())
}

/// The last segment of a path such as `a::b::worker::<T>` or `<S as a::Trait>::method`, if it is a plain name.
fn last_segment(path: &'static str) -> Option<&'static str> {
    let path = without_generics(path)?;
    let name = path.rsplit("::").next()?;
    let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    // A wrapper is a type, and a type's name begins with a capital letter.
    (plain && !name.starts_with(char::is_uppercase)).then_some(name)
}

/// Cuts a trailing `<…>` off, with the brackets inside it.
fn without_generics(path: &'static str) -> Option<&'static str> {
    if !path.ends_with('>') {
        return Some(path);
    }
    let mut depth = 0usize;
    // From the back; the `>` of an arrow (`fn() -> T`) closes nothing.
    for (at, c) in path.char_indices().rev() {
        match c {
            '>' if !path[..at].ends_with('-') => depth += 1,
            '<' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(path[..at].trim_end_matches("::"));
                }
            }
            _ => {}
        }
    }
    None
}

/// What the operating system can be given of `name`: all before the first NUL, and no more bytes than `limit`, cut
/// between characters.
pub(crate) fn cut(name: &str, limit: usize) -> &str {
    let name = name.split('\0').next().unwrap_or_default();
    &name[..name.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_name_names_the_function() {
        assert_eq!(last_segment("app::worker"), Some("worker"));
        assert_eq!(last_segment("app::worker<i32>"), Some("worker"));
        assert_eq!(
            last_segment("app::worker<alloc::vec::Vec<(i32, fn() -> u8)>>"),
            Some("worker")
        );
        assert_eq!(last_segment("<app::Job as app::Run<u8>>::run"), Some("run"));
        assert_eq!(
            last_segment("app::main::{{closure}}::worker"),
            Some("worker")
        );
    }

    #[test]
    fn what_is_no_function_has_no_name() {
        assert_eq!(last_segment("app::main::{{closure}}"), None);
        assert_eq!(last_segment("fn()"), None);
        assert_eq!(last_segment("fn() -> alloc::vec::Vec<u8>"), None);
        assert_eq!(
            last_segment("core::panic::unwind_safe::AssertUnwindSafe<app::worker>"),
            None
        );
        assert_eq!(function_name::<Box<dyn FnOnce()>>(), None);
        assert_eq!(function_name::<()>(), None);
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(cut("worker", 15), "worker");
        assert_eq!(
            cut("a name of more than fifteen bytes", 15),
            "a name of more "
        );
        assert_eq!(cut("äöüäöüäöü", 15), "äöüäöüä");
        assert_eq!(cut("nul\0inside", 15), "nul");
        assert_eq!(cut("\0", 15), "");
        assert_eq!(cut("", 15), "");
    }
}
