//! What the pages say is done: each command of README.md and docs/ is run, page by page in one
//! shell, or stands in the table of those that are run elsewhere; and every `toml` block, and every
//! key in a table, is a configuration that `larder check` takes.
//!
//! What a command prints is compared where the page shows it: `…` stands for anything, on a line of
//! its own for any lines. All must succeed. Ports are replaced by free ones.

mod elsewhere;
mod page;
mod stage;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use elsewhere::ELSEWHERE;
use page::{Prints, Step, steps};
use stage::{Ports, bash};

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

/// Marks the end of a command's output, and whether it succeeded.
const MARK: &str = "--larder-docs--";

async fn check_snippet(directory: &Path, text: &str) -> Result<(), String> {
    fs::write(directory.join("snippet.toml"), whole(text)).unwrap();
    let said = bash(directory, "larder check --config snippet.toml && echo fine").await;
    // Certificates and keys are the reader's own.
    let is_fine = |line: &str| line.contains("cannot be read") || line.starts_with("larder: ");
    if said.ends_with("fine\n") || said.lines().all(is_fine) { Ok(()) } else { Err(said) }
}

/// A command of a page, and where.
struct Asked {
    line: usize,
    text: String,
    prints: Prints,
}

/// What is to be done for a page.
#[derive(Default)]
struct Work {
    script: String,
    asked: Vec<Asked>,
    wrong: Vec<String>,
}

/// Does what a page says; what it says wrong.
async fn follow(page: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let is_elsewhere = |text: &str| ELSEWHERE.iter().any(|(command, _)| *command == text);
    let mut steps = steps(page);
    steps.retain(|it| !matches!(it, Step::Command { text, .. } if is_elsewhere(text)));
    let commands = steps.iter().any(|it| matches!(it, Step::Command { .. }));
    let writes = steps.iter().any(|it| matches!(it, Step::File { .. }));
    let (_origin, ports, script) = match commands && !writes {
        true => stage::set().await,
        false => (crate::support::Origin::refusing().await, Ports::free(), String::new()),
    };
    let mut work = Work { script, ..Work::default() };
    for step in steps {
        work.take(directory.path(), &ports, step).await;
    }
    if work.asked.is_empty() {
        return work.wrong;
    }
    let said = bash(directory.path(), &work.script).await;
    work.compared(&ports, &said)
}

impl Work {
    async fn take(&mut self, directory: &Path, ports: &Ports, step: Step) {
        match step {
            Step::Wrong { line, why } => self.wrong.push(format!("line {line}: {why}")),
            Step::Snippet { line, text } => {
                if let Err(said) = check_snippet(directory, &text).await {
                    self.wrong.push(format!("line {line}: {said}"));
                }
            }
            Step::File { name, text } => {
                let text = ports.put(&text);
                writeln!(self.script, "cat >{name} <<'LARDER_FILE'\n{text}LARDER_FILE").unwrap();
            }
            Step::Command { line, text, prints } => {
                writeln!(self.script, "{}\necho \"{MARK}$?\"", ports.put(&text)).unwrap();
                self.asked.push(Asked { line, text, prints });
            }
        }
    }

    /// Compares what was printed with what was to be.
    fn compared(self, ports: &Ports, said: &str) -> Vec<String> {
        let Work { asked, mut wrong, .. } = self;
        let mut rest = said;
        for Asked { line, text, prints } in asked {
            let Some((printed, after)) = rest.split_once(MARK) else {
                wrong.push(format!("line {line}: {text}: was not reached; so far: {said}"));
                break;
            };
            let (code, after) = after.split_once('\n').unwrap_or((after, ""));
            if code != "0" {
                wrong.push(format!("line {line}: {text}: ends with {code}: {printed}"));
            }
            if let Prints::Lines(lines) = prints {
                let lines: Vec<String> = lines.iter().map(|line| ports.put(line)).collect();
                if !fits(&lines, &printed.lines().collect::<Vec<_>>()) {
                    let instead = lines.join("\n");
                    wrong.push(format!("line {line}: {text}: printed\n{printed}not\n{instead}"));
                }
            }
            rest = after;
        }
        wrong
    }
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
        ("```console\n$ echo one; false\none\n```", true),
        ("```console\n$ echo 'a\nb'\na\nb\n```", false),
        ("```console\none\n```", true),
        ("```text\n$ echo one\n```", true),
        ("```sh\necho one   # two\n```", false),
        ("```sh\nfalse\n```", true),
        ("Say `larder check`, or `larder --version`.", false),
        ("Say `larder chuck`.", true),
        ("Say `cargo frobnicate`.", true),
        ("Say `scripts/nothing.sh`.", true),
        ("Say `scripts/test.sh`, which is run elsewhere.", false),
        ("```toml\n[cache]\nttl = \"30s\"\n```", false),
        ("```toml\n[cache]\nttl = \"30 s\"\n```", true),
    ] {
        let found = follow(page).await;
        assert_eq!(!found.is_empty(), wrong, "what is wrong with {page}: {found:?}");
    }
}

#[test]
fn what_is_run_elsewhere_is_on_a_page() {
    let all = pages().into_iter().flat_map(|path| steps(&fs::read_to_string(path).unwrap()));
    let commands: BTreeSet<String> = all
        .filter_map(|it| match it {
            Step::Command { text, .. } => Some(text),
            Step::File { .. } | Step::Snippet { .. } | Step::Wrong { .. } => None,
        })
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gone: Vec<_> = ELSEWHERE.iter().filter(|(it, _)| !commands.contains(*it)).collect();
    assert!(gone.is_empty(), "on no page any more: {gone:#?}");
    for (command, _) in ELSEWHERE {
        let program = command.split(' ').next().expect("a word");
        let is_there = !program.starts_with("scripts/") || root.join(program).exists();
        assert!(is_there, "{program} is not there");
    }
    assert!(commands.len() > ELSEWHERE.len() + 20, "most are run here: {commands:#?}");
}

/// Where a piece of configuration in running text may stand.
const PLACES: [&str; 17] = [
    "",
    "[cache]\n",
    "[cache.redis]\nurl = \"redis://a\"\nsecret = \"0123456789abcdef\"\n[cache]\n",
    "[cache.memory]\n",
    "[cache.redis]\nsecret = \"0123456789abcdef\"\n",
    "tls.certificates = [{ cert = \"a\", key = \"b\" }]\ntls.listen = \"127.0.0.1:2\"\ntls.",
    "[log]\n",
    "[admin]\n",
    "[compression]\n",
    "[throttle]\nrate = \"1/s\"\n",
    "[batch]\npath = \"/b\"\n",
    "[limits]\n",
    "[[routes]]\nmatch = { path = \"/\" }\nshape.",
    "[[routes]]\nmatch = { path = \"/\" }\ncache.key.",
    "[[throttle]]\n",
    "[[routes]]\nmatch = { path = \"/\" }\n",
    "[upstreams.api]\nurl = \"http://b\"\n",
];

/// `key = value` in the text of pages, whole ones.
fn keys(page: &str) -> Vec<&str> {
    let outside = page.split("```").step_by(2);
    let codes = outside.flat_map(|text| text.split('`').skip(1).step_by(2));
    let is_key = |code: &&str| {
        let Some((key, value)) = code.split_once(" = ") else { return false };
        let word = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
        key.chars().all(word) && !value.contains('…') && !code.contains('\n')
    };
    codes.filter(is_key).collect()
}

#[test]
fn every_key_in_a_table_is_one_that_larder_takes() {
    let env = |_: &str| Some("0123456789abcdef".to_owned());
    let is_right = |code: &str, place: &str| {
        let key = code.split(" = ").next();
        let top = ["upstream = \"http://a\"\n", "listen = \"127.0.0.1:1\"\n"];
        let clashes = |line: &str| place.is_empty() && line.split(" = ").next() == key;
        let top: String = top.into_iter().filter(|line| !clashes(line)).collect();
        larder::config::parse("p", &format!("{top}{place}{code}\n"), &env).is_ok()
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for code in keys(&page) {
            seen += 1;
            if !PLACES.iter().any(|place| is_right(code, place)) {
                wrong.push(format!("{}: {code}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "right in no place: {wrong:#?}");
    assert!(seen > 60, "{seen} pieces");
}
