//! What was read from files, and read again when they have changed.
//!
//! Certificates are renewed by programs that write, rename, or swap a directory's symlink, one
//! file after the other. So a change counts once it has stood still from one look to the next,
//! and what cannot be used leaves the old value in place, until the files change once more.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use super::Fault;

/// A value from files.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    files: Vec<PathBuf>,
    /// The files as they were when the value was read.
    read: Print,
    /// As they were at the last look.
    seen: Print,
    /// As they were when they could not be used.
    bad: Option<Print>,
}

/// What tells a file from what it was: device, inode, length, times. Symlinks are followed.
type Print = Vec<Option<(u64, u64, u64, [i64; 4])>>;

/// What a look at the files led to.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing.
    Same,
    /// There is a new value.
    New,
    /// There would be, but for this.
    Bad(Fault),
}

impl<T> Kept<T> {
    /// Reads the value.
    pub(super) fn new(
        files: Vec<PathBuf>,
        read: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<Kept<T>, Fault> {
        // Before they are read: what changes meanwhile is seen at the next look.
        let print = print(&files);
        Ok(Kept { value: read()?, files, read: print.clone(), seen: print, bad: None })
    }

    /// Looks at the files, and reads them if they have changed and stand still.
    pub(super) fn look(&mut self, read: impl FnOnce() -> Result<T, Fault>) -> Look {
        let now = print(&self.files);
        let stands = std::mem::replace(&mut self.seen, now.clone()) == now;
        if !stands || now == self.read || self.bad.as_ref() == Some(&now) {
            return Look::Same;
        }
        match read() {
            Ok(value) => {
                (self.value, self.read, self.bad) = (value, now, None);
                Look::New
            }
            Err(fault) => {
                self.bad = Some(now);
                Look::Bad(fault)
            }
        }
    }

    /// Whether its files are these, and as they were read.
    pub(super) fn is_of(&self, files: &[PathBuf]) -> bool {
        self.files == files && self.read == print(files)
    }
}

fn print(files: &[PathBuf]) -> Print {
    let one = |path| {
        let it = fs::metadata(path).ok()?;
        let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
        Some((it.dev(), it.ino(), it.len(), times))
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_stands_still_and_a_bad_one_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let write = |text: &str| {
            let next = directory.path().join("next");
            fs::write(&next, text).unwrap();
            fs::rename(&next, &path).unwrap();
        };
        let read = || {
            let text = fs::read_to_string(&path).unwrap();
            let bad = || Fault::new(1, "key", &path, "is bad".to_owned());
            if text == "bad" { Err(bad()) } else { Ok(text) }
        };
        write("one");
        let mut kept = Kept::new(vec![path.clone()], read).unwrap();
        for (text, look, value, why) in [
            (None, "same", "one", "nothing has changed"),
            (Some("two"), "same", "one", "it may be half of it"),
            (Some("three"), "same", "one", "it goes on changing"),
            (None, "new", "three", "it stands still"),
            (Some("bad"), "same", "three", "it may be half of it"),
            (None, "bad", "three", "the old value stays"),
            (None, "same", "three", "it was told"),
            (Some("four"), "same", "three", "it may be half of it"),
            (None, "new", "four", "it stands still"),
        ] {
            text.iter().for_each(|text| write(text));
            let looked = match kept.look(read) {
                Look::Same => "same",
                Look::New => "new",
                Look::Bad(_) => "bad",
            };
            assert_eq!((looked, &*kept.value), (look, value), "{why}");
        }
    }
}
