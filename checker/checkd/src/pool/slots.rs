//! Things by small numbers that stay theirs.
//!
//! Owns the numbers: one that is given back is given out again. It knows nothing of what is kept.

/// Things by number.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Makes room for `more` things, and no more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.places.reserve_exact(more);
    }

    /// A free number, which is not free any more.
    pub(super) fn next(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            // Four thousand million servers do not fit in memory.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Puts something at its number.
    pub(super) fn put(&mut self, number: u32, thing: T) {
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = Some(thing);
        }
    }

    /// Takes it away. Its number is nobody's until it is given back, once.
    pub(super) fn take(&mut self, number: u32) -> Option<T> {
        self.places.get_mut(number as usize)?.take()
    }

    /// Gives back the number of what was taken away.
    pub(super) fn give_back(&mut self, number: u32) {
        self.free.push(number);
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.places.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    /// How many numbers there are, free ones included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}
