//! Compression through sockets. What is packed here is unpacked by other programs than the library
//! that packed it: Python's gzip, `brotli`, `zstd`, curl.

mod clients;
mod conditions;
mod limits;
mod matrix;
mod streams;
mod upstream;

use std::process::Stdio;

use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::{Answer, Reply, within};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

const GUNZIP: &str =
    "import gzip,sys;sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";

const GZIP: &str =
    "import gzip,sys;sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(),mtime=0))";

/// What of a gzip body there is, its end missing.
const GUNZIP_SO_FAR: &str = "import zlib,sys;sys.stdout.buffer.write(zlib.decompressobj(31).decompress(sys.stdin.buffer.read()))";

/// 12 KiB that pack well.
fn users() -> String {
    (0..200)
        .map(|id| format!("{{\"id\": {id}, \"name\": \"user number {id}\", \"on\": true}}\n"))
        .collect()
}

/// Them, fresh for a minute.
fn json(seconds: u32) -> Reply {
    Reply::fresh(seconds, users()).header("Content-Type", "application/json")
}

/// Runs a program on some input.
///
/// # Panics
/// Where it is missing or fails.
async fn run(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = command.spawn();
    let mut child =
        spawned.unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test.sh"));
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feed = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = within(program, child.wait_with_output()).await.unwrap();
    let _ = feed.await;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(crate) async fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    run("python3", &["-c", GZIP], text.as_ref()).await
}

pub(crate) async fn unpack(coding: &str, bytes: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => run("python3", &["-c", GUNZIP], bytes).await,
        "br" => run("brotli", &["-dc"], bytes).await,
        "zstd" => run("zstd", &["-dcq"], bytes).await,
        _ => bytes.to_vec(),
    }
}

/// The body as its Content-Encoding says.
async fn unpacked(answer: &Answer) -> String {
    let body = unpack(answer.header("content-encoding").unwrap_or("identity"), &answer.body).await;
    String::from_utf8(body).unwrap()
}

/// Whether Vary names Accept-Encoding, once.
fn varies(answer: &Answer) -> bool {
    let lines = answer.headers("vary").join(",");
    let named = lines.split(',').filter(|it| it.trim().eq_ignore_ascii_case("accept-encoding"));
    let named = named.count();
    assert!(named < 2, "once is enough: {lines}");
    named == 1
}
