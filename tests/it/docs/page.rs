//! What a page has one do, in its order.
//!
//! In a `console` block a line that begins with `$ ` is a command, going on while a quote is open
//! or after a `\`; what follows is what it prints. Each line of an `sh` block is a command, and so
//! is what stands in `code` and begins with a program of ours. A `toml` block that begins with
//! `# proxy.toml` is that file from there on; others are a configuration that is to be right.

/// A page's next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    File { name: String, text: String },
    Snippet { line: usize, text: String },
    Command { line: usize, text: String, prints: Prints },
    Wrong { line: usize, why: &'static str },
}

/// What a command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prints {
    /// The page does not say.
    Anything,
    Lines(Vec<String>),
}

/// What commands in running text begin with.
const OURS: [&str; 5] = ["larder ", "cargo ", "scripts/", "systemctl ", "systemd-"];

/// Text outside of blocks, or a block of a kind, and at which line it begins.
type Part<'a> = (usize, Option<&'a str>, Vec<&'a str>);

fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = vec![(1, None, Vec::new())];
    for (at, line) in page.lines().enumerate() {
        let (_, kind, lines) = parts.last_mut().expect("there is one from the beginning");
        match (line.strip_prefix("```"), kind.is_some()) {
            (Some(kind), false) => parts.push((at + 2, Some(kind.trim()), Vec::new())),
            (Some(_), true) => parts.push((at + 2, None, Vec::new())),
            (None, _) => lines.push(line),
        }
    }
    parts
}

/// All of a page.
pub(super) fn steps(page: &str) -> Vec<Step> {
    parts(page)
        .into_iter()
        .flat_map(|(line, kind, lines)| match kind {
            None => mentioned(line, &lines),
            Some("console") => shown(line, &lines),
            Some("sh") => told(line, &lines),
            Some("toml") => vec![written(line, &lines)],
            Some(_) if lines.iter().any(|it| it.starts_with("$ ")) => {
                vec![Step::Wrong { line, why: "has commands, and is no console block" }]
            }
            Some(_) => Vec::new(),
        })
        .collect()
}

fn written(line: usize, lines: &[&str]) -> Step {
    let text = lines.join("\n") + "\n";
    match lines.first().and_then(|first| first.strip_prefix("# proxy.toml")) {
        Some(_) => Step::File { name: "proxy.toml".into(), text },
        None => Step::Snippet { line, text },
    }
}

/// Whether a command goes on in the next line.
fn is_open(text: &str) -> bool {
    text.ends_with('\\') || text.matches('\'').count() % 2 == 1
}

fn shown(first: usize, lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let at = first + at;
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(Step::Command { text, .. })) if is_open(text) => {
                text.push('\n');
                text.push_str(line);
            }
            (Some(command), _) => {
                let (text, prints) = (command.to_owned(), Prints::Lines(Vec::new()));
                steps.push(Step::Command { line: at, text, prints });
            }
            (None, Some(Step::Command { prints: Prints::Lines(prints), .. })) => {
                prints.push((*line).to_owned());
            }
            (None, _) => {
                steps.push(Step::Wrong { line: at, why: "begins with no command" });
            }
        }
    }
    steps
}

fn told(first: usize, lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match steps.last_mut() {
            Some(Step::Command { text, .. }) if is_open(text) => {
                text.push('\n');
                text.push_str(line);
            }
            _ => steps.extend(command(first + at, line)),
        }
    }
    steps
}

/// A line without its comment.
fn command(line: usize, text: &str) -> Option<Step> {
    let text = text.split(" #").next().unwrap_or_default().trim();
    let prints = Prints::Anything;
    (!text.is_empty()).then(|| Step::Command { line, text: text.to_owned(), prints })
}

fn mentioned(first: usize, lines: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let codes = line.split('`').skip(1).step_by(2);
        let ours = codes.filter(|code| OURS.iter().any(|it| code.starts_with(it)));
        steps.extend(ours.filter_map(|code| command(first + at, code)));
    }
    steps
}
