//! Names of threads: default names, and the part of a name that the operating system takes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Returns the next default name: `Thread-N`, or `Thread-N (target)` for a thread that runs a
/// function called `target`.
///
/// Each call takes the next number, even if the name is not used.
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

/// The next default name of a thread that tk did not start: `Dummy-N`.
pub(crate) fn next_dummy_name() -> String {
    format!("Dummy-{}", next_number())
}

fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Relaxed: nothing else depends on the number. No two calls get the same one.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Returns the name of the function whose type is `F`, if `F` is the type of a function item.
///
/// Returns `None` for a closure, a function pointer, or a box of either.
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
    // A function item has no size. So do closures that capture nothing, and wrappers around the
    // two. `last_segment` tells these apart.
    if size_of::<F>() != 0 {
        return None;
    }
    last_segment(std::any::type_name::<F>())
}

/// The last segment of a path such as `a::b::worker::<T>` or `<S as a::Trait>::method`, if that is
/// a plain name.
fn last_segment(path: &'static str) -> Option<&'static str> {
    let path = without_generics(path)?;
    let name = path.rsplit("::").next()?;
    let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    // A wrapper is a type, whose name starts with a capital letter.
    (plain && !name.starts_with(char::is_uppercase)).then_some(name)
}

/// Cuts off a trailing `<…>`, with the brackets inside.
fn without_generics(path: &'static str) -> Option<&'static str> {
    if !path.ends_with('>') {
        return Some(path);
    }
    let mut depth = 0usize;
    // From the end. The `>` of an arrow, as in `fn() -> T`, closes no bracket.
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

/// The part of `name` that the operating system takes: up to the first NUL, and at most `limit`
/// bytes, cut between characters.
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
