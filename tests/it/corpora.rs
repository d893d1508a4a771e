//! The corpora of the fuzz targets, replayed: whatever was found once stays found.

#[path = "../../fuzz/checks/mod.rs"]
mod checks;

use std::{fs, panic, path::Path};

#[test]
fn what_was_found_by_fuzzing_stays_found() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, check) in checks::ALL {
        let files =
            fs::read_dir(corpora.join(name)).unwrap_or_else(|_| panic!("{name}: no corpus"));
        let mut inputs = 0;
        for file in files {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            let held = panic::catch_unwind(|| check(&data));
            assert!(held.is_ok(), "{} does not hold any more", path.display());
            inputs += 1;
        }
        assert!(inputs >= 5, "{name}: a corpus of {inputs} shows nothing");
    }
}

#[test]
fn every_target_is_built_and_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut files: Vec<String> = fs::read_dir(fuzz.join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut names: Vec<String> = checks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names, "a file in fuzz_targets/ for each check");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in Cargo.toml");
    }
}
