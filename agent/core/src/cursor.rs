//! Looking up many keys in a map, one after the other.
//!
//! Owns the shortcut for keys that come in the map's own order: the next one is found by a step instead of a search, which
//! makes ten thousand look-ups cost what one walk does. Keys in any other order are found all the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;

/// A place in a map.
#[derive(Debug)]
pub struct Cursor<'m, K, V> {
    map: Option<&'m BTreeMap<K, V>>,
    /// The entry that was found last, and what follows it.
    last: Option<(&'m K, Range<'m, K, V>)>,
}

impl<'m, K: Ord, V> Cursor<'m, K, V> {
    /// A cursor before the first key of `map`. In no map nothing is found.
    #[must_use]
    pub fn new(map: Option<&'m BTreeMap<K, V>>) -> Self {
        Self { map, last: None }
    }

    /// What the map has for `key`.
    pub fn get(&mut self, key: &K) -> Option<&'m V> {
        if let Some((last, rest)) = &mut self.last
            && *last < key
            && let Some((at, value)) = rest.next()
        {
            *last = at;
            if at == key {
                return Some(value);
            }
            // The next key of the map lies behind the one that is looked for, and the last one before it.
            if at > key {
                self.last = None;
                return None;
            }
        }
        let mut rest = self.map?.range(key..);
        let (at, value) = rest.next()?;
        self.last = Some((at, rest));
        (at == key).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_the_map_finds(
            map in proptest::collection::btree_map(0..60_u8, any::<u8>(), 0..40),
            mut keys in proptest::collection::vec(0..60_u8, 0..80),
            sorted: bool,
        ) {
            if sorted {
                keys.sort_unstable();
            }
            let mut cursor = Cursor::new(Some(&map));
            for key in &keys {
                prop_assert_eq!(cursor.get(key), map.get(key));
            }
            prop_assert_eq!(Cursor::<u8, u8>::new(None).get(&1), None);
        }
    }
}
