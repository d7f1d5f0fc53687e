//! The floors of the house: no file imports one of a floor above its own, and no files import each other in a
//! circle.
//!
//! An arrow is a path in the code, in `use` or anywhere else, from the file in which it stands to the file
//! that it names. A path is followed as far as modules go and not through re-exports: who names
//! `crate::sasl::Mechanism` imports `sasl.rs`, and with it all that `sasl.rs` has. Comments, tests and the
//! declarations of modules are no arrows.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// A floor: its files, and what they are. A name that ends in `/` stands for all files of a folder that no
/// other floor names; a folder's own file (`sasl.rs` for `sasl/`) is named beside it.
type Floor = (&'static str, &'static str);

/// The core, from the top down.
const CORE: &[Floor] = &[
    ("lib.rs fuzzing.rs", "the doors: for shells, and for fuzz targets"),
    ("worker.rs worker/", "one per plugin and worker: what falls due there"),
    ("connection.rs connection/", "one per client: bytes in, actions out"),
    ("apis.rs", "the table: what happens to which API in which versions"),
    ("apis/", "one file for each API that the filter reads, in wings"),
    ("own.rs own/", "what the filter asks brokers in its own name"),
    ("exchange.rs exchange/", "one request and all that it takes to answer it; what its handlers share"),
    ("shared.rs shared/", "what the connections of a worker have in common"),
    ("memory.rs memory/", "what the workers of a process remember together"),
    ("config.rs config/", "JSON into checked values"),
    ("sasl.rs sasl/", "the mechanisms, on both sides, and who is who; knows no frames"),
    (
        "topics.rs topics/ brokers.rs brokers/ shadow.rs",
        "which topic has which mapping; names of brokers and of shadow groups",
    ),
    ("wire.rs wire/", "Kafka's bytes: frames, headers, batches, shapes"),
    ("error.rs error/ stats.rs stats/", "whose fault it is; what is counted"),
    ("principal.rs principal/", "certificates' names to principals"),
    ("remapper.rs remapper/", "the arithmetic of partitions and offsets"),
    (
        "pattern.rs text.rs fingerprint.rs foreign.rs time.rs",
        "regular expressions, texts for Java and the log, marks, other protocols' first bytes, the clock's unit",
    ),
    ("limits.rs limits/", "every bound, with its reason"),
];

/// The shell, from the top down.
const SHELL: &[Floor] = &[
    ("lib.rs", "the entry point of the module"),
    ("root.rs", "what Envoy calls, handed to the core's worker"),
    ("memory.rs metrics.rs", "the memory that is used; the core's stats as Envoy's"),
    ("host.rs host/", "every call of the host"),
];

/// Files by their names below `src`, without tests, and what each imports.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn paths_are_found_wherever_they_stand() {
    let code = r##"
        //! [`crate::comment`]
        pub(in crate::visible) mod child;
        use super::{self as parent, one::{Two, three}};
        pub use child::Five;
        #[cfg(test)]
        use crate::test;
        use std::fmt; /* crate::comment */
        fn f<'a>(_: &'a str) -> char { let _ = r#"crate::text"#; crate::six::seven(three::Eight, '"', "\" crate::text") }
        #[cfg(test)]
        mod tests { use super::{crate::test}; fn f() { crate::test::f(); } }
        fn g() { parent::nine::<crate::ten::T>(child::f(), fmt::f()) }
    "##;
    let code = without_tests(&without_comments(code));
    let found: BTreeSet<String> = paths(&code, &module("a/b.rs")).iter().map(|path| path.join("::")).collect();
    let expected = ["a", "a::b::child::Five", "a::b::child::f", "a::nine", "a::one::Two", "a::one::three"];
    let expected = [expected.as_slice(), &["a::one::three::Eight", "six::seven", "ten::T"]].concat();
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn no_arrow_of_the_core_runs_up() {
    check("src", CORE);
}

#[test]
fn no_arrow_of_the_shell_runs_up() {
    check("../wasm/src", SHELL);
}

fn check(src: &str, floors: &[Floor]) {
    let arrows = arrows(&Path::new(env!("CARGO_MANIFEST_DIR")).join(src));
    let mut complaints = misplaced(&arrows, floors);
    for (from, imports) in &arrows {
        let up = imports.iter().filter(|to| floor(floors, to) < floor(floors, from));
        complaints.extend(up.map(|to| format!("{from} -> {to} runs up")));
    }
    // A circle over several floors has an arrow that runs up.
    for (from, imports) in &arrows {
        let level = imports.iter().filter(|to| floor(floors, to) == floor(floors, from));
        let back = level.filter(|to| reached(&arrows, to).contains(from));
        complaints.extend(back.map(|to| format!("{from} -> {to} runs in a circle")));
    }
    assert!(complaints.is_empty(), "{src}:\n  {}", complaints.join("\n  "));
}

/// The number of a file's floor, counted from the top: the longest name that fits decides.
fn floor(floors: &[Floor], file: &str) -> Option<usize> {
    let fits = |name: &str| name == file || name.ends_with('/') && file.starts_with(name);
    let names =
        floors.iter().enumerate().flat_map(|(number, (names, _))| names.split(' ').map(move |name| (name, number)));
    names.filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len()).map(|(_, number)| number)
}

/// Files without a floor, and names of floors without a file.
fn misplaced(arrows: &Arrows, floors: &[Floor]) -> Vec<String> {
    let homeless = arrows.keys().filter(|file| floor(floors, file).is_none());
    let mut complaints: Vec<String> = homeless.map(|file| format!("{file} is on no floor")).collect();
    for name in floors.iter().flat_map(|(names, _)| names.split(' ')) {
        if !arrows.keys().any(|file| file == name || name.ends_with('/') && file.starts_with(name)) {
            complaints.push(format!("{name} is named as a floor, and not there"));
        }
    }
    complaints
}

/// All files that a file imports, and that these import.
fn reached<'a>(arrows: &'a Arrows, file: &'a str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        let new = arrows.get(file).into_iter().flatten().filter(|to| reached.insert(*to));
        next.extend(new.map(String::as_str));
    }
    reached
}

fn arrows(src: &Path) -> Arrows {
    let mut sources = BTreeMap::new();
    read(src, "", &mut sources);
    let code: BTreeMap<&String, String> =
        sources.iter().map(|(file, text)| (file, without_tests(&without_comments(text)))).collect();
    let arrows = code.iter().map(|(file, code)| {
        let named = paths(code, &module(file)).into_iter().map(|path| file_of(&path, &sources));
        ((*file).clone(), named.filter(|named| named != *file).collect())
    });
    arrows.collect()
}

/// Rust files below `folder` by their names, but for tests and what they have in common, and programs.
fn read(folder: &Path, prefix: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry that can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_test = ["tests", "testing", "bin"].contains(&name.trim_end_matches(".rs"));
        if path.is_dir() && !is_test {
            read(&path, &format!("{prefix}{name}/"), sources);
        } else if name.ends_with(".rs") && !is_test {
            sources.insert(format!("{prefix}{name}"), fs::read_to_string(&path).expect("a Rust file is text"));
        }
    }
}

/// The module that a file is: `sasl/users.rs` is `sasl`, `users`.
fn module(file: &str) -> Vec<String> {
    let name = file.trim_end_matches(".rs");
    if name == "lib" {
        vec![]
    } else {
        name.split('/').map(str::to_owned).collect()
    }
}

/// The file that a path from the crate's root leads to.
fn file_of(path: &[String], sources: &BTreeMap<String, String>) -> String {
    let names = (1..=path.len()).rev().filter_map(|length| Some(format!("{}.rs", path.get(..length)?.join("/"))));
    names.into_iter().find(|name| sources.contains_key(name)).unwrap_or_else(|| "lib.rs".to_owned())
}

/// The code without comments, with nothing in its texts, and without the names of who may see what.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let text = text.replace("pub(in crate::", "pub(in ");
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && !out.ends_with(is_word) {
            let signs = rest.chars().skip(1).take_while(|c| *c == '#').count();
            let end = format!("\"{}", "#".repeat(signs));
            let start = signs + 2;
            rest.get(start..).and_then(|inside| inside.find(&end)).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_char(rest) {
            quoted(rest, '\'')
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        out.push(' ');
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a quote begins a character, and not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// The length of a text in quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// The code without what is compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut parts = code.split("#[cfg(test)]").flat_map(|part| part.split("#[cfg(all(test,"));
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.get(item_length(part)..).unwrap_or_default());
    }
    out
}

/// The length of the item or statement that code begins with: up to a `;` or the `}` that closes its first
/// `{`.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    let end = code.char_indices().find(|(_, c)| {
        depth += i32::from(['{', '('].contains(c)) - i32::from(['}', ')'].contains(c));
        depth == 0 && [';', '}'].contains(c)
    });
    end.map_or(code.len(), |(at, c)| at + c.len_utf8())
}

/// All paths of the crate's modules in the code of `module`, from the crate's root.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let (mut uses, mut others) = (vec![], String::new());
    // What a first name means here: a module below this one, or what was imported.
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for item in code.split(';') {
        let is_use = |before: &str| before.is_empty() || before.ends_with(|c: char| c.is_whitespace());
        match item.split_once("use ").filter(|(before, _)| is_use(before)) {
            Some((before, tree)) => {
                others.push_str(before);
                uses.extend(leaves(&tree.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
            None => others.push_str(item),
        }
        others.push(';');
        if let [.., "mod", child] = item.split_whitespace().collect::<Vec<_>>().as_slice() {
            names.insert((*child).to_owned(), [module, &[(*child).to_owned()]].concat());
        }
    }
    let named = |path: &[String], names: &HashMap<String, Vec<String>>| {
        let known = path.split_first().and_then(|(first, more)| Some([names.get(first)?.as_slice(), more].concat()));
        from_root(path, module).or(known)
    };
    let mut found = vec![];
    for (path, name) in uses {
        if let Some(path) = named(&path, &names) {
            names.insert(name, path.clone());
            found.push(path);
        }
    }
    found.extend(written(&others).iter().filter_map(|path| named(path, &names)));
    found
}

/// Paths of two names and more that stand in code.
fn written(code: &str) -> Vec<Vec<String>> {
    let texts = code.split(|c: char| !is_word(c) && c != ':').filter(|text| text.contains("::"));
    // What begins with `::` stands behind a type's parameters.
    let texts = texts.map(|text| text.trim_end_matches(':')).filter(|text| !text.starts_with(':'));
    texts.map(|text| text.split("::").map(str::to_owned).collect()).collect()
}

/// The paths of a tree of imports, and the name that each gets.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((prefix, inside)) = tree.split_once('{') {
        let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
        let parts = parts(inside).into_iter().flat_map(|part| leaves(&format!("{prefix}{}", part.trim())));
        return parts.collect();
    }
    let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
    let mut path: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = name.or(path.last().map(String::as_str)).unwrap_or_default().to_owned();
    vec![(path, name)]
}

/// The parts between the commas that stand in no braces.
fn parts(inside: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in inside.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// A path that begins with `crate`, `self` or `super`, from the crate's root.
fn from_root(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let (first, mut rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => vec![],
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    if first == "super" {
        base.pop();
    }
    while let Some((_, more)) = rest.split_first().filter(|(next, _)| *next == "super") {
        base.pop();
        rest = more;
    }
    Some([base.as_slice(), rest].concat())
}
