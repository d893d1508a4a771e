//! Reads the text of a configuration file.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Far more than a configuration has: who names a disk image by mistake is told so.
const LARGEST: u64 = 1 << 20;

/// The text, or a line (0 for the whole file) and what is wrong there.
pub(super) fn read(path: &Path) -> Result<String, (usize, String)> {
    let bytes = bytes(path).map_err(|error| (0, unreadable(&error)))?;
    if bytes.len() as u64 > LARGEST {
        let message = "is larger than 1 MiB, so hardly a configuration: name another file".into();
        return Err((0, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        (line, "is not UTF-8: write the file in that encoding".into())
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "name another with --config, or write one: listen = \"127.0.0.1:8080\" and \
             upstream = \"http://127.0.0.1:3000\" are enough"
        }
        io::ErrorKind::PermissionDenied => "let the user that runs larder read it",
        _ => "name a file that can be read with --config",
    };
    format!("cannot be read ({error}): {hint}")
}
