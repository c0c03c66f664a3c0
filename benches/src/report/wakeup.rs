//! How the latencies of wake-ups are spread.

use std::error::Error;

use plotters::prelude::*;

use super::{Area, Drawn, Ink, Picture, draw, legend};
use crate::case::OURS;
use crate::json::Figures;
use crate::machine::Machine;

const SIZE: (u32, u32) = (980, 420);

/// Of a sleeper that an event wakes; nothing if that was not measured.
pub fn picture(figures: &[Figures], on: &Machine) -> Result<Option<Picture>, Box<dyn Error>> {
    let case = figures
        .iter()
        .find(|figures| figures.case == "wakeup/sleeper, event, p50");
    let Some(case) = case else { return Ok(None) };
    let title =
        "From the signal to a sleeping waiter that runs: part of the wake-ups that took no longer";
    let svg = draw(SIZE, title, on, |area| curves(area, case))?;
    let words = "The distribution of the wake-up latency of a sleeping waiter";
    Ok(Some(Picture {
        file: "wakeup.svg",
        words,
        svg,
    }))
}

fn curves(area: &Area<'_>, case: &Figures) -> Drawn {
    let mut curves: Vec<(&str, Vec<(f64, f64)>)> = case
        .details
        .iter()
        .map(|(name, detail)| {
            let percentiles = detail.percentiles.iter().enumerate();
            let point = |(percent, time): (usize, &f64)| (time / 1e3, (percent + 1) as f64);
            (name.as_str(), percentiles.map(point).collect())
        })
        .collect();
    // Ours last: above all others.
    curves.sort_by_key(|(name, _)| *name == OURS);
    let times = || {
        curves
            .iter()
            .flat_map(|(_, points)| points.iter().map(|point| point.0))
    };
    let low = times().fold(f64::INFINITY, f64::min).max(0.1);
    let high = times().fold(low * 2.0, f64::max);
    let part = area
        .clone()
        .shrink((0, 0), (SIZE.0 - 160, area.dim_in_pixel().1));
    let mut chart = ChartBuilder::on(&part)
        .margin(14)
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d((low * 0.9..high * 1.1).log_scale(), 0.0..100.0)?;
    let text = ("sans-serif", 11).into_font().color(&Ink::TEXT.color());
    chart
        .configure_mesh()
        .axis_style(Ink::TEXT.color())
        .bold_line_style(Ink::GUIDE.color().mix(0.4))
        .light_line_style(TRANSPARENT)
        .x_labels(12)
        .y_labels(6)
        .x_label_formatter(&|micros: &f64| format!("{micros:.0} µs"))
        .y_label_formatter(&|percent: &f64| format!("{percent:.0} %"))
        .label_style(text)
        .draw()?;
    for (name, points) in &curves {
        let ink = Ink::of(name);
        let line = ShapeStyle::from(ink.color()).stroke_width(ink.width());
        chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
    }
    let names: Vec<_> = curves.iter().rev().map(|(name, _)| *name).collect();
    legend(area, &names, (SIZE.0 as i32 - 150, 20))
}
