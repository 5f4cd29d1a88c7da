//! The file of users: `NAME:HASH` a line, as `htpasswd -nB NAME` prints it.
//!
//! Owns which hashes are taken: bcrypt alone, with a cost that can be paid. A name that is not there costs as much as one that is,
//! so that nobody learns who may look.

use std::collections::BTreeMap;

/// The most users.
const USERS_MAX: usize = 1_000;
/// The costs that are taken: 14 is about a second.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// The longest password that bcrypt tells from another.
pub const PASSWORD_MAX: usize = 72;

/// Who may look, with the hashes of their passwords.
pub struct Users {
    hashes: BTreeMap<String, String>,
    /// What a password of nobody is compared with.
    nobody: String,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Users({})", self.hashes.len())
    }
}

impl Users {
    /// Reads the file's text; the error names the line and what to do, never what stands there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut hashes = BTreeMap::new();
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let remedy = "write what `htpasswd -nB NAME` prints";
            let Some((name, hash)) = line.split_once(':').filter(|(name, _)| !name.is_empty()) else {
                return Err(format!("line {index} is no NAME:HASH; {remedy}"));
            };
            let cost = cost(hash).ok_or(format!("line {index}: the hash is no bcrypt; {remedy}"))?;
            if !COSTS.contains(&cost) {
                let (least, most) = (COSTS.start(), COSTS.end());
                return Err(format!("line {index}: the hash has cost {cost}; {least} to {most} are taken"));
            }
            if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(format!("line {index}: this name is there already; remove one of them"));
            }
            if hashes.len() > USERS_MAX {
                return Err(format!("there are more than {USERS_MAX} users"));
            }
        }
        // As dear as the dearest, and no password has it.
        let Some(nobody) = hashes.values().max_by_key(|hash| cost(hash)).cloned() else {
            return Err("there is no user in it; write what `htpasswd -nB NAME` prints".to_owned());
        };
        Ok(Self { hashes, nobody })
    }

    /// Whether `password` is that of `name`. Takes long on purpose.
    pub fn knows(&self, name: &str, password: &[u8]) -> bool {
        let (hash, known) = match self.hashes.get(name) {
            Some(hash) => (hash, true),
            None => (&self.nobody, false),
        };
        let fits = password.len() <= PASSWORD_MAX;
        // In this order: nobody is told apart by the time it takes.
        bcrypt::verify(password, hash).unwrap_or(false) && known && fits
    }
}

/// The cost of a bcrypt hash, `$2y$10$` and 53 characters.
fn cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, digest) = rest.split_once('$')?;
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    (cost.len() == 2 && digest.len() == 53 && digest.bytes().all(alphabet)).then(|| cost.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `correct horse`, hashed by `htpasswd -nbBC 4 anna 'correct horse'`.
    fn file() -> String {
        let hash = bcrypt::hash_with_result("correct horse", 4).unwrap();
        format!("# staff\n\nanna:{}\nbert:{}\n", hash.format_for_version(bcrypt::Version::TwoY), hash)
    }

    #[test]
    fn only_the_right_password_of_the_right_user() {
        let users = Users::parse(&file()).unwrap();
        assert!(users.knows("anna", b"correct horse"));
        assert!(users.knows("bert", b"correct horse"));
        assert!(!users.knows("anna", b"correct horsf"));
        assert!(!users.knows("carl", b"correct horse"), "the hash that stands for nobody lets nobody in");
        assert!(!users.knows("anna", b""));
        assert!(!users.knows("", b"correct horse"));
        assert_eq!(format!("{users:?}"), "Users(2)");
    }

    #[test]
    fn nothing_behind_the_72nd_octet_is_ignored() {
        let long = "x".repeat(72);
        let users = Users::parse(&format!("a:{}", bcrypt::hash(&long, 4).unwrap())).unwrap();
        assert!(users.knows("a", long.as_bytes()));
        assert!(!users.knows("a", format!("{long}y").as_bytes()));
    }

    #[test]
    fn other_files_are_refused_without_showing_them() {
        let hash = bcrypt::hash("x", 4).unwrap();
        for (text, why) in [
            (String::new(), "there is no user in it"),
            ("secret".to_owned(), "line 1 is no NAME:HASH"),
            (format!(":{hash}"), "line 1 is no NAME:HASH"),
            ("a:$apr1$secret$".to_owned(), "line 1: the hash is no bcrypt"),
            (format!("a:{hash}x"), "line 1: the hash is no bcrypt"),
            (format!("a:{}", hash.replace("$04$", "$31$")), "line 1: the hash has cost 31"),
            (format!("a:{hash}\na:{hash}"), "line 2: this name is there already"),
        ] {
            let said = Users::parse(&text).unwrap_err();
            assert!(said.starts_with(why) && !said.contains("secret"), "{said}");
        }
        let many: String = (0..=USERS_MAX).map(|n| format!("u{n}:{hash}\n")).collect();
        assert!(Users::parse(&many).unwrap_err().contains("more than 1000 users"));
    }
}
