//! What the pages in docs/ say is done: every `console` block, command by command, in one shell a
//! page, and every `toml` block is a configuration that `larder check` takes.
//!
//! In a `console` block a line that begins with `$ ` is a command (going on after a `\` at its
//! end); what follows is what it prints, where `…` stands for anything, on a line of its own for
//! any lines. A `toml` block that begins with `# proxy.toml` is that file from there on. Ports are
//! replaced by free ones.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::support::within;

/// The ports that pages use.
const PORTS: [&str; 5] = ["8080", "8081", "8443", "9901", "3000"];

/// What a page has one do.
#[derive(Debug)]
enum Step {
    File { name: String, text: String },
    Snippet { line: usize, text: String },
    Command { line: usize, text: String, prints: Vec<String> },
}

fn blocks(page: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let (mut blocks, mut open) = (Vec::new(), None);
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((at + 2, kind.trim(), Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, _, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

fn commands(first: usize, lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let (line, text) = (first + at, command.to_owned());
                steps.push(Step::Command { line, text, prints: Vec::new() });
            }
            (None, Some(Step::Command { text, prints, .. })) => {
                if prints.is_empty() && text.ends_with('\\') {
                    write!(text, "\n{line}").unwrap();
                } else {
                    prints.push((*line).to_owned());
                }
            }
            (None, _) => panic!("line {}: a console block begins with a command", first + at),
        }
    }
    steps
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (line, kind, lines) in blocks(page) {
        match kind {
            "console" => steps.extend(commands(line, &lines)),
            "toml" => {
                let text = lines.join("\n") + "\n";
                let name = lines.first().and_then(|first| first.strip_prefix("# proxy.toml"));
                steps.push(match name {
                    Some(_) => Step::File { name: "proxy.toml".into(), text },
                    None => Step::Snippet { line, text },
                });
            }
            _ => {}
        }
    }
    steps
}

/// Whether what was printed is what was to be: `…` is any text.
fn fits(expected: &[String], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => fits_line(first, line) && fits(rest, others),
        _ => false,
    }
}

fn fits_line(expected: &str, printed: &str) -> bool {
    let printed = printed.trim_end_matches('\r');
    let Some((before, after)) = expected.split_once('…') else { return expected == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .any(|at| fits_line(after, &rest[at..]))
}

/// A configuration of a page, with what every one needs.
fn whole(text: &str) -> String {
    let top = || text.lines().take_while(|line| !line.starts_with('['));
    let has = |key: &str| top().any(|line| line.starts_with(key));
    let mut whole = String::new();
    if !has("listen") {
        whole.push_str("listen = \"127.0.0.1:8080\"\n");
    }
    if !has("upstream ") {
        whole.push_str("upstream = \"http://127.0.0.1:3000\"\n");
    }
    whole + text
}

struct Ports(Vec<(&'static str, String)>);

impl Ports {
    fn free() -> Ports {
        let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|it| it.local_addr().unwrap().port().to_string());
        Ports(PORTS.into_iter().zip(ports).collect())
    }

    fn put(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (port, free)| {
            text.replace(&format!(":{port}"), &format!(":{free}"))
                .replace(&format!(" {port}"), &format!(" {free}"))
        })
    }
}

/// Marks the end of a command's output, and whether it succeeded.
const MARK: &str = "--larder-docs--";

const PRELUDE: &str = "\
set +m
exec 2>&1
trap 'kill $(jobs -p) 2>/dev/null' EXIT
curl() { command curl --silent --retry 8 --retry-connrefused \"$@\"; }
";

async fn bash(directory: &Path, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &format!("{PRELUDE}{script}")])
        .current_dir(directory)
        .env("PATH", path)
        .env("LARDER_TOKEN", "0123456789abcdef0123456789abcdef")
        .env("LARDER_SECRET", "fedcba9876543210fedcba9876543210")
        .env("REDIS_PASSWORD", "sesame")
        .env("WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the commands of a page", output).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn check_snippet(directory: &Path, text: &str) -> Result<(), String> {
    fs::write(directory.join("snippet.toml"), whole(text)).unwrap();
    let said = bash(directory, "larder check --config snippet.toml && echo fine").await;
    // Certificates and keys are the reader's own.
    let is_fine = |line: &str| line.contains("cannot be read") || line.starts_with("larder: ");
    if said.ends_with("fine\n") || said.lines().all(is_fine) { Ok(()) } else { Err(said) }
}

/// Does what a page says; what it says wrong.
async fn follow(page: &str) -> Vec<String> {
    let (directory, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let (mut wrong, mut script, mut asked) = (Vec::new(), String::new(), Vec::new());
    for step in steps(page) {
        match step {
            Step::Snippet { line, text } => {
                if let Err(said) = check_snippet(directory.path(), &text).await {
                    wrong.push(format!("line {line}: {said}"));
                }
            }
            Step::File { name, text } => {
                let text = ports.put(&text);
                writeln!(script, "cat >{name} <<'LARDER_FILE'\n{text}LARDER_FILE").unwrap();
            }
            Step::Command { line, text, prints } => {
                writeln!(script, "{}\necho \"{MARK}$?\"", ports.put(&text)).unwrap();
                let prints = prints.iter().map(|line| ports.put(line)).collect();
                asked.push((line, text, prints));
            }
        }
    }
    let said = if asked.is_empty() { String::new() } else { bash(directory.path(), &script).await };
    let mut rest = &*said;
    for (line, text, prints) in asked {
        let Some((printed, after)) = rest.split_once(MARK) else {
            wrong.push(format!("line {line}: {text}: was not reached; so far: {said}"));
            break;
        };
        let prints: Vec<String> = prints;
        let lines: Vec<&str> = printed.lines().collect();
        if !fits(&prints, &lines) {
            wrong.push(format!("line {line}: {text}: printed\n{printed}in place of {prints:#?}"));
        }
        rest = after.split_once('\n').map_or("", |(_, rest)| rest);
    }
    wrong
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

#[tokio::test]
async fn the_pages_do_what_they_say() {
    let follow = |path: PathBuf| async move {
        let page = fs::read_to_string(&path).unwrap();
        (path, follow(&page).await)
    };
    let followed = futures_util::future::join_all(pages().into_iter().map(follow)).await;
    let wrong: Vec<_> = followed.into_iter().filter(|(_, wrong)| !wrong.is_empty()).collect();
    let mut said = String::new();
    for (path, wrong) in wrong {
        writeln!(said, "{}:\n{}", path.display(), wrong.join("\n")).unwrap();
    }
    assert!(said.is_empty(), "pages that say what is not so:\n{said}");
}

#[tokio::test]
async fn a_page_that_is_wrong_is_found_out() {
    for (page, wrong) in [
        ("```console\n$ echo one\none\n```", false),
        ("```console\n$ echo one\ntwo\n```", true),
        ("```console\n$ echo one\n```", true),
        ("```console\n$ printf 'a\\nb c\\nd\\n'\n…\nb …\n…\n```", false),
        ("```console\n$ exit 3\n$ echo more\nmore\n```", true),
        ("```toml\n[cache]\nttl = \"30s\"\n```", false),
        ("```toml\n[cache]\nttl = \"30 s\"\n```", true),
    ] {
        let found = follow(page).await;
        assert_eq!(!found.is_empty(), wrong, "what is wrong with {page}: {found:?}");
    }
}
