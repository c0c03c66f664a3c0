//! Throughput against the number of threads.

use std::collections::BTreeSet;
use std::error::Error;

use plotters::prelude::*;

use super::{Area, Drawn, Ink, Picture, draw, label, legend};
use crate::case::OURS;
use crate::cases::contention::{INSIDE, THREADS};
use crate::json::Figures;
use crate::machine::Machine;

const SIZE: (u32, u32) = (980, 400);
const PANEL: u32 = 275;

/// Of the lock, a panel for each length of what is done inside; nothing if no such case was measured.
pub fn picture(figures: &[Figures], on: &Machine) -> Result<Option<Picture>, Box<dyn Error>> {
    let locks = |figures: &&Figures| figures.case.starts_with("contention/lock,");
    let locks: Vec<_> = figures.iter().filter(locks).collect();
    if locks.is_empty() {
        return Ok(None);
    }
    let title = "Contended lock: operations per microsecond, by the number of threads";
    let svg = draw(SIZE, title, on, |area| panels(area, &locks))?;
    let words = "The throughput of a contended lock against the number of threads";
    Ok(Some(Picture {
        file: "throughput.svg",
        words,
        svg,
    }))
}

/// Operations per microsecond.
fn throughput(figures: &Figures, name: &str) -> Option<f64> {
    let cost = if name == OURS {
        Some(figures.ours)
    } else {
        figures.peers.get(name).copied()
    };
    cost.map(|cost| 1e3 / cost)
}

fn names<'a>(locks: &[&'a Figures]) -> Vec<&'a str> {
    let peers: BTreeSet<_> = locks
        .iter()
        .flat_map(|figures| figures.peers.keys())
        .collect();
    // Ours last: above all others.
    peers
        .into_iter()
        .map(String::as_str)
        .chain([OURS])
        .collect()
}

fn panels(area: &Area<'_>, locks: &[&Figures]) -> Drawn {
    let names = names(locks);
    for (panel, inside) in INSIDE.iter().enumerate() {
        let of_panel = |figures: &&&Figures| figures.case.ends_with(&format!(", {inside} ns"));
        let cells: Vec<_> = locks.iter().filter(of_panel).copied().collect();
        if cells.is_empty() {
            continue;
        }
        let (x, y) = (panel as u32 * PANEL, area.dim_in_pixel().1);
        let part = area.clone().shrink((x as i32, 0), (PANEL, y));
        draw_panel(&part, *inside, &cells, &names)?;
    }
    let mut shown = names.clone();
    shown.reverse();
    legend(area, &shown, (3 * PANEL as i32 + 14, 30))
}

fn draw_panel(area: &Area<'_>, inside: u64, cells: &[&Figures], names: &[&str]) -> Drawn {
    let values = || {
        cells
            .iter()
            .flat_map(|figures| names.iter().filter_map(|name| throughput(figures, name)))
    };
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let head = format!("{inside} ns inside");
    label(area, &head, (60, 0), 13, Ink::TEXT)?;
    let place = |threads: usize| THREADS.iter().position(|known| *known == threads);
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .x_label_area_size(28)
        .y_label_area_size(40)
        .build_cartesian_2d(-0.2..3.2, (low * 0.7..high * 1.4).log_scale())?;
    let text = ("sans-serif", 11).into_font().color(&Ink::TEXT.color());
    chart
        .configure_mesh()
        .axis_style(Ink::TEXT.color())
        .bold_line_style(Ink::GUIDE.color().mix(0.4))
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .x_labels(4)
        .y_labels(6)
        .x_label_formatter(&|place: &f64| thread_label(*place))
        .y_label_formatter(&|value: &f64| short(*value))
        .x_desc("threads")
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()?;
    for name in names {
        let ink = Ink::of(name);
        let mut points: Vec<_> = cells
            .iter()
            .filter_map(|figures| {
                Some((place(figures.threads)? as f64, throughput(figures, name)?))
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line = ShapeStyle::from(ink.color()).stroke_width(ink.width());
        chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
        let dot = ShapeStyle::from(ink.color()).filled();
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, dot)))?;
    }
    Ok(())
}

fn thread_label(place: f64) -> String {
    let whole = place.fract() == 0.0 && place >= 0.0;
    let threads = whole.then(|| THREADS.get(place as usize)).flatten();
    threads.map_or_else(String::new, usize::to_string)
}

fn short(value: f64) -> String {
    match value {
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}
