//! A line of the output.

use std::fmt::{self, Write};

/// A file's sum. Displays as the line that `sha256sum` prints.
#[derive(Debug)]
pub struct Sum {
    pub path: String,
    pub digest: [u8; 32],
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line with such a name in it would not be one line. The backslash in front says that the
        // name is escaped.
        let is_escaped = self.path.contains(['\\', '\n', '\r']);
        if is_escaped {
            f.write_char('\\')?;
        }
        for byte in self.digest {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("  ")?;
        if !is_escaped {
            return f.write_str(&self.path);
        }
        self.path.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            c => f.write_char(c),
        })
    }
}
