//! The style of this repository, as far as a machine can tell: sizes, headers, leftovers, and documents that name what
//! is not there.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a Rust file without its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, tests included.
const FUNCTION_LINES_MAX: usize = 70;
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
        if name.starts_with('.') || ["target", "node_modules", "__pycache__"].contains(&name) {
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

/// What stands in backticks or behind `](` and looks like a path of this repository: it has a slash, or an ending that
/// only files have, and neither spaces nor placeholders.
fn named_paths(line: &str) -> Vec<&str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let code = line.split('`').skip(1).step_by(2).filter(|code| code.contains('/'));
    let plain = |path: &&str| {
        let strange = |c: char| c.is_whitespace() || "<>{}$*|\"'()=:;,~".contains(c);
        !path.is_empty()
            && !path.contains(strange)
            && !path.starts_with(['/', '-', '@', '+', '.'])
            && !path.contains("//")
    };
    links.chain(code).filter(plain).collect()
}

/// Whether `path` is one of ours: its first part stands at the root, or beside the document.
fn is_ours(path: &str, document: &Path) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    first != "target" && (root().join(first).exists() || document.with_file_name(first).exists())
}

#[test]
fn documents_name_what_is_there() {
    let mut complaints = vec![];
    for document in files(&root(), &[".md"]) {
        let text = fs::read_to_string(&document).expect("a document is text");
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            for path in named_paths(line).into_iter().filter(|path| !fenced && is_ours(path, &document)) {
                if !root().join(path).exists() && !document.with_file_name(path).exists() {
                    complaints.push(format!("{}:{}: {path}", shown(&document), number + 1));
                }
            }
        }
    }
    check("named, and not there", complaints);
}
