//! What is made of a file, and every problem as the operator reads it.

mod batch;
mod limits;
mod mistakes;
mod random;
mod redis;
mod sections;
mod shape;
mod tls;

use super::*;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "8081",
        "API" => "http://api.internal:3000",
        "SECRET_URL" => "http://hidden.internal:99999",
        "SECRET" => "s3cr3t",
        "SIZE" => "16MiB",
        "MANY" => "20000",
        _ => return None,
    };
    Some(value.to_owned())
}

fn compile(text: &str) -> Result<Config, Vec<String>> {
    let problems = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    parse("p", text, &env).map_err(problems)
}

/// The two lines of the smallest file, and what comes below them, from line 3 on.
fn with(text: &str) -> Result<Config, Vec<String>> {
    compile(&format!("listen = '127.0.0.1:80'\nupstream = 'http://a'\n{text}"))
}

/// Asserts the problems of each text that stands below the two lines.
fn problems(table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        assert_eq!(with(text).err().unwrap_or_default(), *expected, "{text}");
    }
}
