//! The commands of pages that are not run here, each with where it is, or why nowhere.

/// Makes a release, or measures for minutes.
const MINUTES: &str = "takes minutes; its parts are built by cargo test";
/// Changes the machine.
const SYSTEMD: &str = "needs root and systemd: scripts/deb-systemd.sh has systemd do it";
/// Stands for all that begin so.
const NAME: &str = "names the command; README.md has whole ones, which are run";

pub(super) const ELSEWHERE: [(&str, &str); 28] = [
    ("cargo run --release -- demo", "makes a release; tests/it/demo.rs runs the demo"),
    ("scripts/test.sh", "is what runs this"),
    ("cargo install --path .", "installs for the user who tests"),
    ("larder run", "goes on: docs/start.md runs it in the background"),
    ("larder purge", NAME),
    ("larder purge --url", NAME),
    ("larder purge --soft", NAME),
    (
        "install -m 644 packaging/larder.service packaging/larder.socket /etc/systemd/system/",
        SYSTEMD,
    ),
    ("useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin larder", SYSTEMD),
    ("systemctl enable --now larder.socket larder.service", SYSTEMD),
    ("systemctl reload larder", SYSTEMD),
    ("systemctl restart larder", SYSTEMD),
    (
        "systemd-analyze security --offline=true packaging/larder.service",
        "scripts/deb-smoke.sh does it, and holds the figure under 2",
    ),
    ("scripts/deb.sh", "makes a release; tests/it/package.rs packs the program that is tested"),
    ("scripts/packages.sh", "needs root, and ten minutes"),
    ("scripts/conformance.sh", "scripts/test.sh runs it"),
    (
        "scripts/conformance.sh target/release/larder",
        "scripts/test.sh runs it, with the other program",
    ),
    ("scripts/instructions.sh", "scripts/test.sh runs it"),
    ("scripts/instructions.sh --release", MINUTES),
    (
        "apt-get install wrk nghttp2-client nginx-light haproxy varnish",
        "installs programs, as root",
    ),
    ("cargo bench --bench peers", MINUTES),
    ("cargo bench --bench peers -- --quick hit-1k", MINUTES),
    ("cargo bench --bench peers -- --json peers.json --svg docs/peers", MINUTES),
    ("cargo bench --bench peers -- gzip-10k gzip-100k saved first-byte encoders", MINUTES),
    ("cargo bench --bench peers -- batch-50 fields", MINUTES),
    ("cargo bench --bench redis", MINUTES),
    ("cargo bench --bench hit_path", MINUTES),
    ("cargo test --test allocations", "cargo test runs it"),
];
