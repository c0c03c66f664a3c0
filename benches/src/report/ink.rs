//! Colors that can be read on white and on black.
//!
//! The color that is drawn with has contrast on both; who shows the picture on a dark ground and understands style sheets
//! gets a lighter one.

use std::fmt::Write;

use plotters::style::RGBColor;

use crate::case::OURS;

/// A color, as red, green and blue: on a light ground, and on a dark one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    light: u32,
    dark: u32,
}

const fn ink(light: u32, dark: u32) -> Ink {
    Ink { light, dark }
}

/// Whose is which. Who is not named here is drawn like the text.
const NAMES: [(&str, Ink); 14] = [
    (OURS, ink(0x1F6FEB, 0x58A6FF)),
    ("std", ink(0xC2571A, 0xF0883E)),
    ("parking_lot", ink(0x2C974B, 0x56D364)),
    ("parking_lot 0.12", ink(0x7D8F1F, 0xB7CF3F)),
    ("usync", ink(0x9A5FD0, 0xBC8CFF)),
    ("spin", ink(0xC73E56, 0xFF7B8F)),
    ("tokio", ink(0x1A9393, 0x39C5CF)),
    ("event-listener", ink(0xB8469B, 0xF778BA)),
    ("rsevents", ink(0x9C7A16, 0xE3B341)),
    ("crossbeam-utils", ink(0x6E7B8A, 0xA8B4C2)),
    ("met", ink(0x2C974B, 0x56D364)),
    ("missed", ink(0xD1491F, 0xFF8B5E)),
    ("no goal", ink(0x1F6FEB, 0x58A6FF)),
    ("futex wake", ink(0x6A737D, 0xC9D1D9)),
];

impl Ink {
    /// Of letters and axes.
    pub const TEXT: Ink = ink(0x6A737D, 0xC9D1D9);
    /// Of lines that only guide the eye.
    pub const GUIDE: Ink = ink(0x9AA4AE, 0x5A646E);

    /// The color of a contender.
    pub fn of(name: &str) -> Ink {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map_or(Ink::TEXT, |(_, ink)| *ink)
    }

    /// For drawing.
    pub fn color(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// How wide a contender's line is: ours stands out.
    pub fn width(self) -> u32 {
        if self == Ink::of(OURS) { 3 } else { 2 }
    }
}

/// Puts a style sheet into a picture, by which it has the lighter colors on a dark ground.
pub fn for_light_and_dark(svg: &str) -> String {
    let inks = NAMES
        .iter()
        .map(|(_, ink)| *ink)
        .chain([Ink::TEXT, Ink::GUIDE]);
    let mut style = String::from("<style>@media (prefers-color-scheme: dark) {\n");
    for Ink { light, dark } in inks {
        writeln!(style, "[fill=\"#{light:06X}\"] {{ fill: #{dark:06X} }}").expect("a string");
        writeln!(style, "[stroke=\"#{light:06X}\"] {{ stroke: #{dark:06X} }}").expect("a string");
    }
    style.push_str("}</style>\n");
    match svg.split_once(">\n") {
        Some((head, rest)) => format!("{head}>\n{style}{rest}"),
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between black and white, as the contrast of letters is computed.
    fn luminance(color: u32) -> f64 {
        let part = |shift: u32| {
            let value = f64::from((color >> shift) & 0xFF) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    }

    fn contrast(one: u32, other: u32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_color_has_contrast_on_white_and_on_black() {
        for (name, Ink { light, dark }) in NAMES {
            for (color, ground) in [(light, 0xFFFFFF), (light, 0x0D1117), (dark, 0x0D1117)] {
                let contrast = contrast(color, ground);
                assert!(
                    contrast >= 3.0,
                    "{name}: {color:06X} on {ground:06X}: {contrast:.2}"
                );
            }
        }
    }

    #[test]
    fn the_style_sheet_stands_at_the_beginning() {
        let svg = for_light_and_dark("<svg width=\"1\">\n<rect/>\n</svg>\n");
        assert!(svg.starts_with("<svg width=\"1\">\n<style>"));
        assert!(svg.ends_with("</style>\n<rect/>\n</svg>\n"));
    }
}
