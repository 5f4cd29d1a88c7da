//! A small parser of Varlink interface descriptions, after the grammar on varlink.org.

use std::collections::BTreeMap;

/// The fields of a structure.
pub(crate) type Fields = BTreeMap<String, Kind>;

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Text,
    /// One of these words.
    Words(Vec<String>),
    /// A type of the interface.
    Named(String),
    Optional(Box<Kind>),
    List(Box<Kind>),
    Map(Box<Kind>),
}

/// A whole description.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) interface: String,
    pub(crate) types: BTreeMap<String, Fields>,
    pub(crate) methods: BTreeMap<String, (Fields, Fields)>,
    pub(crate) errors: BTreeMap<String, Fields>,
}

pub(crate) fn parse(text: &str) -> Result<Description, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut description = Description::default();
    parser.expect("interface")?;
    description.interface = parser.next()?;
    let mut members = Vec::new();
    while parser.at < parser.tokens.len() {
        let keyword = parser.next()?;
        let name = parser.next()?;
        let good = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        if !good {
            return Err(format!("{name} is no member's name"));
        }
        // Types, methods and errors share one set of names.
        if members.contains(&name) {
            return Err(format!("{name} is there twice"));
        }
        members.push(name.clone());
        match keyword.as_str() {
            "type" => drop(description.types.insert(name, parser.fields()?)),
            "error" => drop(description.errors.insert(name, parser.fields()?)),
            "method" => {
                let parameters = parser.fields()?;
                parser.expect("->")?;
                description.methods.insert(name, (parameters, parser.fields()?));
            }
            other => return Err(format!("{other} is no member")),
        }
    }
    let structures = description.types.values().chain(description.errors.values());
    for fields in
        structures.chain(description.methods.values().flat_map(|(parameters, reply)| [parameters, reply]))
    {
        for kind in fields.values() {
            known(kind, &description)?;
        }
    }
    Ok(description)
}

fn known(kind: &Kind, description: &Description) -> Result<(), String> {
    match kind {
        Kind::Named(name) if !description.types.contains_key(name) => {
            Err(format!("type {name} is used, not described"))
        }
        Kind::Optional(inner) if matches!(**inner, Kind::Optional(_)) => {
            Err("an optional of an optional".to_owned())
        }
        Kind::Optional(inner) | Kind::List(inner) | Kind::Map(inner) => known(inner, description),
        _ => Ok(()),
    }
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).ok_or("the text ends too early")?;
        self.at += 1;
        Ok(token.clone())
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let found = self.next()?;
        if found == wanted { Ok(()) } else { Err(format!("{found} stands where {wanted} should")) }
    }

    fn fields(&mut self) -> Result<Fields, String> {
        let mut fields = Fields::new();
        self.expect("(")?;
        while self.peek() != ")" {
            if !fields.is_empty() {
                self.expect(",")?;
            }
            let name = self.next()?;
            let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && !name.ends_with('_')
                && !name.contains("__")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good {
                return Err(format!("{name} is no field's name"));
            }
            self.expect(":")?;
            let kind = self.kind()?;
            if fields.insert(name.clone(), kind).is_some() {
                return Err(format!("field {name} is there twice"));
            }
        }
        self.expect(")")?;
        Ok(fields)
    }

    fn kind(&mut self) -> Result<Kind, String> {
        Ok(match self.next()?.as_str() {
            "?" => Kind::Optional(Box::new(self.kind()?)),
            "[" => {
                if self.peek() == "string" {
                    self.next()?;
                    self.expect("]")?;
                    Kind::Map(Box::new(self.kind()?))
                } else {
                    self.expect("]")?;
                    Kind::List(Box::new(self.kind()?))
                }
            }
            "(" => {
                let mut words = vec![self.next()?];
                while self.peek() == "," {
                    self.next()?;
                    words.push(self.next()?);
                }
                self.expect(")")?;
                Kind::Words(words)
            }
            "bool" => Kind::Bool,
            "int" => Kind::Int,
            "string" => Kind::Text,
            name if name.starts_with(|c: char| c.is_ascii_uppercase()) => Kind::Named(name.to_owned()),
            other => return Err(format!("{other} is no type")),
        })
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut rest = line.split('#').next().unwrap_or_default().trim();
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("->") {
                2
            } else if "():,?[]".contains(first) {
                1
            } else {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            };
            if length == 0 {
                return Err(format!("{first:?} has no place here"));
            }
            let (token, tail) = rest.split_at(length);
            tokens.push(token.to_owned());
            rest = tail.trim_start();
        }
    }
    Ok(tokens)
}
