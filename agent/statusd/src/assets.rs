//! Style, script, icon and the description of the JSON, as they were when this was built.
//!
//! Owns their addresses: each carries a digest of its content, so that a browser keeps it until it changes.

use std::sync::LazyLock;

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Where it is served, with its digest.
    pub path: String,
    /// Its content type.
    pub content_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        // FNV-1a: it tells versions apart, no more.
        let digest = content.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { path: format!("/assets/{name}-{digest:016x}.{extension}"), content_type, content }
    }
}

/// The style sheet.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("page", "css", "text/css; charset=utf-8", include_str!("../assets/page.css"))
});
/// The script that keeps a page fresh.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("page", "js", "text/javascript; charset=utf-8", include_str!("../assets/page.js"))
});
/// The icon.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg")));

/// All of them.
pub fn all() -> [&'static Asset; 3] {
    [&STYLE, &SCRIPT, &ICON]
}

/// What `/api/v1/openapi.json` says.
pub const OPENAPI: &str = include_str!("../assets/openapi.json");
