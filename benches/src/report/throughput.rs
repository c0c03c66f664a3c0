//! The throughput of a contended lock, by the number of threads.

use std::collections::BTreeSet;

use super::svg::{At, Font, Svg};
use super::{Ink, Picture, provenance};
use crate::case::OURS;
use crate::cases::contention::{INSIDE, THREADS};
use crate::json::Figures;
use crate::machine::Machine;

const SIZE: (f64, f64) = (1040.0, 416.0);
const MARGIN: f64 = 16.0;
const PANEL: f64 = (SIZE.0 - 2.0 * MARGIN) / 3.0;
/// The plot within a panel: where it begins and ends, from the panel's left side.
const LEFT: f64 = 34.0;
const RIGHT: f64 = PANEL - 132.0;
const TOP: f64 = 124.0;
const BOTTOM: f64 = 326.0;
/// The least distance of two names beside the plot.
const LINE: f64 = 15.0;

/// Draws a panel for each time inside; nothing if no such case was measured.
pub fn picture(figures: &[Figures], on: &Machine) -> Option<Picture> {
    let locks = |figures: &&Figures| figures.case.starts_with("contention/lock,");
    let locks: Vec<_> = figures.iter().filter(locks).collect();
    if locks.is_empty() {
        return None;
    }
    let words = "Operations per second of one contended lock, by the number of threads";
    let title = "One lock, many threads: operations per second of all threads together";
    let mut svg = Svg::new(SIZE, title, words);
    svg.text((MARGIN, 26.0), Font::TITLE, title);
    let notes = [
        "Higher is better. A thread is outside the lock as long as inside, on average, so that two \
         threads are enough to keep the lock busy.",
        "Dashed: the most that is possible, a lock that is never idle and costs nothing. \
         Each panel has its own scale, from zero.",
    ];
    for (line, note) in notes.iter().enumerate() {
        svg.text((MARGIN, 46.0 + 17.0 * line as f64), Font::NOTE, note);
    }
    for (panel, inside) in INSIDE.iter().enumerate() {
        let of_panel = |figures: &&&Figures| figures.case.ends_with(&format!(", {inside} ns"));
        let cells: Vec<_> = locks.iter().filter(of_panel).copied().collect();
        if !cells.is_empty() {
            let x = MARGIN + panel as f64 * PANEL;
            draw_panel(&mut svg, x, *inside, &cells);
        }
    }
    for (line, text) in provenance(on).iter().enumerate() {
        let y = SIZE.1 - 24.0 + 15.0 * line as f64;
        svg.text((MARGIN, y), Font::SMALL, text);
    }
    Some(Picture {
        file: "throughput.svg",
        words,
        svg: svg.finish(),
    })
}

/// Millions of operations per second.
fn throughput(figures: &Figures, name: &str) -> Option<f64> {
    let cost = if name == OURS {
        Some(figures.ours)
    } else {
        figures.peers.get(name).copied()
    };
    cost.map(|cost| 1e3 / cost)
}

/// The contenders. tk is the last one, so that it is drawn above the others.
fn names<'a>(cells: &[&'a Figures]) -> Vec<&'a str> {
    let peers: BTreeSet<_> = cells
        .iter()
        .flat_map(|figures| figures.peers.keys().map(String::as_str))
        .collect();
    peers.into_iter().chain([OURS]).collect()
}

fn draw_panel(svg: &mut Svg, x: f64, inside: u64, cells: &[&Figures]) {
    let limit = 1e3 / inside as f64;
    let names = names(cells);
    let values = cells
        .iter()
        .flat_map(|figures| names.iter().filter_map(|name| throughput(figures, name)));
    let most = values.fold(limit, f64::max) * 1.05;
    let most_threads = (THREADS[THREADS.len() - 1] as f64 / THREADS[0] as f64).log2();
    let at = |threads: usize, value: f64| -> At {
        let part = (threads as f64 / THREADS[0] as f64).log2() / most_threads;
        let x = x + LEFT + (RIGHT - LEFT) * part;
        (x, BOTTOM - (BOTTOM - TOP) * value / most)
    };

    let head = format!("{inside} ns inside");
    svg.text((x, TOP - 30.0), Font::HEAD, &head);
    svg.text((x, TOP - 13.0), Font::NOTE, "million operations per second");
    let step = step(most);
    for mark in (0..)
        .map(|n| f64::from(n) * step)
        .take_while(|mark| *mark <= most)
    {
        let (_, y) = at(THREADS[0], mark);
        svg.line(&[(x + LEFT - 4.0, y), (x + RIGHT, y)], 1.0, Ink::GRID);
        svg.text(
            (x + LEFT - 8.0, y + 4.0),
            Font::SMALL.end(),
            &mark_text(mark, step),
        );
    }
    for threads in THREADS {
        let (x, y) = at(threads, 0.0);
        svg.line(&[(x, y), (x, y + 4.0)], 1.0, Ink::GRID);
        svg.text((x, y + 17.0), Font::SMALL.middle(), &threads.to_string());
    }
    let middle = x + (LEFT + RIGHT) / 2.0;
    svg.text((middle, BOTTOM + 33.0), Font::NOTE.middle(), "threads");
    let (_, y) = at(THREADS[0], limit);
    svg.dashes(&[(x + LEFT, y), (x + RIGHT, y)], 1.2, Ink::SOFT);

    let mut labels: Vec<(f64, &str, At)> = Vec::new();
    for name in names {
        let (ink, marker) = Ink::curve(name);
        let mut points: Vec<(usize, f64)> = cells
            .iter()
            .filter_map(|figures| Some((figures.threads, throughput(figures, name)?)))
            .collect();
        points.sort_by_key(|point| point.0);
        let points: Vec<_> = points.iter().map(|(n, value)| at(*n, *value)).collect();
        let width = if name == OURS { 2.6 } else { 1.6 };
        svg.line(&points, width, ink);
        for point in &points {
            svg.marker(*point, marker, ink);
        }
        let Some(end) = points.last() else { continue };
        if end.0 < x + RIGHT {
            // A curve that ends early has its name there.
            svg.text((end.0 + 9.0, end.1 - 5.0), Font::SMALL.ink(ink), name);
        } else {
            labels.push((end.1, name, *end));
        }
    }
    draw_labels(svg, x + RIGHT + 16.0, labels);
}

/// Writes the names beside the ends of the curves. Names that are too close move apart, and a thin
/// line leads to each.
fn draw_labels(svg: &mut Svg, x: f64, mut labels: Vec<(f64, &str, At)>) {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut wanted: Vec<f64> = labels.iter().map(|label| label.0).collect();
    spread(&mut wanted);
    for ((_, name, end), y) in labels.into_iter().zip(wanted) {
        let (ink, marker) = Ink::curve(name);
        svg.line(&[end, (x - 3.0, y)], 0.7, ink);
        svg.marker((x + 4.0, y), marker, ink);
        let font = if name == OURS {
            Font::SMALL.bold()
        } else {
            Font::SMALL
        };
        svg.text((x + 12.0, y + 4.0), font.ink(ink), name);
    }
}

/// Moves these places, which are in ascending order, so far apart that names have room, and no
/// further than the axis.
fn spread(places: &mut [f64]) {
    let lowest = BOTTOM + 4.0;
    for n in (0..places.len()).rev() {
        let limit = places.get(n + 1).map_or(lowest, |next| next - LINE);
        places[n] = places[n].min(limit);
    }
    let mut least = f64::NEG_INFINITY;
    for place in places {
        *place = place.max(least);
        least = *place + LINE;
    }
}

/// A mark of an axis, with as many decimals as the marks differ in.
fn mark_text(mark: f64, step: f64) -> String {
    let decimals = (-step.log10()).ceil().max(0.0) as usize;
    format!("{mark:.decimals$}")
}

/// The distance of the marks of an axis that ends there: 1, 2 or 5 times a power of ten, about five
/// of them.
fn step(end: f64) -> f64 {
    let about = end / 4.0;
    let power = 10_f64.powf(about.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .rev()
        .find(|factor| factor * power <= about);
    factor.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_distance_and_their_order() {
        let mut places = [310.0, 312.0, 313.0, 330.0];
        spread(&mut places);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= LINE));
        assert!(places[3] <= BOTTOM + 4.0);
        let mut places = [100.0, 200.0];
        spread(&mut places);
        assert_eq!(places, [100.0, 200.0]);
    }

    #[test]
    fn an_axis_has_a_handful_of_round_marks() {
        assert_eq!(step(0.5), 0.1);
        assert_eq!(step(5.25), 1.0);
        assert_eq!(step(52.5), 10.0);
        assert_eq!(mark_text(0.1 + 0.2, 0.1), "0.3");
        assert_eq!(mark_text(0.5, 0.05), "0.50");
        assert_eq!(mark_text(30.0, 10.0), "30");
    }
}
