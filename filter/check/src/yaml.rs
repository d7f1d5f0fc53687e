//! YAML as a tree that knows its lines, and JSON with it, since that is YAML as well.
//!
//! Plain scalars are read as Envoy reads them: numbers, truth values, null, and all else as text.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use crate::limits::{YAML_DEPTH_MAX, YAML_NODES_MAX};

/// A value, and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    /// Counted from 1.
    pub(crate) line: usize,
    content: Content,
    /// How many levels the node has, itself and what aliases stand for included.
    depth: usize,
    /// How many values the node has, itself and what aliases stand for included.
    size: usize,
}

#[derive(Debug)]
enum Content {
    Scalar(Value),
    List(Vec<Rc<Node>>),
    /// In the order of the file.
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The field of a mapping; of two with one name the last, as in Envoy.
    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries().iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The field of a field and so on: names with dots between.
    pub(crate) fn at(&self, path: &str) -> Option<&Rc<Node>> {
        let mut keys = path.split('.');
        let first = self.get(keys.next()?)?;
        keys.try_fold(first, |node, key| node.get(key))
    }

    /// The fields of a mapping; nothing for all else.
    pub(crate) fn entries(&self) -> &[(String, Rc<Node>)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; nothing for all else.
    pub(crate) fn items(&self) -> &[Rc<Node>] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of a field, as [`Self::at`] finds it.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path)?.text()
    }

    /// Whether the field is there and true.
    pub(crate) fn is_true_at(&self, path: &str) -> bool {
        self.at(path).is_some_and(|node| matches!(&node.content, Content::Scalar(Value::Bool(true))))
    }

    /// A port; protobuf takes numbers in quotes as well.
    pub(crate) fn port(&self) -> Option<u16> {
        match &self.content {
            Content::Scalar(Value::Number(number)) => u16::try_from(number.as_u64()?).ok(),
            Content::Scalar(Value::String(text)) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Content::Map(entries) => {
                let fields = entries.iter().map(|(key, node)| (key.clone(), node.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// The documents of a text; `first_line` is the number of the text's first line.
///
/// # Errors
/// Where the text is no YAML, or stands for more than any configuration has.
pub(crate) fn documents(text: &str, first_line: usize) -> Result<Vec<Rc<Node>>, String> {
    let mut reader = Reader { above: first_line.saturating_sub(1), ..Reader::default() };
    for event in Parser::new_from_str(text) {
        let at = |line: usize, what: &str| format!("line {}: {what}", line + reader.above);
        let (event, span) = event.map_err(|error| at(error.marker().line(), error.info()))?;
        let line = span.start.line();
        reader.take(event, line).map_err(|what| format!("line {}: {what}", line + reader.above))?;
    }
    Ok(reader.documents)
}

/// A list or mapping whose end has not come yet.
struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    items: Vec<Rc<Node>>,
}

#[derive(Default)]
struct Reader {
    documents: Vec<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    above: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                self.place(node.ok_or("an alias stands inside of what it names")?, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some();
                let value = if is_text { Value::String(text.into_owned()) } else { plain(&text) };
                self.end(Content::Scalar(value), line, anchor, (1, 1))
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, is_map: bool) -> Result<(), String> {
        self.open.push(Open { line, anchor, is_map, items: vec![] });
        if self.open.len() > YAML_DEPTH_MAX {
            return Err(format!("more than {YAML_DEPTH_MAX} levels"));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(Open { line, anchor, is_map, items }) = self.open.pop() else { return Ok(()) };
        let size = items.iter().fold(1_usize, |size, item| size.saturating_add(item.size));
        let depth = 1 + items.iter().map(|item| item.depth).max().unwrap_or(0);
        let content = if is_map { Content::Map(paired(&items)?) } else { Content::List(items) };
        self.end(content, line, anchor, (size, depth))
    }

    /// `size`: values and levels.
    fn end(&mut self, content: Content, line: usize, anchor: usize, size: (usize, usize)) -> Result<(), String> {
        let (size, depth) = size;
        // Aliases of aliases: a small file can stand for a huge one, or for a deep one.
        if depth > YAML_DEPTH_MAX {
            return Err(format!("with its aliases it has more than {YAML_DEPTH_MAX} levels"));
        }
        if size > YAML_NODES_MAX {
            return Err(format!("with its aliases this stands for more than {YAML_NODES_MAX} values"));
        }
        self.place(Rc::new(Node { line: line + self.above, content, depth, size }), anchor)
    }

    fn place(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }
}

/// Keys and values, which come in turn.
fn paired(items: &[Rc<Node>]) -> Result<Vec<(String, Rc<Node>)>, String> {
    let mut entries = Vec::with_capacity(items.len() / 2);
    for pair in items.chunks_exact(2) {
        let [key, value] = pair else { continue };
        let name = match &key.content {
            Content::Scalar(Value::String(text)) => text.clone(),
            Content::Scalar(value) => value.to_string(),
            _ => return Err("a key is no text".to_owned()),
        };
        entries.push((name, Rc::clone(value)));
    }
    Ok(entries)
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let whole = || text.parse().ok().map(|number: i64| Value::Number(number.into()));
    let real = || text.parse().ok().and_then(Number::from_f64).map(Value::Number);
    let number = is_number.then(|| whole().or_else(real)).flatten();
    number.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trees_and_their_lines() {
        let text = "a: &one {b: [1, -2.5, '3', yes, true, ~], 7: x}\nc:\n- *one\n- |\n  two\n  lines\n---\nd";
        let found = documents(text, 1).unwrap();
        let one = json!({"b": [1, -2.5, "3", "yes", true, null], "7": "x"});
        assert_eq!(found[0].to_json(), json!({"a": one, "c": [one, "two\nlines\n"]}));
        assert_eq!(found[1].to_json(), json!("d"));
        // A block's line is that of its first line of text.
        assert_eq!((found[0].at("a.b").unwrap().line, found[0].get("c").unwrap().items()[1].line), (1, 5));
        assert_eq!(documents("x: 1", 10).unwrap()[0].get("x").unwrap().line, 10);
        assert_eq!(documents("{\"a\": {\"b\": \"c\"}}", 1).unwrap()[0].text_at("a.b"), Some("c"));
        assert_eq!(documents("", 1).unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_yaml_or_too_much() {
        assert!(documents("a: [\nb: c", 5).unwrap_err().starts_with("line "));
        assert!(documents("a: &a [*a]", 1).unwrap_err().contains("inside of what it names"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        assert!(documents(&bomb, 1).unwrap_err().contains("stands for more than"));
        assert!(documents(&"[".repeat(2_000), 1).is_err());
        let deep = format!("{}{}", "[".repeat(220), "]".repeat(220));
        assert!(documents(&deep, 1).unwrap_err().contains("levels"));
        let mut chain = "a0: &a0 [x]\n".to_owned();
        (1..220).for_each(|n| chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1)));
        assert!(documents(&chain, 1).unwrap_err().contains("with its aliases it has more than"));
    }
}
