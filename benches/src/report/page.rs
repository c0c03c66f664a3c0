//! The page.

use std::fmt::Write;

use super::Picture;
use crate::cases::GROUPS;
use crate::json::Figures;
use crate::machine::{Machine, processors};
use crate::table;

/// How it is measured, and who does not take part: what no figure says.
const METHOD: &str = include_str!("method.md");

/// What is known of the goals that are not reached.
const REASONS: &str = include_str!("reasons.md");

/// All of it.
pub fn page(figures: &[Figures], pictures: &[Picture], on: &Machine) -> String {
    let mut page = String::from("# Benchmarks\n\n");
    let mut add = |text: &str| writeln!(page, "{}\n", text.trim_end()).expect("a string");
    add(METHOD);
    add("## Where these figures come from");
    add(&origin(on));
    add("## Pictures");
    for Picture { file, words, .. } in pictures {
        add(&format!("![{words}]({file})"));
    }
    add("## Goals");
    add(&goals(figures));
    add(REASONS);
    add("## All cases");
    for group in GROUPS {
        let rows: Vec<_> = figures
            .iter()
            .filter(|figures| figures.group() == group)
            .map(table::row)
            .collect();
        if !rows.is_empty() {
            add(&format!("### {group}"));
            add(&table::markdown(table::HEAD, &rows));
        }
    }
    add("## All contenders");
    add("Per operation, over all threads; the longest wait is that of all rounds.");
    for figures in figures {
        add(&format!("<details><summary>{}</summary>", figures.case));
        add(&table::markdown(
            table::DETAIL_HEAD,
            &table::details(figures),
        ));
        add("</details>");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn origin(on: &Machine) -> String {
    let mut text = format!(
        "{}; {}; {}; commit {}; {}.",
        on.machine, on.kernel, on.toolchain, on.commit, on.date
    );
    let load: f64 = on.load.parse().unwrap_or(0.0);
    if load > 0.5 {
        write!(
            text,
            " The machine was shared: when the measurement began, the load average was {} with {} processors. What is \
             about free processors cannot show there (a ping-pong, a wake-up, a lateness), and the times themselves are \
             those of a machine at work; the ratios are what holds.",
            on.load,
            processors()
        )
        .expect("a string");
    }
    text
}

fn goals(figures: &[Figures]) -> String {
    let with_goals: Vec<_> = figures
        .iter()
        .filter(|figures| figures.goal.is_some())
        .collect();
    let met = with_goals
        .iter()
        .filter(|figures| figures.met == Some(true))
        .count();
    let row = |figures: &&Figures| {
        let mut missed = Vec::new();
        if figures.fair && !figures.is_as_fair() {
            missed.push("less fair".to_owned());
        }
        if let Some(floor) = &figures.floor
            && let Some(goal) = floor.goal
        {
            missed.push(format!(
                "{:.2} of the floor, goal {goal:.2}",
                floor.multiple
            ));
        }
        if figures.oversubscribed {
            missed.push("oversubscribed".to_owned());
        }
        [
            figures.case.clone(),
            figures.best_peer.clone(),
            format!("{:.2}", figures.ratio),
            format!("{:.2}-{:.2}", figures.ratio_lo, figures.ratio_hi),
            figures
                .goal
                .map_or_else(String::new, |goal| format!("{goal:.2}")),
            table::met(figures).to_owned(),
            missed.join("; "),
        ]
    };
    let rows: Vec<_> = with_goals.iter().map(row).collect();
    let head = [
        "case",
        "best peer",
        "ratio",
        "10-90 %",
        "goal",
        "met",
        "notes",
    ];
    format!(
        "{met} of {} are met.\n\n{}",
        rows.len(),
        table::markdown(head, &rows)
    )
}
