//! The style of this repository, as far as a machine can tell: sizes, headers, leftovers, the width of prose,
//! and documents and comments that name files which are not there.
#![allow(clippy::expect_used)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a Rust file without its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, tests included.
const FUNCTION_LINES_MAX: usize = 70;
/// Columns of a comment line, and of a line of prose in a document.
const PROSE_COLUMNS_MAX: usize = 110;
/// Columns of a table's row in a document, which cannot be broken.
const ROW_COLUMNS_MAX: usize = 200;
/// Lines of tests at the end of a file; longer ones go into a file of their own.
const INLINE_TEST_LINES_MAX: usize = 150;

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("filter/core lies two levels deep").to_owned()
}

/// Files below `dir` with one of these endings; neither built nor fetched ones.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).expect("a directory that can be read") {
        let path = entry.expect("an entry that can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || ["target", "dist", "node_modules", "__pycache__"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Fails with all complaints at once.
fn check(what: &str, complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{what}:\n  {}", complaints.join("\n  "));
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn rust_files() -> Vec<(String, String)> {
    let read = |path: PathBuf| (shown(&path), fs::read_to_string(&path).expect("a Rust file is text"));
    files(&root(), &[".rs"]).into_iter().map(read).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/testing")
}

/// The line of `mod tests {`, if tests stand in the file itself.
fn inline_tests(text: &str) -> Option<usize> {
    text.lines().position(|line| line == "mod tests {")
}

#[test]
fn rust_files_start_with_what_they_are_for() {
    let missing = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    check("no header", missing.map(|(path, _)| path).collect());
}

#[test]
fn rust_files_are_short() {
    let mut complaints = vec![];
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        let code = inline_tests(&text).unwrap_or(lines);
        if code > FILE_LINES_MAX && !is_test(&path) {
            complaints.push(format!("{path}: {code} lines"));
        }
        if lines - code > INLINE_TEST_LINES_MAX {
            complaints.push(format!("{path}: {} lines of tests", lines - code));
        }
    }
    check("too long", complaints);
}

/// The first and the last line of each function: they are indented alike, as rustfmt has them.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = vec![];
    for (first, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        let words: Vec<&str> = bare.split_whitespace().take_while(|word| *word != "fn").collect();
        let modifiers = |word: &&str| word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(word);
        let declared_only = bare.ends_with(';');
        if !bare.contains("fn ") || declared_only || !words.iter().all(modifiers) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let last = lines.iter().skip(first).position(|line| *line == end || line.trim_end().ends_with("; }"));
        found.extend(last.map(|lines| (first + 1, first + 1 + lines)));
    }
    found
}

#[test]
fn functions_are_short() {
    let mut complaints = vec![];
    for (path, text) in rust_files() {
        for (first, last) in functions(&text) {
            let lines = last + 1 - first;
            if lines > FUNCTION_LINES_MAX {
                complaints.push(format!("{path}:{first}: {lines} lines"));
            }
        }
    }
    check("functions too long", complaints);
}

#[test]
fn nothing_is_left_over() {
    // Put together here, so that this file does not hold them.
    let leftovers = [["db", "g!("], ["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["todo", "!("]].map(|word| word.concat());
    let endings = [".rs", ".md", ".py", ".sh", ".toml", ".yaml", ".yml", ".json", ".go", ".java", ".js", "Makefile"];
    let mut complaints = vec![];
    for path in files(&root(), &endings) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in leftovers.iter().filter(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: {word}", shown(&path), number + 1));
            }
        }
    }
    check("left over", complaints);
}

/// Whether a path can be one of this repository: without spaces, placeholders and what else no file's name
/// has.
fn is_plain(path: &str) -> bool {
    let strange = |c: char| c.is_whitespace() || "<>{}$*|\"'()=:;,~".contains(c);
    !path.is_empty() && !path.contains(strange) && !path.starts_with(['/', '-', '@', '+', '.']) && !path.contains("//")
}

/// What stands between backticks.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The paths that a line of a document names, in backticks or behind `](`: they have a slash.
fn named_paths(line: &str) -> Vec<&str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    links.chain(code(line).filter(|code| code.contains('/'))).filter(|path| is_plain(path)).collect()
}

/// Whether `path`, named in `document`, is there, if it is one of ours: the first part of its name stands at
/// the root, or beside the document, or in another one of `directories`.
fn is_there(path: &str, document: &Path, directories: &[PathBuf]) -> bool {
    let beside = document.parent().expect("a directory").to_owned();
    let bases: Vec<PathBuf> = [root(), beside].into_iter().chain(directories.iter().cloned()).collect();
    let first = path.split('/').next().unwrap_or_default();
    let is_ours = first != "target" && bases.iter().any(|base| base.join(first).exists());
    !is_ours || bases.iter().any(|base| base.join(path).exists())
}

/// The lines of a Markdown text outside of fences, with their numbers.
fn unfenced(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        if !fenced && !is_fence {
            lines.push((number, line));
        }
    }
    lines
}

#[test]
fn documents_name_what_is_there() {
    let mut complaints = vec![];
    for document in files(&root(), &[".md"]) {
        let text = fs::read_to_string(&document).expect("a document is text");
        for (number, line) in unfenced(&text) {
            for path in named_paths(line).into_iter().filter(|path| !is_there(path, &document, &[])) {
                complaints.push(format!("{}:{number}: {path}", shown(&document)));
            }
        }
    }
    check("named, and not there", complaints);
}

/// The directory of the crate that a Rust file belongs to, and its `src`, since comments name modules from
/// there.
fn crate_directories(file: &Path) -> Vec<PathBuf> {
    let manifest = file.ancestors().find(|directory| directory.join("Cargo.toml").exists());
    manifest.map_or(vec![], |directory| vec![directory.to_owned(), directory.join("src")])
}

#[test]
fn comments_name_what_is_there() {
    let mut complaints = vec![];
    let paths = files(&root(), &[".rs"]);
    let names: HashSet<&str> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    for file in &paths {
        let text = fs::read_to_string(file).expect("a Rust file is text");
        let directories = crate_directories(file);
        let is_doc = |line: &&str| line.starts_with("//!") || line.starts_with("///");
        for (number, line) in (1..).zip(text.lines().map(str::trim_start)).filter(|(_, line)| is_doc(line)) {
            for path in code(line).filter(|path| is_plain(path)) {
                // A file's name alone may be that of any of our files.
                let is_name = path.ends_with(".rs") && !path.contains('/');
                let is_path = path.contains('/') && !is_there(path, file, &directories);
                if is_path || (is_name && !names.contains(path)) {
                    complaints.push(format!("{}:{number}: {path}", shown(file)));
                }
            }
        }
    }
    check("named, and not there", complaints);
}

/// What is wide and has no place to be broken: a link alone, behind the marker of a list or not.
fn is_unbreakable(line: &str) -> bool {
    let text = line.trim_start_matches(|c: char| c.is_whitespace() || "#/!*->".contains(c));
    let is_link = text.starts_with('[') && text.ends_with(')') && text.matches("](").count() == 1;
    is_link || !text.trim_end().contains(' ')
}

/// Lines of prose, with their numbers: in a document what is neither a table, a heading, nor code; elsewhere
/// comments.
fn prose<'a>(path: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    if path.ends_with(".md") {
        let is_prose =
            |(_, line): &(usize, &str)| !line.trim_start().starts_with(['|', '#']) && !line.starts_with("    ");
        return unfenced(text).into_iter().filter(is_prose).collect();
    }
    let marker = if path.ends_with(".rs") { "//" } else { "#" };
    (1..).zip(text.lines()).filter(|(_, line)| line.trim_start().starts_with(marker)).collect()
}

#[test]
fn prose_is_narrow() {
    let mut complaints = vec![];
    for file in files(&root(), &[".rs", ".md", ".py", ".sh", ".yaml", ".yml", ".toml", "Makefile"]) {
        let path = shown(&file);
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in prose(&path, &text) {
            let columns = line.chars().count();
            if columns <= PROSE_COLUMNS_MAX || is_unbreakable(line) {
                continue;
            }
            complaints.push(format!("{path}:{number}: {columns} columns"));
        }
    }
    check("too wide", complaints);
}

#[test]
fn rows_of_tables_are_narrow() {
    let mut complaints = vec![];
    for document in files(&root(), &[".md"]) {
        let text = fs::read_to_string(&document).expect("a document is text");
        for (number, line) in unfenced(&text).into_iter().filter(|(_, line)| line.trim_start().starts_with('|')) {
            let columns = line.chars().count();
            if columns > ROW_COLUMNS_MAX {
                complaints.push(format!("{}:{number}: {columns} columns", shown(&document)));
            }
        }
    }
    check("rows too wide", complaints);
}
