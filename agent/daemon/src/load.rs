//! Loading of the configuration: the file, what it includes, and its mistakes.
//!
//! Owns which files are read and how much of them. What is in them is `agent_api::config`'s; nothing is
//! executed, and nothing but regular files is read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::memory::give_back;
use agent_api::config::{Config, Mistake, Mistakes, Source, includes, parse};

/// The most bytes that all files may have together: about twice what a hundred thousand real servers need.
const TOTAL_MAX: u64 = 16 << 20;
/// The most files.
const FILES_MAX: usize = 1_000;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The main file can't be read.
    #[error("can't read the configuration {}: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong and what to do.
        why: String,
    },
    /// The files are read but wrong: every mistake, one line each.
    #[error(transparent)]
    Wrong(#[from] Mistakes),
}

/// Reads the configuration file `path` and what it includes.
///
/// # Errors
/// The file can't be read, or everything that is wrong with it and with what it includes.
pub fn load_config(path: &Path) -> Result<Config, LoadError> {
    let loaded = load(path);
    give_back();
    loaded
}

fn load(path: &Path) -> Result<Config, LoadError> {
    let (sources, mut mistakes) = gather(path)?;
    match parse(&sources) {
        Ok(config) if mistakes.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(Mistakes(found)) => mistakes.extend(found),
    }
    let rank = |mistake: &Mistake| sources.iter().position(|source| source.path == mistake.path);
    mistakes.sort_by_key(|mistake| (rank(mistake), mistake.line, mistake.column));
    mistakes.dedup();
    Err(LoadError::Wrong(Mistakes(mistakes)))
}

/// The end of a reload: hands what was loaded (the configuration, or what was made of it) to `take`, or logs everything that is wrong with it and changes nothing.
pub fn take_config<C>(loaded: Result<C, LoadError>, take: impl FnOnce(C)) {
    match loaded {
        Ok(config) => {
            take(config);
            tracing::info!("took the new configuration");
        }
        Err(LoadError::Wrong(Mistakes(mistakes))) => {
            for mistake in mistakes {
                tracing::error!("{mistake}");
            }
            tracing::error!("the configuration has mistakes: the former one stays");
        }
        Err(error) => tracing::error!("{error}; the former configuration stays"),
    }
}

/// The texts of the configuration file `path` and of what it includes, in the order in which they are read.
///
/// # Errors
/// One of them can't be read.
pub fn load_sources(path: &Path) -> Result<Vec<Source>, LoadError> {
    let (sources, mistakes) = gather(path)?;
    if mistakes.is_empty() { Ok(sources) } else { Err(LoadError::Wrong(Mistakes(mistakes))) }
}

/// Reads all files. What is wrong with the included ones comes out as mistakes of the line that includes them.
fn gather(path: &Path) -> Result<(Vec<Source>, Vec<Mistake>), LoadError> {
    let mut mistakes = Vec::new();
    let main = read(path, TOTAL_MAX).map_err(|why| LoadError::Unreadable { path: path.to_owned(), why })?;
    let mut left = TOTAL_MAX.saturating_sub(main.len() as u64);
    let mut sources = vec![decoded(path, &main, &mut mistakes)];
    let mut seen = vec![canonical(path)];
    let main_path = path.display().to_string();
    // Mistakes in the patterns themselves are found again when everything is parsed.
    let patterns = sources.first().map(|main| includes(main).unwrap_or_default()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    for include in patterns {
        let here = |message: String| {
            let (line, column) = (include.line, include.column);
            Mistake { path: main_path.clone(), line, column, message }
        };
        let files = match matching(folder, &include.pattern) {
            Ok(files) => files,
            Err(why) => {
                mistakes.push(here(format!("include {:?}: {why}", include.pattern)));
                continue;
            }
        };
        for file in files {
            if seen.contains(&canonical(&file)) {
                continue;
            }
            seen.push(canonical(&file));
            if sources.len() >= FILES_MAX {
                mistakes
                    .push(here(format!("more than {FILES_MAX} files are included; put several into one")));
                return Ok((sources, mistakes));
            }
            match read(&file, left) {
                Ok(bytes) => {
                    left = left.saturating_sub(bytes.len() as u64);
                    sources.push(decoded(&file, &bytes, &mut mistakes));
                }
                Err(why) => mistakes.push(here(format!("can't read the included {}: {why}", file.display()))),
            }
        }
    }
    Ok((sources, mistakes))
}

/// The file's bytes, at most `limit`.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    // A named pipe would block on open; so its kind is looked at first.
    let meta = fs::metadata(path).map_err(|error| explained(&error))?;
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let too_long = || format!("it is too long; all files together may have {} MiB", TOTAL_MAX >> 20);
    if meta.len() > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| explained(&error))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| explained(&error))?;
    if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(bytes) }
}

/// What went wrong and what to do, in one line.
fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; write one or name another with --config".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; it belongs to root:holdfast with mode 0640, the reader needs to be in group holdfast"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// The text of a file. Bytes that are no UTF-8 are a mistake; the rest is read nevertheless, to find the others.
fn decoded(path: &Path, bytes: &[u8], mistakes: &mut Vec<Mistake>) -> Source {
    let path = path.display().to_string();
    if let Err(error) = std::str::from_utf8(bytes) {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let good = String::from_utf8_lossy(good);
        let line = good.matches('\n').count() + 1;
        let column =
            good.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}').chars().count() + 1;
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let message = format!("byte 0x{byte:02x} is not UTF-8; save the file as UTF-8");
        mistakes.push(Mistake { path: path.clone(), line, column, message });
    }
    Source { path, text: String::from_utf8_lossy(bytes).into_owned() }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The files that `pattern` means, sorted by name. A pattern without wildcards means the file whether it is there or not.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = folder.join(pattern);
    let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains(['*', '?']) {
        return Ok(vec![whole]);
    }
    let parent = match whole.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        // Nothing there to match: the same as an empty folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("can't list {}: {}", parent.display(), explained(&error))),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("can't list {}: {error}", parent.display()))?;
        let file_name = entry.file_name();
        let Some(candidate) = file_name.to_str() else { continue };
        if !candidate.starts_with('.') && wildcard(name, candidate) {
            files.push(whole.with_file_name(candidate));
        }
        if files.len() > FILES_MAX {
            return Err(format!("it matches more than {FILES_MAX} files; put several into one"));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether `name` matches `pattern`, in which `*` stands for any characters and `?` for one.
fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when a later part does not match: behind the last star, one character of the name further.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
