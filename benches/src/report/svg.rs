//! The few shapes of which the pictures are made, as SVG.
//!
//! A shape names an [`Ink`], and the style sheet at the head of the picture says which color that
//! is. Browsers that show a dark page take the second set of colors.

use std::fmt::{Display, Write};

use super::ink::{self, Ink};

/// A picture that is being drawn. Coordinates are in pixels, from the top left corner.
pub struct Svg {
    width: f64,
    height: f64,
    title: String,
    words: String,
    body: String,
}

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Font {
    size: f64,
    ink: Ink,
    bold: bool,
    anchor: &'static str,
}

impl Font {
    /// The title of a picture.
    pub const TITLE: Font = Font::new(17.0, Ink::TEXT).bold();
    /// The title of a panel.
    pub const HEAD: Font = Font::new(14.0, Ink::TEXT).bold();
    /// The explanation of a panel, below its title.
    pub const NOTE: Font = Font::new(12.0, Ink::SOFT);
    /// Names and values.
    pub const LABEL: Font = Font::new(12.5, Ink::TEXT);
    /// The marks of an axis, and where the figures come from.
    pub const SMALL: Font = Font::new(11.0, Ink::SOFT);

    const fn new(size: f64, ink: Ink) -> Font {
        Font {
            size,
            ink,
            bold: false,
            anchor: "start",
        }
    }

    /// In bold.
    pub const fn bold(self) -> Font {
        Font { bold: true, ..self }
    }

    /// In another color.
    pub const fn ink(self, ink: Ink) -> Font {
        Font { ink, ..self }
    }

    /// The point is the middle of the text, and not its beginning.
    pub const fn middle(self) -> Font {
        Font {
            anchor: "middle",
            ..self
        }
    }

    /// The point is the end of the text, and not its beginning.
    pub const fn end(self) -> Font {
        Font {
            anchor: "end",
            ..self
        }
    }
}

/// A point.
pub type At = (f64, f64);

/// The shape that marks a point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A disk.
    Disk,
    /// A square on its side.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle that points up.
    Triangle,
    /// A cross of two lines.
    Cross,
    /// A circle with nothing in it.
    Ring,
}

impl Svg {
    /// An empty picture. `words` describe it for a reader who does not see it.
    pub fn new((width, height): (f64, f64), title: &str, words: &str) -> Svg {
        Svg {
            width,
            height,
            title: title.to_owned(),
            words: words.to_owned(),
            body: String::new(),
        }
    }

    fn add(&mut self, shape: impl Display) {
        writeln!(self.body, "{shape}").expect("a string takes all");
    }

    /// A text on one line, whose base line goes through the point.
    pub fn text(&mut self, (x, y): At, font: Font, text: &str) {
        let Font {
            size, ink, anchor, ..
        } = font;
        let weight = if font.bold {
            " font-weight=\"600\""
        } else {
            ""
        };
        let (class, text) = (ink.class(), escaped(text));
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" \
             text-anchor=\"{anchor}\"{weight}>{text}</text>"
        ));
    }

    /// A filled rectangle, with its corner at the top left.
    pub fn bar(&mut self, (x, y): At, (width, height): (f64, f64), ink: Ink) {
        let class = ink.class();
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        ));
    }

    /// A line through these points.
    pub fn line(&mut self, points: &[At], width: f64, ink: Ink) {
        self.stroke(points, width, ink, "");
    }

    /// The same, dashed.
    pub fn dashes(&mut self, points: &[At], width: f64, ink: Ink) {
        self.stroke(points, width, ink, " stroke-dasharray=\"5 4\"");
    }

    fn stroke(&mut self, points: &[At], width: f64, ink: Ink, dashes: &str) {
        let points: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let (class, points) = (ink.class(), points.join(" "));
        self.add(format_args!(
            "<polyline class=\"{class} line\" stroke-width=\"{width}\"{dashes} \
             points=\"{points}\"/>"
        ));
    }

    /// A mark of that shape around the point.
    pub fn marker(&mut self, (x, y): At, marker: Marker, ink: Ink) {
        let class = ink.class();
        let closed = |points: [At; 4]| {
            let points = points.map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy));
            format!(
                "<polygon class=\"{class}\" points=\"{}\"/>",
                points.join(" ")
            )
        };
        match marker {
            Marker::Disk => self.add(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
            )),
            Marker::Ring => self.add(format_args!(
                "<circle class=\"{class} line\" stroke-width=\"1.8\" \
                 cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\"/>"
            )),
            Marker::Square => {
                self.add(closed([(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)]))
            }
            Marker::Diamond => self.add(closed([(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)])),
            Marker::Triangle => {
                self.add(closed([(0.0, -4.8), (4.6, 3.4), (-4.6, 3.4), (0.0, -4.8)]))
            }
            Marker::Cross => {
                self.line(&[(x - 3.6, y - 3.6), (x + 3.6, y + 3.6)], 1.8, ink);
                self.line(&[(x - 3.6, y + 3.6), (x + 3.6, y - 3.6)], 1.8, ink);
            }
        }
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Svg {
            width,
            height,
            title,
            words,
            body,
        } = self;
        let (title, words, style) = (escaped(&title), escaped(&words), ink::style_sheet());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"system-ui, -apple-system, \
             'Segoe UI', Helvetica, Arial, sans-serif\">\n\
             <title>{title}</title>\n<desc>{words}</desc>\n\
             <style>\n{style}</style>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_words_and_its_shapes_in_order() {
        let mut svg = Svg::new((10.0, 20.0), "Title", "a < b");
        svg.text((1.0, 2.0), Font::LABEL.bold().end(), "x & y");
        svg.line(&[(0.0, 0.0), (1.5, 2.25)], 2.0, Ink::GRID);
        let svg = svg.finish();
        assert!(svg.starts_with("<svg xmlns="));
        assert!(svg.contains("<title>Title</title>\n<desc>a &lt; b</desc>\n<style>\n"));
        assert!(svg.contains("text-anchor=\"end\" font-weight=\"600\">x &amp; y</text>"));
        assert!(svg.ends_with("points=\"0.0,0.0 1.5,2.2\"/>\n</svg>\n"));
    }
}
