//! How long a sleeping thread takes to run after it was woken, for each contender.

use super::svg::{Font, Marker, Svg};
use super::{Ink, Picture, brief, provenance};
use crate::case::OURS;
use crate::json::Figures;
use crate::machine::Machine;

const WIDTH: f64 = 920.0;
const MARGIN: f64 = 16.0;
/// Where the axis begins and ends.
const LEFT: f64 = 170.0;
const RIGHT: f64 = WIDTH - 100.0;
const TOP: f64 = 84.0;
const HEAD: f64 = 34.0;
const ROW: f64 = 20.0;

const BLOCKS: [(&str, &str); 3] = [
    ("wakeup/sleeper, event, p50", "Event"),
    ("wakeup/sleeper, condvar, p50", "Condition variable"),
    ("wakeup/sleeper, semaphore, p50", "Semaphore"),
];

/// Some latencies of one contender, in nanoseconds.
struct Row<'a> {
    name: &'a str,
    tenth: f64,
    median: f64,
    nine_tenths: f64,
    most: f64,
}

impl Row<'_> {
    /// Nothing if the percentiles are not all there.
    fn new<'a>(name: &'a str, percentiles: &[f64]) -> Option<Row<'a>> {
        // The first of them is that of one percent.
        let at = |percent: usize| percentiles.get(percent - 1).copied();
        Some(Row {
            name,
            tenth: at(10)?,
            median: at(50)?,
            nine_tenths: at(90)?,
            most: at(99)?,
        })
    }
}

struct Block<'a> {
    head: &'static str,
    floor: Option<f64>,
    rows: Vec<Row<'a>>,
}

fn block<'a>(figures: &'a Figures, head: &'static str) -> Option<Block<'a>> {
    let details = figures.details.iter();
    let mut rows: Vec<_> = details
        .filter_map(|(name, detail)| Row::new(name, &detail.percentiles))
        .collect();
    rows.sort_by(|a, b| a.median.total_cmp(&b.median));
    let floor = figures.floor.as_ref().map(|floor| floor.value);
    (!rows.is_empty()).then_some(Block { head, floor, rows })
}

/// Draws a block of rows for each kind of signal; nothing if none was measured.
pub fn picture(figures: &[Figures], on: &Machine) -> Option<Picture> {
    let found = |(case, head): &(&str, &'static str)| {
        block(figures.iter().find(|figures| figures.case == *case)?, head)
    };
    let blocks: Vec<_> = BLOCKS.iter().filter_map(found).collect();
    if blocks.is_empty() {
        return None;
    }
    let axis = Axis::of(&blocks);
    let rows: usize = blocks.iter().map(|block| block.rows.len()).sum();
    let bottom = TOP + HEAD * blocks.len() as f64 + ROW * rows as f64 + 6.0;
    let height = bottom + 86.0;

    let words = "The time from a signal until the sleeping thread runs, for each contender";
    let title = "Waking a sleeping thread: time from the signal until the thread runs";
    let mut svg = Svg::new((WIDTH, height), title, words);
    svg.text((MARGIN, 26.0), Font::TITLE, title);
    let notes = [
        "Further left is better. Dot: the median. Thick line: eight of ten wake-ups. \
         Thin line: up to 99 of 100. The fastest is first.",
        "Dashed: the median of a bare futex, which is the system's part. A line that touches \
         the right edge goes on.",
    ];
    for (line, note) in notes.iter().enumerate() {
        svg.text((MARGIN, 46.0 + 17.0 * line as f64), Font::NOTE, note);
    }
    for mark in axis.marks() {
        let x = axis.at(mark);
        svg.line(&[(x, TOP), (x, bottom)], 1.0, Ink::GRID);
        let text = format!("{} µs", mark / 1e3);
        svg.text((x, bottom + 16.0), Font::SMALL.middle(), &text);
    }
    let under = "time per wake-up, on a logarithmic scale";
    svg.text(
        ((LEFT + RIGHT) / 2.0, bottom + 34.0),
        Font::NOTE.middle(),
        under,
    );
    let mut y = TOP;
    for block in &blocks {
        draw_block(&mut svg, &axis, y, block);
        y += HEAD + ROW * block.rows.len() as f64;
    }
    for (line, text) in provenance(on).iter().enumerate() {
        let y = height - 24.0 + 15.0 * line as f64;
        svg.text((MARGIN, y), Font::SMALL, text);
    }
    Some(Picture {
        file: "wakeup.svg",
        words,
        svg: svg.finish(),
    })
}

fn draw_block(svg: &mut Svg, axis: &Axis, y: f64, block: &Block<'_>) {
    svg.text((MARGIN, y + 22.0), Font::HEAD, block.head);
    svg.text((WIDTH - MARGIN, y + 22.0), Font::SMALL.end(), "median");
    if let Some(floor) = block.floor {
        let (x, height) = (axis.at(floor), HEAD + ROW * block.rows.len() as f64);
        svg.dashes(&[(x, y + 14.0), (x, y + height)], 1.2, Ink::SOFT);
    }
    for (number, row) in block.rows.iter().enumerate() {
        let y = y + HEAD + ROW * number as f64 + 4.0;
        let ink = Ink::row(row.name);
        let font = if row.name == OURS {
            Font::LABEL.bold().ink(Ink::OURS)
        } else {
            Font::LABEL
        };
        svg.text((LEFT - 12.0, y + 4.0), font.end(), row.name);
        let part = |from: f64, to: f64| [(axis.at(from), y), (axis.at(to), y)];
        svg.line(&part(row.nine_tenths, row.most), 1.4, ink);
        svg.line(&part(row.tenth, row.nine_tenths), 6.0, ink);
        svg.marker((axis.at(row.median), y), Marker::Disk, Ink::TEXT);
        svg.text((WIDTH - MARGIN, y + 4.0), font.end(), &brief(row.median));
    }
}

/// A logarithmic axis between two times.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// One on which all of these have room.
    fn of(blocks: &[Block<'_>]) -> Axis {
        let rows = || blocks.iter().flat_map(|block| &block.rows);
        let floors = || blocks.iter().filter_map(|block| block.floor);
        let low = rows().map(|row| row.tenth).chain(floors());
        let most = rows().map(|row| row.most).chain(floors());
        let most = most.fold(10.0, f64::max) * 1.1;
        // One wake-up that took milliseconds would squeeze all others into a corner.
        let slowest = rows().map(|row| row.median).fold(0.0, f64::max);
        Axis {
            low: low.fold(f64::INFINITY, f64::min).max(1.0) * 0.9,
            high: most.min(10.0 * slowest),
        }
    }

    fn at(&self, time: f64) -> f64 {
        let part = (time.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        LEFT + (RIGHT - LEFT) * part
    }

    /// Round times between its ends, in even steps if possible, and at least four of them if the
    /// axis is not very short.
    fn marks(&self) -> Vec<f64> {
        const SETS: [&[f64]; 3] = [
            &[1.0],
            &[1.0, 2.0, 5.0],
            &[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        ];
        let marks = |factors: &&[f64]| -> Vec<f64> {
            let powers = (0..12).map(|power| 10_f64.powi(power));
            let marks = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
            marks
                .filter(|mark| (self.low..=self.high).contains(mark))
                .collect()
        };
        let mut sets = SETS.iter().map(marks);
        let last = SETS.len() - 1;
        let enough = sets.by_ref().take(last).find(|marks| marks.len() >= 4);
        enough.unwrap_or_else(|| marks(&SETS[last]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_marks_however_long_it_is() {
        let marks = |low, high| Axis { low, high }.marks();
        assert_eq!(marks(12e3, 35e3), [15e3, 20e3, 25e3, 30e3]);
        assert_eq!(marks(9e3, 110e3), [10e3, 20e3, 50e3, 100e3]);
        assert_eq!(marks(9e2, 11e5), [1e3, 1e4, 1e5, 1e6]);
    }
}
