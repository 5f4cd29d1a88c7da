use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{LoadError, load_config, wildcard};

const POOL: &str = r#"
[[virtual_server]]
name = "NAME"
address = "192.0.2.1"
services = ["udp/PORT"]
check.dns.qname = "resolve.test"
real_server = [{ name = "dns1", address = "10.0.0.1" }]
"#;

fn pool(name: &str, port: u16) -> String {
    POOL.replace("NAME", name).replace("PORT", &port.to_string())
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// The error's text with the folder's own path left out.
fn trouble(folder: &TempDir, file: &str) -> String {
    let error = load_config(&folder.path().join(file)).unwrap_err();
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn includes_are_read_in_the_order_of_their_names() {
    let main = format!("include = [\"conf.d/*.toml\", \"extra.toml\"]\n{}", pool("main", 1));
    let folder = folder(&[
        ("holdfast.toml", main.as_bytes()),
        ("conf.d/b.toml", pool("b", 3).as_bytes()),
        ("conf.d/a.toml", pool("a", 2).as_bytes()),
        ("conf.d/.hidden.toml", b"nonsense"),
        ("conf.d/a.toml.bak", b"nonsense"),
        ("extra.toml", pool("extra", 4).as_bytes()),
    ]);
    let config = load_config(&folder.path().join("holdfast.toml")).unwrap();
    let names: Vec<String> = config.virtual_servers.iter().map(|server| server.name.to_string()).collect();
    assert_eq!(names, ["main", "a", "b", "extra"]);
}

#[test]
fn a_file_is_read_once_however_often_it_is_matched() {
    let main = format!("include = [\"*.toml\", \"a.toml\", \"./a.toml\"]\n{}", pool("main", 1));
    let folder = folder(&[("holdfast.toml", main.as_bytes()), ("a.toml", pool("a", 2).as_bytes())]);
    let config = load_config(&folder.path().join("holdfast.toml")).unwrap();
    assert_eq!(config.virtual_servers.len(), 2);
}

#[test]
fn a_folder_that_is_not_there_matches_nothing() {
    let main = format!("include = [\"conf.d/*.toml\"]\n{}", pool("main", 1));
    let folder = folder(&[("holdfast.toml", main.as_bytes())]);
    assert_eq!(load_config(&folder.path().join("holdfast.toml")).unwrap().virtual_servers.len(), 1);
}

#[test]
fn a_file_named_must_be_there_and_the_others_are_read_all_the_same() {
    let main = format!("include = [\"gone.toml\", \"bad.toml\"]\n{}", pool("main", 1));
    let folder = folder(&[("holdfast.toml", main.as_bytes()), ("bad.toml", b"x = 1\n")]);
    assert_eq!(
        trouble(&folder, "holdfast.toml"),
        "holdfast.toml:1:12: can't read the included gone.toml: there is no such file; write one or name another with \
         --config\n\
         bad.toml:1:1: unknown key \"x\"; the top level knows include, lvs, status, checks, alert, dependency, virtual_server, failover and virtual_router"
    );
}

#[test]
fn an_included_file_includes_nothing() {
    let main = format!("include = [\"a.toml\"]\n{}", pool("main", 1));
    let folder = folder(&[("holdfast.toml", main.as_bytes()), ("a.toml", b"include = [\"b.toml\"]\n")]);
    assert_eq!(
        trouble(&folder, "holdfast.toml"),
        "a.toml:1:11: an included file can't include others; move this line to the main file"
    );
}

#[test]
fn bytes_that_are_no_utf8_are_placed_and_the_rest_is_read() {
    let folder = folder(&[("holdfast.toml", b"# gr\xc3\xbc\xdfe\nwrong = 1\n[lvs]\nadopt = \"x\"\n")]);
    assert_eq!(
        trouble(&folder, "holdfast.toml"),
        "holdfast.toml:1:1: no virtual server or router is configured; write at least one [[virtual_server]]\n\
         holdfast.toml:1:6: byte 0xdf is not UTF-8; save the file as UTF-8\n\
         holdfast.toml:2:1: unknown key \"wrong\"; the top level knows include, lvs, status, checks, alert, dependency, virtual_server, failover and virtual_router\n\
         holdfast.toml:4:9: unknown adopt \"x\"; write \"named\" or \"exclusive\""
    );
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let folder = folder(&[]);
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, why) in
        [("pipe", "it is no regular file"), ("", "it is no regular file"), ("gone", "there is no such file")]
    {
        let error = load_config(&folder.path().join(path)).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { .. }));
        assert!(error.to_string().contains(why), "{path}: {error}");
    }
}

#[test]
fn a_file_without_end_is_refused() {
    let folder = folder(&[]);
    let path = folder.path().join("long.toml");
    fs::File::create(&path).unwrap().set_len(super::TOTAL_MAX + 1).unwrap();
    let error = load_config(&path).unwrap_err().to_string();
    assert!(error.ends_with("it is too long; all files together may have 16 MiB"), "{error}");
}

#[test]
fn an_empty_file_says_what_to_write() {
    let folder = folder(&[("holdfast.toml", b"")]);
    assert_eq!(
        trouble(&folder, "holdfast.toml"),
        "holdfast.toml:1:1: the configuration is empty; write at least one [[virtual_server]]"
    );
    assert!(load_config(Path::new("/dev/null")).is_err());
}

#[test]
fn wildcards() {
    for (pattern, name, matches) in [
        ("*.toml", "a.toml", true),
        ("*.toml", ".toml", true),
        ("*.toml", "a.toml.bak", false),
        ("a?.toml", "ab.toml", true),
        ("a?.toml", "a.toml", false),
        ("*a*b", "xaxbxb", true),
        ("*a*b", "xaxbx", false),
        ("**", "", true),
        ("?", "ü", true),
        ("plain", "plain", true),
        ("plain", "plainer", false),
    ] {
        assert_eq!(wildcard(pattern, name), matches, "{pattern} {name}");
    }
}

proptest! {
    #[test]
    fn wildcard_is_what_its_definition_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        fn slow(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) if slow(rest, name) => true,
                (Some((b'*', _)), Some((_, tail))) => slow(pattern, tail),
                (Some((b'?', rest)), Some((_, tail))) => slow(rest, tail),
                (Some((c, rest)), Some((d, tail))) => c == d && slow(rest, tail),
                _ => false,
            }
        }
        prop_assert_eq!(wildcard(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
    }
}
