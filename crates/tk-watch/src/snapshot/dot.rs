//! The wait graph, in the language of Graphviz.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use super::{Activity, Snapshot};
use crate::text::Escaped;

/// A text in quotes. Backslashes would begin escapes of Graphviz, and a newline would break the
/// line, so the text is escaped first.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            char if char.is_control() => {
                let _ = write!(
                    quoted,
                    "{}",
                    char.escape_debug().to_string().replace('\\', "\\\\")
                );
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

impl Snapshot {
    /// Returns the wait graph in the language of Graphviz: threads are boxes, the things they wait
    /// for are ellipses. An arrow leads from a thread to what it waits for, and from there to the
    /// threads that hold it. Deadlocks are red. Threads that neither wait nor hold anything are
    /// left out.
    ///
    /// ```
    /// let graph = tk_watch::dump().to_dot();
    /// assert!(graph.starts_with("digraph waits {"));
    /// // Write it to a file, and call `dot -Tsvg`.
    /// ```
    pub fn to_dot(&self) -> String {
        let stuck: HashSet<u64> = self.deadlocks.iter().flat_map(|it| it.ids()).collect();
        let mut threads = BTreeSet::new();
        let mut objects = BTreeSet::new();
        let mut arrows = BTreeSet::new();
        for thread in &self.threads {
            let Activity::Waits(wait) = &thread.activity else {
                continue;
            };
            let object = format!("o{:x}", wait.object.address);
            let color = |id: Option<u64>| match id {
                Some(id) if stuck.contains(&thread.id) && stuck.contains(&id) => " [color=red]",
                _ => "",
            };
            threads.insert((thread.id, thread.name.clone()));
            objects.insert((object.clone(), wait.object.to_string()));
            let is_stuck = stuck.contains(&thread.id).then_some(thread.id);
            arrows.insert(format!("t{} -> {object}{}", thread.id, color(is_stuck)));
            for holder in &wait.holders {
                let id = holder.id.unwrap_or(0);
                let unknown = || String::from("unknown thread");
                threads.insert((id, holder.name.clone().unwrap_or_else(unknown)));
                arrows.insert(format!("{object} -> t{id}{}", color(holder.id)));
            }
        }
        let mut graph = String::from("digraph waits {\n  rankdir=LR;\n");
        for (id, name) in threads {
            let color = if stuck.contains(&id) {
                ", color=red"
            } else {
                ""
            };
            let label = quoted(&format!("{} ({id})", Escaped(&name)));
            let _ = writeln!(graph, "  t{id} [shape=box, label={label}{color}];");
        }
        for (object, label) in objects {
            let _ = writeln!(
                graph,
                "  {object} [shape=ellipse, label={}];",
                quoted(&label)
            );
        }
        for arrow in arrows {
            let _ = writeln!(graph, "  {arrow};");
        }
        graph.push_str("}\n");
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_label_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"];b"), "\"a\\\"];b\"");
        assert_eq!(quoted("a\\"), "\"a\\\\\"");
        assert_eq!(quoted("a\nb\u{7f}"), "\"a\\\\nb\\\\u{7f}\"");
    }
}
