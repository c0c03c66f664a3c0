//! Figures as a table for people.

use std::fmt::Write;

use crate::case::OURS;
use crate::json::{Detail, Figures};

/// The head of the table.
pub const HEAD: [&str; 11] = [
    "case",
    "ours",
    "best peer",
    "its name",
    "ratio",
    "10-90 %",
    "goal",
    "met",
    "floor",
    "multiple",
    "label",
];

/// One line of it.
pub fn row(figures: &Figures) -> [String; 11] {
    let best = figures
        .peers
        .get(&figures.best_peer)
        .copied()
        .unwrap_or(f64::NAN);
    let floor = figures.floor.as_ref();
    [
        figures.case.clone(),
        time(figures.ours),
        time(best),
        figures.best_peer.clone(),
        format!("{:.2}", figures.ratio),
        range(figures),
        figures
            .goal
            .map_or_else(String::new, |goal| format!("{goal:.2}")),
        met(figures).to_owned(),
        floor.map_or_else(String::new, |floor| {
            format!("{} {}", floor.name, time(floor.value))
        }),
        floor.map_or_else(String::new, |floor| format!("{:.1}", floor.multiple)),
        if figures.oversubscribed {
            "oversubscribed".to_owned()
        } else {
            String::new()
        },
    ]
}

/// The range in which eight of ten ratios lie.
pub fn range(figures: &Figures) -> String {
    format!("{:.2}-{:.2}", figures.ratio_lo, figures.ratio_hi)
}

/// Whether the goal is met, in a word.
pub fn met(figures: &Figures) -> &'static str {
    match figures.met {
        None => "",
        Some(true) => "yes",
        Some(false) => "no",
    }
}

/// Nanoseconds, with a unit that suits them.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n.is_nan() => "?".to_owned(),
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n if n < 1e9 => format!("{:.1} ms", n / 1e6),
        n => format!("{:.1} s", n / 1e9),
    }
}

/// The head of the details.
pub const DETAIL_HEAD: [&str; 8] = [
    "case",
    "contender",
    "time",
    "10-90 %",
    "processor time",
    "switches",
    "fairness",
    "longest wait",
];

/// A line of details for each contender.
pub fn details(figures: &Figures) -> Vec<[String; 8]> {
    let cost = |name: &str| match name {
        OURS => figures.ours,
        peer => figures.peers.get(peer).copied().unwrap_or(f64::NAN),
    };
    let line = |(name, detail): (&String, &Detail)| {
        [
            figures.case.clone(),
            name.clone(),
            time(cost(name)),
            format!("{} to {}", time(detail.low), time(detail.high)),
            time(detail.processor),
            format!("{:.3}", detail.switches),
            detail
                .fairness
                .map_or_else(String::new, |fairness| format!("{fairness:.3}")),
            detail.longest.map_or_else(String::new, time),
        ]
    };
    figures.details.iter().map(line).collect()
}

/// The head of the table of waits.
pub const WAIT_HEAD: [&str; 6] = [
    "case",
    "contender",
    "99.9 % wait",
    "longest wait",
    "per read",
    "per write",
];

/// A line of it for each contender that has both kinds of threads.
pub fn waits(figures: &Figures) -> Vec<[String; 6]> {
    let line = |(name, detail): (&String, &Detail)| {
        Some([
            figures.name().to_owned(),
            name.clone(),
            time(detail.nearly_all?),
            time(detail.longest?),
            time(detail.read?),
            time(detail.write?),
        ])
    };
    figures.details.iter().filter_map(line).collect()
}

/// Lines in columns, each as wide as it has to be.
pub fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|word| word.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        let cells = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join(" | ");
        writeln!(text, "{}", line.trim_end()).expect("a string takes all");
    };
    line(head);
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

/// The same lines as a table in Markdown.
pub fn markdown<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    markdown_of(&head, rows)
}

/// A table in Markdown whose number of columns depends on the figures. Each row has as many cells
/// as the head.
pub fn markdown_of(head: &[&str], rows: &[impl AsRef<[String]>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        writeln!(text, "| {} |", row.as_ref().join(" | ")).expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_that_suits_it() {
        assert_eq!(time(2.5), "2.5 ns");
        assert_eq!(time(2500.0), "2.5 µs");
        assert_eq!(time(2.5e6), "2.5 ms");
        assert_eq!(time(2.5e9), "2.5 s");
    }

    #[test]
    fn waits_are_those_of_contenders_that_have_both_kinds() {
        let both = Detail {
            longest: Some(9000.0),
            nearly_all: Some(700.0),
            read: Some(50.0),
            write: Some(2500.0),
            ..Detail::default()
        };
        let neither = Detail {
            longest: Some(9000.0),
            ..Detail::default()
        };
        let figures = Figures {
            case: "waits/a writer".to_owned(),
            details: [(OURS.to_owned(), both), ("std".to_owned(), neither)].into(),
            ..Figures::default()
        };
        let line = ["a writer", OURS, "700.0 ns", "9.0 µs", "50.0 ns", "2.5 µs"];
        assert_eq!(waits(&figures), [line.map(str::to_owned)]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["a".to_owned(), "b".to_owned()],
            ["µµµ".to_owned(), String::new()],
        ];
        assert_eq!(columns(["x", "y"], &rows), "x   | y\na   | b\nµµµ |\n");
        assert_eq!(
            markdown(["x", "y"], &rows[..1]),
            "| x | y |\n|---|---|\n| a | b |\n"
        );
    }
}
