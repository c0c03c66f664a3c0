//! The page and its pictures, made of the figures of `versus`.

mod ink;
mod page;
mod ratio;
mod throughput;
mod wakeup;

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use self::ink::Ink;
use crate::json::Figures;
use crate::machine::Machine;

/// Why a picture could not be drawn.
type Drawn = Result<(), Box<dyn Error>>;

/// Where is drawn.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A picture, under the name of its file.
struct Picture {
    file: &'static str,
    /// For those who do not see it.
    words: &'static str,
    svg: String,
}

/// Writes `BENCHMARKS.md` and its pictures into that folder.
///
/// # Errors
///
/// If there are no figures, or if something cannot be written.
pub fn write(figures: &[Figures], folder: &Path) -> Result<(), Box<dyn Error>> {
    let on = figures
        .first()
        .map(|figures| &figures.on)
        .ok_or("there are no figures")?;
    let pictures = [
        ratio::picture(figures, on)?,
        throughput::picture(figures, on)?,
        wakeup::picture(figures, on)?,
    ];
    let pictures: Vec<_> = pictures.into_iter().flatten().collect();
    fs::create_dir_all(folder)?;
    for picture in &pictures {
        fs::write(folder.join(picture.file), &picture.svg)?;
    }
    Ok(fs::write(
        folder.join("BENCHMARKS.md"),
        page::page(figures, &pictures, on),
    )?)
}

const MARGIN: i32 = 16;

/// Draws a picture of that size, with its title and with what it was measured on.
fn draw(
    size: (u32, u32),
    title: &str,
    on: &Machine,
    content: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        label(&root, title, (MARGIN, 8), 17, Ink::TEXT)?;
        let below = size.1 as i32 - 36;
        let [first, second] = provenance(on);
        label(&root, &first, (MARGIN, below), 11, Ink::TEXT)?;
        label(&root, &second, (MARGIN, below + 15), 11, Ink::TEXT)?;
        let (top, bottom) = (34, 44);
        content(&root.margin(top, bottom, 0, 0))?;
        root.present()?;
    }
    Ok(ink::for_light_and_dark(&svg))
}

/// On what it was measured, in two lines.
fn provenance(on: &Machine) -> [String; 2] {
    [
        format!("{} · {}", on.machine, on.kernel),
        format!(
            "{} · commit {} · {} · load {}",
            on.toolchain, on.commit, on.date, on.load
        ),
    ]
}

fn label(area: &Area<'_>, text: &str, at: (i32, i32), size: u32, ink: Ink) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&ink.color());
    area.draw_text(text, &style, at)?;
    Ok(())
}

/// Says which color is whose, one below the other.
fn legend(area: &Area<'_>, names: &[&str], (x, y): (i32, i32)) -> Drawn {
    for (row, name) in names.iter().enumerate() {
        let (y, ink) = (y + 18 * row as i32, Ink::of(name));
        let line = ShapeStyle::from(ink.color()).stroke_width(ink.width());
        area.draw(&PathElement::new(vec![(x, y + 6), (x + 22, y + 6)], line))?;
        label(area, name, (x + 30, y), 12, Ink::TEXT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::OURS;
    use crate::json::Detail;

    fn figures(case: &str, threads: usize) -> Figures {
        let detail = Detail {
            percentiles: (1..100).map(|n| f64::from(n) * 1000.0).collect(),
            ..Detail::default()
        };
        Figures {
            case: case.to_owned(),
            ours: 20.0,
            peers: [("std".to_owned(), 40.0)].into(),
            best_peer: "std".to_owned(),
            ratio: 0.5,
            ratio_lo: 0.4,
            ratio_hi: 0.6,
            goal: Some(1.0),
            met: Some(true),
            threads,
            details: [
                (OURS.to_owned(), detail.clone()),
                ("std".to_owned(), detail),
            ]
            .into(),
            on: Machine {
                commit: "abcdef0".to_owned(),
                ..Machine::default()
            },
            ..Figures::default()
        }
    }

    #[test]
    fn a_page_has_its_pictures_and_each_says_where_it_comes_from() {
        let all = [
            figures("contention/lock, 2 threads, 20 ns", 2),
            figures("contention/lock, 64 threads, 20 ns", 64),
            figures("wakeup/sleeper, event, p50", 2),
        ];
        let folder = std::env::temp_dir().join(format!("tk-report-{}", std::process::id()));
        write(&all, &folder).unwrap();
        let page = fs::read_to_string(folder.join("BENCHMARKS.md")).unwrap();
        for file in ["ratio.svg", "throughput.svg", "wakeup.svg"] {
            assert!(page.contains(&format!("({file})")), "{file}");
            let svg = fs::read_to_string(folder.join(file)).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.contains("abcdef0") && svg.contains("prefers-color-scheme: dark"));
        }
        assert!(page.contains("abcdef0"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn without_figures_there_is_no_page() {
        let folder = std::env::temp_dir().join("tk-report-none");
        assert_eq!(
            write(&[], &folder).unwrap_err().to_string(),
            "there are no figures"
        );
        assert!(!folder.exists());
    }
}
