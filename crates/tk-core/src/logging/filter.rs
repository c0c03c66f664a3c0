//! The filter of records, by the directives of `RUST_LOG`.
//!
//! ```text
//! directives = [directive *("," directive)] ["/" text]
//! directive  = level            every target
//!            | target "=" level
//!            | target ["="]     all levels of that target
//! ```
//!
//! # Invariants of [`Filter`]
//!
//! **Longest target first.** `directives` is sorted by the length of the target, the longest first.
//! So the first match is the most specific one. The directive without a target is the last.
//!
//! **One directive per target.** A later directive replaces an earlier one for the same target.

use log::{Level, LevelFilter, Metadata};

/// Decides whether a record passes.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    directives: Vec<Directive>,
    /// The text that a message must contain.
    text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Directive {
    /// Empty if the directive is for every target.
    target: String,
    level: LevelFilter,
}

impl Directive {
    fn parse(text: &str) -> Result<Directive, String> {
        let (target, level) = match text.split_once('=') {
            None => match text.parse() {
                Ok(level) => ("", level),
                Err(_) => (text, LevelFilter::Trace),
            },
            Some((target, level)) => match level.trim() {
                "" => (target, LevelFilter::Trace),
                level => match level.parse() {
                    Ok(level) => (target, level),
                    Err(_) => return Err(format!("unknown level `{level}` in `{text}`")),
                },
            },
        };
        Ok(Directive {
            target: target.trim().to_owned(),
            level,
        })
    }

    /// Whether the directive is for this target or for a module above it: `app::db` is for
    /// `app::db::pool`, but not for `app::dbus`.
    fn matches(&self, target: &str) -> bool {
        match target.strip_prefix(&*self.target) {
            Some(rest) => self.target.is_empty() || rest.is_empty() || rest.starts_with("::"),
            None => false,
        }
    }
}

impl Filter {
    /// A filter that passes records of this level and more severe ones, for every target.
    pub(super) fn new(level: LevelFilter) -> Filter {
        Filter {
            directives: vec![Directive {
                target: String::new(),
                level,
            }],
            text: None,
        }
    }

    /// Adds the directives in `text`, except for wrong ones. Returns their errors.
    pub(super) fn add(&mut self, text: &str) -> Vec<String> {
        let (directives, message) = match text.split_once('/') {
            Some((directives, message)) => (directives, Some(message)),
            None => (text, None),
        };
        if message.is_some_and(|message| message.contains('/')) {
            return vec![format!("more than one `/` in `{text}`")];
        }
        self.text = message.filter(|text| !text.is_empty()).map(str::to_owned);
        let mut errors = Vec::new();
        for directive in directives.split(',').map(str::trim) {
            if directive.is_empty() {
                continue;
            }
            match Directive::parse(directive) {
                Ok(directive) => self.insert(directive),
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    fn insert(&mut self, directive: Directive) {
        // *One directive per target.*
        let same = |other: &&mut Directive| other.target == directive.target;
        if let Some(earlier) = self.directives.iter_mut().find(same) {
            *earlier = directive;
            return;
        }
        // *Longest target first.*
        let longer = |other: &Directive| other.target.len() >= directive.target.len();
        let at = self.directives.partition_point(longer);
        self.directives.insert(at, directive);
    }

    /// The most verbose level that passes for any target.
    pub(super) fn max_level(&self) -> LevelFilter {
        let levels = self.directives.iter().map(|directive| directive.level);
        levels.max().unwrap_or(LevelFilter::Off)
    }

    pub(super) fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.allows(metadata.level(), metadata.target())
    }

    fn allows(&self, level: Level, target: &str) -> bool {
        let mut directives = self.directives.iter();
        directives
            .find(|directive| directive.matches(target))
            .is_some_and(|directive| level <= directive.level)
    }

    /// The text that a message must contain to pass.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        let mut filter = Filter::new(LevelFilter::Warn);
        assert_eq!(filter.add(text), Vec::<String>::new(), "{text}");
        filter
    }

    #[test]
    fn a_directive_is_about_whole_segments() {
        let filter = filter("error,app::db=debug");
        assert!(filter.allows(Level::Debug, "app::db"));
        assert!(filter.allows(Level::Debug, "app::db::pool"));
        for other in ["app::dbus", "app", "app::d", "xapp::db", "app::db:x", ""] {
            assert!(!filter.allows(Level::Debug, other), "{other}");
            assert!(filter.allows(Level::Error, other), "{other}");
        }
    }

    #[test]
    fn the_longest_target_decides_in_any_order() {
        for text in ["app=info,app::db=off", "app::db=off,app=info"] {
            let filter = filter(text);
            assert!(!filter.allows(Level::Error, "app::db::pool"));
            assert!(filter.allows(Level::Info, "app::web"));
            assert!(!filter.allows(Level::Info, "other"));
        }
    }

    #[test]
    fn a_later_directive_replaces_an_earlier_one() {
        let filter = filter("app=off,debug,app=info,error");
        assert!(filter.allows(Level::Info, "app"));
        assert!(!filter.allows(Level::Warn, "other"));
        assert_eq!(filter.max_level(), LevelFilter::Info);
    }

    #[test]
    fn a_level_or_a_target_may_stand_alone() {
        assert!(filter("app").allows(Level::Trace, "app"));
        assert!(filter("app=").allows(Level::Trace, "app"));
        assert!(!filter("app").allows(Level::Info, "other"));
        assert!(filter("INFO").allows(Level::Info, "other"));
        assert!(filter(" app = Debug , , info ").allows(Level::Debug, "app::db"));
        assert!(filter("=info").allows(Level::Info, "other"));
        assert_eq!(filter("off").max_level(), LevelFilter::Off);
    }

    #[test]
    fn the_last_text_is_the_one_that_counts() {
        assert_eq!(filter("info/disk").text(), Some("disk"));
        assert_eq!(filter("info/").text(), None);
        let mut filter = filter("info/disk");
        filter.add("debug");
        assert_eq!(filter.text(), None);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_holds() {
        let mut filter = Filter::new(LevelFilter::Warn);
        let errors = filter.add("a=loud,b=debug,c=d=info,info");
        assert_eq!(
            errors,
            [
                "unknown level `loud` in `a=loud`",
                "unknown level `d=info` in `c=d=info`"
            ]
        );
        assert!(filter.allows(Level::Debug, "b"));
        assert!(filter.allows(Level::Info, "a"));
        assert_eq!(
            filter.add("info/a/b"),
            ["more than one `/` in `info/a/b`"],
            "not guessed at"
        );
    }
}
