//! The picture of the README: a few cases that stand for common uses, with every contender by name.
//!
//! The cases were chosen for what they mean to a user, before it was known who is ahead: the
//! simplest operation, a lock and a queue that many threads want, a wake-up, a value per thread,
//! and a thread's life.

use super::svg::{At, Font, Svg};
use super::{Ink, Picture, brief, provenance};
use crate::case::OURS;
use crate::json::Figures;
use crate::machine::Machine;

/// A case, and the words about it.
struct Panel {
    case: &'static str,
    title: &'static str,
    note: &'static str,
}

const PANELS: [Panel; 6] = [
    Panel {
        case: "uncontended/lock",
        title: "Lock and unlock, uncontended",
        note: "one thread, a number behind the lock",
    },
    Panel {
        case: "contention/lock, 16 threads, 200 ns",
        title: "One lock, 16 threads",
        note: "200 ns inside, 200 ns outside on average; time per visit",
    },
    Panel {
        case: "wakeup/ping-pong, condvar",
        title: "Ping-pong through condition variables",
        note: "two threads wake each other; time there and back",
    },
    Panel {
        case: "queue/5 to 5, 1 slot, notify_all",
        title: "Bounded queue: 5 producers, 5 consumers",
        note: "one slot, notify_all; time per item",
    },
    Panel {
        case: "locals/get",
        title: "Read a per-thread value",
        note: "of an object; the thread has set it before",
    },
    Panel {
        case: "threads/spawn+join",
        title: "Spawn and join a thread",
        note: "one at a time; tk's threads have names and are registered",
    },
];

/// The cases that the picture shows.
pub fn cases() -> impl Iterator<Item = &'static str> {
    PANELS.iter().map(|panel| panel.case)
}

const WIDTH: f64 = 920.0;
const MARGIN: f64 = 16.0;
const GUTTER: f64 = 36.0;
const PANEL: f64 = (WIDTH - 2.0 * MARGIN - GUTTER) / 2.0;
/// From the top of a panel to its first row.
const HEAD: f64 = 46.0;
const ROW: f64 = 20.0;
const BAR: f64 = 9.0;
/// From the top of a bar to the middle of the line below it, which shows the spread.
const SPREAD: f64 = 13.0;
/// The columns of a panel: names to the left of the bars, values to the right.
const NAMES: f64 = 116.0;
const VALUES: f64 = 68.0;
const BELOW: f64 = 24.0;

/// A contender of a panel.
struct Row<'a> {
    name: &'a str,
    cost: f64,
    low: f64,
    high: f64,
}

/// Draws the panels whose cases were measured; nothing if there are none.
pub(super) fn picture(figures: &[Figures], on: &Machine) -> Option<Picture> {
    let found = |panel: &'static Panel| {
        let of_panel = |figures: &&Figures| figures.case == panel.case;
        Some((panel, rows(figures.iter().find(of_panel)?)))
    };
    let panels: Vec<_> = PANELS.iter().filter_map(found).collect();
    if panels.is_empty() {
        return None;
    }
    let height_of = |(_, rows): &(&Panel, Vec<Row<'_>>)| HEAD + ROW * rows.len() as f64 + BELOW;
    let lines: Vec<_> = panels.chunks(2).collect();
    let heights: Vec<f64> = lines
        .iter()
        .map(|line| line.iter().map(height_of).fold(0.0, f64::max))
        .collect();
    let top = 64.0;
    let height = top + heights.iter().sum::<f64>() + 42.0;

    let words = "Time per operation of tk and of its peers in six cases, as bars";
    let title = "tk beside its peers: time per operation, shorter is better";
    let mut svg = Svg::new((WIDTH, height), title, words);
    svg.text((MARGIN, 26.0), Font::TITLE, title);
    let note = "Bar: the median over the rounds. Thin line: eight of ten rounds; without an end \
                mark, it goes on. Each panel has its own scale, from zero.";
    svg.text((MARGIN, 46.0), Font::NOTE, note);
    let mut y = top;
    for (line, height) in lines.iter().zip(heights) {
        for (column, (panel, rows)) in line.iter().enumerate() {
            let x = MARGIN + column as f64 * (PANEL + GUTTER);
            draw_panel(&mut svg, (x, y), panel, rows);
        }
        y += height;
    }
    for (line, text) in provenance(on).iter().enumerate() {
        let y = height - 24.0 + 15.0 * line as f64;
        svg.text((MARGIN, y), Font::SMALL, text);
    }
    Some(Picture {
        file: "overview.svg",
        words,
        svg: svg.finish(),
    })
}

/// The contenders of a case, the fastest first.
fn rows(figures: &Figures) -> Vec<Row<'_>> {
    let row = |(name, cost): (&'_ str, f64)| {
        let (low, high) = figures
            .details
            .get(name)
            .map_or((cost, cost), |detail| (detail.low, detail.high));
        (cost, low.min(cost), high.max(cost))
    };
    let peers = figures
        .peers
        .iter()
        .map(|(name, cost)| (name.as_str(), *cost));
    let mut rows: Vec<_> = peers
        .chain([(OURS, figures.ours)])
        .map(|(name, cost)| {
            let (cost, low, high) = row((name, cost));
            Row {
                name,
                cost,
                low,
                high,
            }
        })
        .collect();
    rows.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    rows
}

fn draw_panel(svg: &mut Svg, (x, y): At, panel: &Panel, rows: &[Row<'_>]) {
    svg.text((x, y + 14.0), Font::HEAD, panel.title);
    svg.text((x, y + 31.0), Font::NOTE, panel.note);
    let left = x + NAMES + 8.0;
    let room = x + PANEL - VALUES - left;
    let longest = rows.iter().map(|row| row.cost).fold(0.0, f64::max);
    // A spread far beyond the bars would make all of them short, so it is cut off.
    let furthest = rows.iter().map(|row| row.high).fold(longest, f64::max);
    let full = furthest.min(1.25 * longest);
    let at = |cost: f64| left + room * cost / full;
    for (number, row) in rows.iter().enumerate() {
        let top = y + HEAD + ROW * number as f64;
        let (spread, base) = (top + SPREAD, top + 10.0);
        let font = if row.name == OURS {
            Font::LABEL.bold().ink(Ink::OURS)
        } else {
            Font::LABEL
        };
        svg.text((x + NAMES, base), font.end(), row.name);
        let width = (at(row.cost) - left).max(1.0);
        svg.bar((left, top), (width, BAR), Ink::row(row.name));
        let end = at(row.high.min(full));
        svg.line(&[(at(row.low), spread), (end, spread)], 1.2, Ink::SPREAD);
        let mut tick = |x: f64| {
            svg.line(&[(x, spread - 2.5), (x, spread + 2.5)], 1.2, Ink::SPREAD);
        };
        tick(at(row.low));
        if row.high <= full {
            tick(end);
        }
        svg.text((x + PANEL, base), font.end(), &brief(row.cost));
    }
    let bottom = y + HEAD + ROW * rows.len() as f64 - 2.0;
    svg.line(&[(left, y + HEAD - 4.0), (left, bottom)], 1.0, Ink::GRID);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Scale, all};

    #[test]
    fn every_panel_shows_a_case_that_is_measured() {
        let names: Vec<_> = all(Scale::Trial).iter().map(|case| case.id()).collect();
        for case in cases() {
            assert!(names.iter().any(|name| name == case), "{case}");
        }
    }
}
