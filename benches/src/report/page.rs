//! The page: a text with places for the figures.

use std::collections::BTreeSet;

use super::Picture;
use crate::case::OURS;
use crate::cases::queue::Shape;
use crate::cases::{GROUPS, queue};
use crate::json::Figures;
use crate::kind::Notify;
use crate::machine::{Machine, processors};
use crate::table;

/// The prose. Each `{{name}}` is a place.
const TEXT: &str = include_str!("page.md");

/// The widest line of prose.
const WIDTH: usize = 120;

/// The text in the place of a figure that was not measured.
const NOT_MEASURED: &str = "Not measured this time.";

/// The whole page.
pub fn page(figures: &[Figures], pictures: &[Picture], on: &Machine) -> String {
    let mut page = TEXT.to_owned();
    let mut put = |place: &str, text: String| {
        let text = if text.is_empty() {
            NOT_MEASURED
        } else {
            text.trim_end()
        };
        page = page.replace(&format!("{{{{{place}}}}}"), text);
    };
    for file in ["overview.svg", "throughput.svg", "wakeup.svg"] {
        let picture = pictures.iter().find(|picture| picture.file == file);
        let image = |picture: &Picture| format!("![{}]({file})", picture.words);
        put(file, picture.map_or_else(String::new, image));
    }
    put("origin", origin(figures, on));
    put("queue", queues(figures));
    put("waits", waits(figures));
    put("goals", goals(figures));
    put("cases", by_area(figures, cases_of));
    put("contenders", by_area(figures, contenders_of));
    page
}

fn origin(figures: &[Figures], on: &Machine) -> String {
    let mut text = format!(
        "{}; {}; {}; commit {}; {}.",
        on.machine, on.kernel, on.toolchain, on.commit, on.date
    );
    let rounds = figures.iter().map(|figures| figures.rounds).min();
    if let Some(rounds) = rounds {
        text += &format!(" Each case was measured in {rounds} rounds or more.");
    }
    let load: f64 = on.load.parse().unwrap_or(0.0);
    if load > 0.5 {
        text += &format!(
            " The machine was shared: the load average was {} with {} processors when the \
             measurement began. Figures that need free processors (a ping-pong, a wake-up, a \
             lateness) are worse than on an idle machine, and all times are those of a busy one. \
             The ratios hold better than the times.",
            on.load,
            processors()
        );
    }
    wrapped(&text)
}

/// The words in lines that are not too long.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

/// The figures of each area under a heading of its own.
fn by_area(figures: &[Figures], text: impl Fn(&str, &[&Figures]) -> String) -> String {
    let mut all = String::new();
    for group in GROUPS {
        let of_group: Vec<_> = figures
            .iter()
            .filter(|figures| figures.group() == group)
            .collect();
        if !of_group.is_empty() {
            all += &text(group, &of_group);
        }
    }
    all
}

fn cases_of(group: &str, figures: &[&Figures]) -> String {
    // They have tables of their own.
    if group == "queue" {
        return String::new();
    }
    let rows: Vec<_> = figures.iter().map(|figures| table::row(figures)).collect();
    let table = table::markdown(table::HEAD, &rows);
    format!("### {group}\n\n{table}\n")
}

fn contenders_of(group: &str, figures: &[&Figures]) -> String {
    let rows: Vec<_> = figures
        .iter()
        .flat_map(|figures| table::details(figures))
        .collect();
    let table = table::markdown(table::DETAIL_HEAD, &rows);
    format!("<details><summary>{group}</summary>\n\n{table}\n</details>\n\n")
}

/// A table for each number of slots and each way to notify: a row for each number of threads, a
/// column for each contender.
fn queues(figures: &[Figures]) -> String {
    let measured: Vec<_> = Shape::all()
        .filter_map(|shape| {
            let case = format!("queue/{}", shape.name());
            let figures = figures.iter().find(|figures| figures.case == case)?;
            Some((shape, figures))
        })
        .collect();
    let peers: BTreeSet<_> = measured
        .iter()
        .flat_map(|(_, figures)| figures.peers.keys())
        .collect();
    let mut text = String::new();
    for how in [Notify::One, Notify::All] {
        for slots in queue::SLOTS {
            let of_table =
                |(shape, _): &&(Shape, &Figures)| (shape.how, shape.slots) == (how, slots);
            let rows: Vec<_> = measured
                .iter()
                .filter(of_table)
                .map(|(shape, figures)| queue_row(*shape, figures, &peers))
                .collect();
            if rows.is_empty() {
                continue;
            }
            let head = ["producers to consumers", OURS]
                .into_iter()
                .chain(peers.iter().map(|name| name.as_str()))
                .chain(["ratio to the best peer", "10-90 %"]);
            let title = Shape::table(slots, how);
            let table = table::markdown_of(&head.collect::<Vec<_>>(), &rows);
            text += &format!("### {title}\n\n{table}\n");
        }
    }
    text
}

fn queue_row(shape: Shape, figures: &Figures, peers: &BTreeSet<&String>) -> Vec<String> {
    let time_of = |name: &&String| {
        let cost = figures.peers.get(*name).copied();
        table::time(cost.unwrap_or(f64::NAN))
    };
    [
        format!("{} to {}", shape.producers, shape.consumers),
        table::time(figures.ours),
    ]
    .into_iter()
    .chain(peers.iter().map(time_of))
    .chain([format!("{:.2}", figures.ratio), table::range(figures)])
    .collect()
}

/// A line for each contender of the cases in which a thread waits for others that read or write all
/// the time.
fn waits(figures: &[Figures]) -> String {
    let rows: Vec<_> = figures.iter().flat_map(table::waits).collect();
    if rows.is_empty() {
        String::new()
    } else {
        table::markdown(table::WAIT_HEAD, &rows)
    }
}

/// How many goals are met, area by area, and all that are missed.
fn goals(figures: &[Figures]) -> String {
    let is_met = |figures: &Figures| figures.met == Some(true);
    let mut areas = Vec::new();
    let mut missed = Vec::new();
    for group in GROUPS {
        let with_goals = || {
            figures
                .iter()
                .filter(|figures| figures.group() == group && figures.goal.is_some())
        };
        let all = with_goals().count();
        if all > 0 {
            let met = with_goals().filter(|figures| is_met(figures)).count();
            areas.push([group.to_owned(), all.to_string(), met.to_string()]);
        }
        missed.extend(
            with_goals()
                .filter(|figures| !is_met(figures))
                .map(missed_row),
        );
    }
    let met_by_area = table::markdown(["area", "goals", "met"], &areas);
    if missed.is_empty() {
        return format!("{met_by_area}\nAll of them are met.\n");
    }
    let head = ["missed", "best peer", "ratio", "10-90 %", "goal", "notes"];
    format!(
        "{met_by_area}\n{} are missed:\n\n{}",
        missed.len(),
        table::markdown(head, &missed)
    )
}

fn missed_row(figures: &Figures) -> [String; 6] {
    let mut notes = Vec::new();
    if figures.fair && !figures.is_as_fair() {
        notes.push("less fair".to_owned());
    }
    if let Some(floor) = &figures.floor
        && let Some(goal) = floor.goal
    {
        notes.push(format!(
            "{:.2} of the floor, goal {goal:.2}",
            floor.multiple
        ));
    }
    if figures.oversubscribed {
        notes.push("oversubscribed".to_owned());
    }
    [
        figures.case.clone(),
        figures.best_peer.clone(),
        format!("{:.2}", figures.ratio),
        table::range(figures),
        figures
            .goal
            .map_or_else(String::new, |goal| format!("{goal:.2}")),
        notes.join("; "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        let page = page(&[], &[], &Machine::default());
        assert!(!page.contains("{{"), "{page}");
        assert!(page.contains(NOT_MEASURED));
    }

    #[test]
    fn no_line_of_prose_is_too_long() {
        for line in TEXT.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        let words = "word ".repeat(100);
        assert!(wrapped(&words).lines().all(|line| line.len() <= WIDTH));
        assert_eq!(wrapped("a  b"), "a b");
    }
}
