//! The grammar of keepalived.conf: statements of words, some with a body in braces.
//!
//! Owns comments, quotes, braces, simple definitions and includes. It knows no keyword. What it can't read (conditions, loops, multi-line
//! definitions) is told with its line; all else is read on.

use std::collections::BTreeMap;

/// How deep files may include each other, and bodies may be nested.
const DEEPEST: usize = 16;
/// How many files are read at most.
const FILES: usize = 1_000;

/// One statement: `virtual_server 192.0.2.53 53 { … }` or `delay_loop 5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The file it stands in.
    pub(super) file: String,
    /// The line, from 1.
    pub(super) line: usize,
    /// Its words; never empty.
    pub(super) words: Vec<String>,
    /// What stands in its braces.
    pub(super) body: Vec<Statement>,
}

impl Statement {
    /// The keyword.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word after the keyword, and so on.
    pub(super) fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }
}

/// Something that could not be read: file, line, why.
pub(super) type Fault = (String, usize, String);

/// What reads an included file.
pub(super) type Open<'o> = &'o mut dyn FnMut(&str) -> anyhow::Result<String>;

/// What is being read.
struct Reader<'o> {
    open: Open<'o>,
    definitions: BTreeMap<String, String>,
    faults: Vec<Fault>,
    files: usize,
}

/// A piece of a line.
enum Piece {
    Word(String),
    Open,
    Close,
    End,
}

/// Reads a file with all that it includes.
pub(super) fn read(file: &str, text: &str, open: Open<'_>) -> (Vec<Statement>, Vec<Fault>) {
    let mut reader = Reader { open, definitions: BTreeMap::new(), faults: Vec::new(), files: 0 };
    let mut pieces = Vec::new();
    reader.pieces(file, text, 0, &mut pieces);
    let mut pieces = pieces.into_iter().peekable();
    let statements = reader.statements(&mut pieces, 0, (file, 1));
    (statements, reader.faults)
}

type Pieces = std::iter::Peekable<std::vec::IntoIter<(String, usize, Piece)>>;

impl Reader<'_> {
    fn pieces(&mut self, file: &str, text: &str, depth: usize, out: &mut Vec<(String, usize, Piece)>) {
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let trimmed = line.trim_start();
            if let Some((name, value)) = definition(trimmed) {
                if value.ends_with('\\') {
                    self.fault(
                        file,
                        number,
                        "a definition of several lines is not read: write it out where it is used",
                    );
                }
                self.definitions.insert(name.to_owned(), value.to_owned());
                continue;
            }
            if trimmed.starts_with('@') || trimmed.starts_with('~') {
                self.fault(
                    file,
                    number,
                    "conditions and loops are not read: write out what holds for this machine",
                );
                continue;
            }
            let before = out.len();
            split(&self.expanded(line), |piece| out.push((file.to_owned(), number, piece)));
            let included = match out.get(before..) {
                Some([(.., Piece::Word(keyword)), (.., Piece::Word(path)), ..])
                    if keyword.starts_with("include") =>
                {
                    Some(path.clone())
                }
                _ => None,
            };
            if let Some(path) = included {
                out.truncate(before);
                self.include(file, number, &path, depth, out);
            } else {
                out.push((file.to_owned(), number, Piece::End));
            }
        }
    }

    fn include(
        &mut self,
        file: &str,
        line: usize,
        path: &str,
        depth: usize,
        out: &mut Vec<(String, usize, Piece)>,
    ) {
        self.files += 1;
        if path.contains(['*', '?', '[', '{']) {
            self.fault(
                file,
                line,
                &format!(
                    "include {path}: a pattern is not read; name each file, or import the files one by one"
                ),
            );
        } else if depth >= DEEPEST || self.files > FILES {
            self.fault(file, line, &format!("include {path}: too many files, one in the other"));
        } else {
            match (self.open)(path) {
                Ok(text) => self.pieces(path, &text, depth + 1, out),
                Err(error) => self.fault(file, line, &format!("include {path}: {error:#}")),
            }
        }
    }

    fn fault(&mut self, file: &str, line: usize, why: &str) {
        self.faults.push((file.to_owned(), line, why.to_owned()));
    }

    /// The line with `$NAME` and `${NAME}` replaced; names that are not defined stay.
    fn expanded(&self, line: &str) -> String {
        let mut text = line.to_owned();
        // A definition may use others, and itself only if somebody is careless.
        for _ in 0..DEEPEST {
            let Some(next) = self.expanded_once(&text) else { break };
            text = next;
        }
        text
    }

    fn expanded_once(&self, line: &str) -> Option<String> {
        let (mut out, mut rest, mut found) = (String::new(), line, false);
        while let Some(at) = rest.find('$') {
            out.push_str(rest.get(..at)?);
            let after = rest.get(at + 1..)?;
            let (name, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, behind)) => (name, behind),
                None => after
                    .split_at(after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())),
            };
            match self.definitions.get(name) {
                Some(value) if out.len() + value.len() < 65_536 => {
                    out.push_str(value);
                    rest = behind;
                    found = true;
                }
                _ => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        found.then_some(out)
    }

    fn statements(&mut self, pieces: &mut Pieces, depth: usize, opened: (&str, usize)) -> Vec<Statement> {
        let mut statements: Vec<Statement> = Vec::new();
        // Whether the next word goes on with the last statement.
        let mut inside = false;
        while let Some((file, line, piece)) = pieces.next() {
            match piece {
                Piece::Word(word) => match statements.last_mut() {
                    Some(last) if inside => last.words.push(word),
                    _ => {
                        statements.push(Statement { file, line, words: vec![word], body: Vec::new() });
                        inside = true;
                    }
                },
                Piece::End => inside = false,
                Piece::Close => {
                    if depth > 0 {
                        return statements;
                    }
                    self.fault(&file, line, "a } without its {");
                }
                Piece::Open if depth >= DEEPEST => self.fault(&file, line, "too many { inside each other"),
                Piece::Open => {
                    let body = self.statements(pieces, depth + 1, (&file, line));
                    inside = false;
                    match statements.last_mut() {
                        Some(last) if last.body.is_empty() => last.body = body,
                        _ => self.fault(&file, line, "a { without a keyword"),
                    }
                }
            }
        }
        if depth > 0 {
            self.fault(opened.0, opened.1, "the } of this { is missing");
        }
        statements
    }
}

/// `$NAME=value`, without blanks around `=`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    good.then_some((name, value.trim()))
}

/// Splits a line: words by blanks, braces by themselves, quotes kept together, comments away.
fn split(line: &str, mut take: impl FnMut(Piece)) {
    let mut word = String::new();
    let mut begun = false;
    let mut chars = line.chars().peekable();
    let finish = |word: &mut String, begun: &mut bool, take: &mut dyn FnMut(Piece)| {
        if std::mem::take(begun) {
            take(Piece::Word(std::mem::take(word)));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '#' | '!' => break,
            '\\' if matches!(chars.peek(), Some('#' | '!')) => {
                word.extend(chars.next());
                begun = true;
            }
            '"' => {
                finish(&mut word, &mut begun, &mut take);
                word.extend(chars.by_ref().take_while(|c| *c != '"'));
                begun = true;
                finish(&mut word, &mut begun, &mut take);
            }
            '{' | '}' => {
                finish(&mut word, &mut begun, &mut take);
                take(if c == '{' { Piece::Open } else { Piece::Close });
            }
            c if c.is_whitespace() => finish(&mut word, &mut begun, &mut take),
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    finish(&mut word, &mut begun, &mut take);
}
