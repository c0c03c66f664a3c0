//! The ratio against the best peer, case by case.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor;

use super::{Area, Drawn, Ink, MARGIN, Picture, draw, label, legend};
use crate::json::Figures;
use crate::machine::Machine;

const ROW: i32 = 17;
const WIDTH: u32 = 980;
/// Where the axis begins and ends, from the left.
const LEFT: i32 = 330;
const RIGHT: i32 = WIDTH as i32 - 150;
const TOP: i32 = 10;

/// Of all cases.
pub fn picture(figures: &[Figures], on: &Machine) -> Result<Option<Picture>, Box<dyn Error>> {
    let height = 34 + TOP + ROW * figures.len() as i32 + 30 + 44;
    let title = "Our time over the best peer's (left of the line: ours is shorter)";
    let svg = draw((WIDTH, height as u32), title, on, |area| {
        rows(area, figures)
    })?;
    let words = "The ratio of tk's time to the best peer's, for each case";
    Ok(Some(Picture {
        file: "ratio.svg",
        words,
        svg,
    }))
}

/// A logarithmic axis between these.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// Whole tens, so that all of these are within.
    fn of(figures: &[Figures]) -> Axis {
        let least = figures
            .iter()
            .map(|figures| figures.ratio_lo)
            .fold(0.1, f64::min);
        let most = figures
            .iter()
            .map(|figures| figures.ratio_hi)
            .fold(10.0, f64::max);
        Axis {
            low: 10_f64.powf(least.log10().floor()).max(0.001),
            high: 10_f64.powf(most.log10().ceil()).min(100.0),
        }
    }

    fn at(&self, ratio: f64) -> i32 {
        let part = (ratio.clamp(self.low, self.high) / self.low).log10();
        let part = part / (self.high / self.low).log10();
        LEFT + (f64::from(RIGHT - LEFT) * part).round() as i32
    }

    fn marks(&self) -> Vec<f64> {
        let decades = self.low.log10().round() as i32..self.high.log10().round() as i32;
        let marks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(decade)));
        marks.chain([self.high]).collect()
    }
}

fn rows(area: &Area<'_>, figures: &[Figures]) -> Drawn {
    let axis = Axis::of(figures);
    let bottom = TOP + ROW * figures.len() as i32;
    for mark in axis.marks() {
        let (x, one) = (axis.at(mark), mark == 1.0);
        let ink = if one { Ink::TEXT } else { Ink::GUIDE };
        let line = ShapeStyle::from(ink.color().mix(if one { 1.0 } else { 0.4 }));
        area.draw(&PathElement::new(
            vec![(x, TOP - 4), (x, bottom)],
            line.stroke_width(1),
        ))?;
        let style = ("sans-serif", 11).into_font().color(&Ink::TEXT.color());
        let anchor = text_anchor::Pos::new(text_anchor::HPos::Center, text_anchor::VPos::Top);
        area.draw_text(&format!("{mark}"), &style.pos(anchor), (x, bottom + 6))?;
    }
    legend(area, &["met", "missed", "no goal"], (RIGHT + 20, TOP))?;
    for (row, figures) in figures.iter().enumerate() {
        draw_row(area, &axis, figures, TOP + ROW * row as i32)?;
    }
    Ok(())
}

fn draw_row(area: &Area<'_>, axis: &Axis, figures: &Figures, y: i32) -> Drawn {
    let ink = Ink::of(match figures.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "no goal",
    });
    let middle = y + 5;
    label(area, &figures.case, (MARGIN, y), 12, Ink::TEXT)?;
    let (from, to) = (axis.at(figures.ratio_lo), axis.at(figures.ratio_hi));
    let range = ShapeStyle::from(ink.color().mix(0.6)).stroke_width(2);
    area.draw(&PathElement::new(vec![(from, middle), (to, middle)], range))?;
    let point = ShapeStyle::from(ink.color()).filled();
    area.draw(&Circle::new((axis.at(figures.ratio), middle), 4, point))?;
    if let Some(goal) = figures.goal {
        let x = axis.at(goal);
        let mark = ShapeStyle::from(Ink::TEXT.color()).stroke_width(2);
        area.draw(&PathElement::new(
            vec![(x, middle - 5), (x, middle + 5)],
            mark,
        ))?;
    }
    Ok(())
}
