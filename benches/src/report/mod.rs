//! The page `BENCHMARKS.md` and its pictures, made of the figures of `versus`.

mod ink;
pub mod overview;
mod page;
mod svg;
mod throughput;
mod wakeup;

use std::error::Error;
use std::fs;
use std::path::Path;

use self::ink::Ink;
use crate::json::Figures;
use crate::machine::Machine;

/// A picture, under the name of its file.
struct Picture {
    file: &'static str,
    /// For readers who do not see it.
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
        overview::picture(figures, on),
        throughput::picture(figures, on),
        wakeup::picture(figures, on),
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

/// The machine, the system, the compiler, the commit and the day, in two lines.
fn provenance(on: &Machine) -> [String; 2] {
    [
        format!("{} · {} · load {}", on.machine, on.kernel, on.load),
        format!("{} · commit {} · {}", on.toolchain, on.commit, on.date),
    ]
}

/// A time with three digits.
fn brief(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let decimals = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::OURS;
    use crate::json::Detail;

    fn figures(case: &str, threads: usize) -> Figures {
        let detail = Detail {
            low: 19.0,
            high: 41.0,
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
            figures("uncontended/lock", 1),
            figures("contention/lock, 2 threads, 20 ns", 2),
            figures("contention/lock, 64 threads, 20 ns", 64),
            figures("wakeup/sleeper, event, p50", 2),
            figures("queue/2 to 5, 1 slot, notify_all", 7),
        ];
        let folder = std::env::temp_dir().join(format!("tk-report-{}", std::process::id()));
        write(&all, &folder).unwrap();
        let page = fs::read_to_string(folder.join("BENCHMARKS.md")).unwrap();
        for file in ["overview.svg", "throughput.svg", "wakeup.svg"] {
            assert!(page.contains(&format!("({file})")), "{file}");
            let svg = fs::read_to_string(folder.join(file)).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.contains("abcdef0") && svg.contains("prefers-color-scheme: dark"));
            assert!(
                svg.contains(">tk</text>") && svg.contains(">std</text>"),
                "{file}"
            );
        }
        assert!(page.contains("abcdef0"));
        assert!(
            page.contains("| 2 to 5 | 20.0 ns | 40.0 ns | 0.50 |"),
            "{page}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_brief_time_has_three_digits() {
        assert_eq!(brief(0.234), "0.23 ns");
        assert_eq!(brief(42.94), "42.9 ns");
        assert_eq!(brief(1623.0), "1.62 µs");
        assert_eq!(brief(512.8e6), "513 ms");
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
