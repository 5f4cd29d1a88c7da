//! The man page and shell completions, from the definition of the options.

/// Prints `man`, `bash`, `zsh` or `fish`.
pub(crate) fn generate(what: &str) -> Result<(), String> {
    Err(format!("--generate: {what:?} is not known"))
}
