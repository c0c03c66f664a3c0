//! Colors that can be told apart by most color-blind readers, and that can be read on white and on
//! black.
//!
//! Each color has a form for a light ground and one for a dark ground. The one for a light ground
//! has contrast on both, because some programs that show a picture on a dark ground do not know
//! about style sheets for it. A color never carries a meaning alone: each bar and each curve has
//! its name beside it.

use std::fmt::Write;

use super::svg::Marker;
use crate::case::OURS;

/// A color, as red, green and blue: on a light ground, and on a dark one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    class: &'static str,
    light: u32,
    dark: u32,
}

const fn ink(class: &'static str, light: u32, dark: u32) -> Ink {
    Ink { class, light, dark }
}

impl Ink {
    /// The color of names, values and titles.
    pub const TEXT: Ink = ink("text", 0x5C656F, 0xE6EDF3);
    /// The color of explanations and axes.
    pub const SOFT: Ink = ink("soft", 0x6A737D, 0xA0AAB5);
    /// The color of lines that only guide the eye.
    pub const GRID: Ink = ink("grid", 0x868E97, 0x8B949E);
    /// The color of tk.
    pub const OURS: Ink = ink("ours", 0x1F6FEB, 0x58A6FF);
    /// The color of a peer that has none of its own.
    pub const PEER: Ink = ink("peer", 0x868E97, 0x8B949E);
    /// The color of the thin line that shows the spread of the rounds.
    pub const SPREAD: Ink = ink("spread", 0x5C656F, 0xE6EDF3);

    const STD: Ink = ink("std", 0xC25A12, 0xF0954A);
    const PARKING_LOT: Ink = ink("parking-lot", 0x138484, 0x3FC1C1);
    const USYNC: Ink = ink("usync", 0xB8469B, 0xF08CD0);
    const SPIN: Ink = ink("spin", 0x84761A, 0xDCC652);

    const ALL: [Ink; 10] = [
        Ink::TEXT,
        Ink::SOFT,
        Ink::GRID,
        Ink::OURS,
        Ink::PEER,
        Ink::SPREAD,
        Ink::STD,
        Ink::PARKING_LOT,
        Ink::USYNC,
        Ink::SPIN,
    ];

    /// The color and the marker of a contender's curve.
    pub fn curve(name: &str) -> (Ink, Marker) {
        match name {
            OURS => (Ink::OURS, Marker::Disk),
            "std" => (Ink::STD, Marker::Square),
            "parking_lot" => (Ink::PARKING_LOT, Marker::Triangle),
            "parking_lot 0.12" => (Ink::PARKING_LOT, Marker::Ring),
            "usync" => (Ink::USYNC, Marker::Diamond),
            "spin" => (Ink::SPIN, Marker::Cross),
            _ => (Ink::PEER, Marker::Square),
        }
    }

    /// The color of a contender where each has a row of its own: tk stands out, and the others look
    /// alike.
    pub fn row(name: &str) -> Ink {
        if name == OURS { Ink::OURS } else { Ink::PEER }
    }

    /// Its name in the style sheet.
    pub fn class(self) -> &'static str {
        self.class
    }
}

/// The colors of all classes, for both grounds.
pub fn style_sheet() -> String {
    let rules = |style: &mut String, of: fn(&Ink) -> u32| {
        for ink in &Ink::ALL {
            writeln!(style, ".{} {{ color: #{:06X} }}", ink.class, of(ink)).expect("a string");
        }
    };
    let mut style = String::from(
        "* { fill: currentColor }\n\
         .line { fill: none; stroke: currentColor; stroke-linejoin: round }\n\
         .grid { stroke-opacity: 0.35 }\n",
    );
    rules(&mut style, |ink| ink.light);
    style.push_str("@media (prefers-color-scheme: dark) {\n");
    rules(&mut style, |ink| ink.dark);
    style.push_str("}\n");
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: u32 = 0xFFFFFF;
    const DARK: u32 = 0x0D1117;

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
    fn every_color_has_contrast_on_its_ground_and_the_light_one_on_both() {
        for Ink { class, light, dark } in Ink::ALL {
            for (color, ground) in [(light, WHITE), (light, DARK), (dark, DARK)] {
                let contrast = contrast(color, ground);
                assert!(
                    contrast >= 3.0,
                    "{class}: {color:06X} on {ground:06X}: {contrast:.2}"
                );
            }
        }
    }

    #[test]
    fn text_can_be_read_on_its_ground() {
        for Ink { class, light, dark } in [Ink::TEXT, Ink::SOFT] {
            assert!(contrast(light, WHITE) >= 4.5, "{class}");
            assert!(contrast(dark, DARK) >= 4.5, "{class}");
        }
    }

    #[test]
    fn the_style_sheet_has_every_class_twice() {
        let style = style_sheet();
        for ink in Ink::ALL {
            let rule = format!(".{} {{ color", ink.class);
            assert_eq!(style.matches(&rule).count(), 2, "{}", ink.class);
        }
        assert!(style.contains("prefers-color-scheme: dark"));
    }
}
