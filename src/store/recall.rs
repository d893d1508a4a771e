//! What is remembered by key, in a fixed number of places: the newest takes the place of whatever
//! had it.
//!
//! For what is good to know and not needed: a place is found by the key's first bytes, so nothing
//! is searched, nothing grows, and nobody waits for more than one place.

use parking_lot::Mutex;

use crate::key::Key;

/// Something small for each of the last keys.
#[derive(Debug)]
pub struct Recall<T>(Box<[Place<T>]>);

/// What has a place now.
type Place<T> = Mutex<Option<(Key, T)>>;

impl<T: Copy> Recall<T> {
    /// With so many places.
    #[must_use]
    pub fn new(places: usize) -> Recall<T> {
        Recall((0..places.max(1)).map(|_| Mutex::new(None)).collect())
    }

    /// Remembers it.
    pub fn put(&self, key: Key, value: T) {
        *self.place(key).lock() = Some((key, value));
    }

    /// What was last remembered, if nothing has taken its place.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<T> {
        self.place(key).lock().filter(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Forgets it.
    pub fn forget(&self, key: Key) {
        let mut place = self.place(key).lock();
        if place.is_some_and(|(known, _)| known == key) {
            *place = None;
        }
    }

    fn place(&self, key: Key) -> &Place<T> {
        let [a, b, c, d, ..] = *key.as_bytes();
        &self.0[u32::from_le_bytes([a, b, c, d]) as usize % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_remembered_and_no_more_than_there_are_places() {
        let recall = Recall::new(8);
        let keys: Vec<Key> = (0..100).map(|n| Key::of_path(&n.to_string())).collect();
        keys.iter().zip(0..).for_each(|(key, n)| recall.put(*key, n));
        let known: Vec<i32> = keys.iter().filter_map(|key| recall.get(*key)).collect();
        assert!((1..=8).contains(&known.len()) && known.contains(&99), "{known:?}");
        recall.put(keys[99], 7);
        assert_eq!(recall.get(keys[99]), Some(7), "of one key, the last");
        recall.forget(keys[99]);
        assert_eq!(recall.get(keys[99]), None);
        let of_another = keys.iter().find(|key| recall.get(**key).is_some());
        recall.forget(Key::of_path("none"));
        assert!(
            of_another.is_none_or(|key| recall.get(*key).is_some()),
            "only its own is forgotten"
        );
    }
}
