//! The units for systemd: what systemd itself says of them, where it is installed.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// More than this is what systemd calls exposed, in tenths; ours has CAP_NET_BIND_SERVICE, the
/// network, and a user that is not dynamic.
const MOST_EXPOSED: u32 = 20;

/// Runs `systemd-analyze`; `None` where it is not installed.
fn analyze(args: &[&str], units: &Path) -> Option<Output> {
    let mut command = Command::new("systemd-analyze");
    command.args(args).env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()));
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("systemd-analyze is not installed: the units are not checked");
            None
        }
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

/// The units as they are, but for the place of the program.
fn units() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["larder.service", "larder.socket"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
        let text = fs::read_to_string(file).unwrap();
        assert!(name.ends_with("socket") || text.contains("/usr/bin/larder"), "{name}");
        let text = text.replace("/usr/bin/larder", env!("CARGO_BIN_EXE_larder"));
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn systemd_accepts_the_units() {
    let units = units();
    for name in ["larder.service", "larder.socket"] {
        let path = units.path().join(name).display().to_string();
        let Some(output) = analyze(&["verify", "--man=no", &path], units.path()) else { return };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("larder.")).collect();
        assert!(output.status.success() && ours.is_empty(), "{name}: {said}");
    }
}

#[test]
fn the_service_may_little() {
    let units = units();
    let path = units.path().join("larder.service").display().to_string();
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let args = ["security", "--offline=true", "--no-pager", &threshold, &path];
    let Some(output) = analyze(&args, units.path()) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let score = said.lines().last().unwrap_or_default();
    eprintln!("{score}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
