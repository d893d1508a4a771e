//! The Debian package, as far as it can be tried in seconds and without root: what is in it, and
//! what its scripts do to a system, whose programs stand-ins write down. scripts/packages.sh tries
//! the same package in a clean Debian.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use tokio::process::Command;

use crate::support::within_long;

const UNIT: &str = include_str!("../../packaging/larder.service");

/// A package of this very program, and its parts.
struct Package {
    directory: tempfile::TempDir,
}

async fn run(command: &mut Command) -> Output {
    let named = format!("{command:?}");
    let output = within_long(&named, command.kill_on_drop(true).output()).await;
    output.unwrap_or_else(|error| panic!("{named}: {error}: scripts/test.sh installs it"))
}

/// What it says, where it succeeds.
async fn said(command: &mut Command) -> String {
    let output = run(command).await;
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

impl Package {
    async fn built() -> Package {
        let package = Package { directory: tempfile::tempdir().unwrap() };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deb.sh");
        said(Command::new(script).arg(env!("CARGO_BIN_EXE_larder")).arg(package.file())).await;
        let (file, root) = (package.file(), package.at("root"));
        said(Command::new("dpkg-deb").arg("--raw-extract").args([&file, &root])).await;
        package
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.at("larder.deb")
    }

    /// A file of it, as text.
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at("root").join(name)).unwrap_or_else(|it| panic!("{name}: {it}"))
    }

    /// The lines of its contents: rights, owner, path.
    async fn contents(&self) -> Vec<[String; 3]> {
        let told = said(Command::new("dpkg-deb").arg("--contents").arg(self.file())).await;
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [words[0], words[1], words[5]].map(str::to_owned)
        };
        told.lines().map(line).collect()
    }

    /// What one of its scripts has others do.
    async fn asks(&self, script: &str, arguments: &[&str]) -> Vec<String> {
        let (bin, calls) = (self.at("bin"), self.at("calls"));
        fs::create_dir_all(&bin).unwrap();
        fs::write(&calls, "").unwrap();
        for program in ["systemd-sysusers", "deb-systemd-helper", "deb-systemd-invoke", "systemctl"]
        {
            let stand_in = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\n";
            fs::write(bin.join(program), stand_in).unwrap();
            fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut command = Command::new(self.at("root/DEBIAN").join(script));
        command.args(arguments).env("PATH", path).env("CALLS", &calls);
        said(command.env("DPKG_ROOT", self.at("system"))).await;
        let system = self.at("system").display().to_string();
        let calls = fs::read_to_string(&calls).unwrap();
        calls.lines().map(|line| line.replace(&system, "…")).collect()
    }
}

#[tokio::test]
async fn what_is_in_it_is_in_its_place() {
    let package = Package::built().await;
    let contents = package.contents().await;
    for [rights, owner, path] in &contents {
        let plain = ["drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"].contains(&&**rights);
        assert!(plain, "{rights} {path}: nothing is for some alone, nothing gives rights");
        assert_eq!(owner, "root/root", "{path}");
        let program = path == "./usr/bin/larder";
        assert_eq!(rights == "-rwxr-xr-x", program, "{path}: the program alone is run");
    }
    let has = |path: &str| contents.iter().any(|[.., it]| it == &format!(".{path}"));
    for path in [
        "/usr/bin/larder",
        "/etc/larder/proxy.toml",
        "/lib/systemd/system/larder.service",
        "/lib/systemd/system/larder.socket",
        "/usr/lib/sysusers.d/larder.conf",
        "/usr/share/bash-completion/completions/larder",
        "/usr/share/zsh/vendor-completions/_larder",
        "/usr/share/fish/vendor_completions.d/larder.fish",
        "/usr/share/doc/larder/copyright",
        "/usr/share/doc/larder/changelog.gz",
        "/usr/share/doc/larder/CHANGELOG.md",
        "/usr/share/doc/larder/README.md",
        "/usr/share/doc/larder/docs/start.md",
        "/usr/share/doc/larder/docs/proxy.schema.json",
        "/usr/share/doc/larder/packaging/grafana/larder.json",
    ] {
        assert!(has(path), "{path} is in {contents:#?}");
    }
    for page in ["", "-run", "-check", "-demo", "-purge", "-explain", "-schema", "-man"] {
        let path = format!("/usr/share/man/man1/larder{page}.1.gz");
        assert!(has(&path), "{path}");
    }
    let sums = package.at("root");
    said(Command::new("md5sum").args(["--check", "--quiet", "DEBIAN/md5sums"]).current_dir(sums))
        .await;
}

#[tokio::test]
async fn its_control_file_its_unit_and_its_user_fit_each_other() {
    let package = Package::built().await;
    let field = async |name: &str| {
        let mut command = Command::new("dpkg-deb");
        said(command.arg("--field").arg(package.file()).arg(name)).await.trim().to_owned()
    };
    assert_eq!(field("Version").await, env!("CARGO_PKG_VERSION"));
    let depends = field("Depends").await;
    assert!(depends.contains("libc6 (>= "), "what it links to: {depends}");
    assert!(depends.contains("systemd"), "what makes its user: {depends}");
    assert_eq!(package.text("DEBIAN/conffiles"), "/etc/larder/proxy.toml\n", "all in /etc");
    assert_eq!(package.text("etc/larder/proxy.toml"), include_str!("../../proxy.toml"));
    let of_unit = |key: &str| {
        let line = UNIT.lines().find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!(of_unit("ExecStart"), "/usr/bin/larder run --config /etc/larder/proxy.toml");
    let user = of_unit("User");
    let users = package.text("usr/lib/sysusers.d/larder.conf");
    assert!(users.lines().any(|line| line.starts_with(&format!("u {user} - "))), "{users}");
    let address = package.text("lib/systemd/system/larder.socket");
    assert!(address.contains("ListenStream=0.0.0.0:8080"), "docs/service.md says which: {address}");
}

#[tokio::test]
async fn its_scripts_do_what_debian_expects_of_them() {
    let package = Package::built().await;
    for script in ["postinst", "prerm", "postrm"] {
        let text = package.text(&format!("DEBIAN/{script}"));
        assert!(text.starts_with("#!/bin/sh\nset -e\n"), "{script}: {text}");
        said(Command::new("sh").arg("-n").arg(package.at("root/DEBIAN").join(script))).await;
    }
    let user = "systemd-sysusers --root=… larder.conf";
    let configure = package.asks("postinst", &["configure", ""]).await;
    assert_eq!(configure, [user], "in a chroot, where nothing runs and nothing can be enabled");

    let (system, helper) = (package.at("system"), package.at("system/usr/bin"));
    fs::create_dir_all(system.join("run/systemd/system")).unwrap();
    fs::create_dir_all(&helper).unwrap();
    fs::copy(package.at("bin/systemctl"), helper.join("deb-systemd-helper")).unwrap();
    let enabling = [
        "deb-systemd-helper unmask larder.service",
        "deb-systemd-helper --quiet was-enabled larder.service",
        "deb-systemd-helper enable larder.service",
        "deb-systemd-helper update-state larder.socket",
        "systemctl --system daemon-reload",
    ];
    let reload = ["systemctl --system daemon-reload"];
    let stop = ["deb-systemd-invoke stop larder.socket larder.service"];
    let purge = ["deb-systemd-helper purge larder.service larder.socket"];
    let with = |first: &[&str], last: &str| {
        let all = first.iter().chain(&enabling).copied().chain([last]);
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let texts = |calls: &[&str]| calls.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let (start, restart) =
        ("deb-systemd-invoke start larder.service", "deb-systemd-invoke restart larder.service");
    let logs = system.join("var/log/larder");
    fs::create_dir_all(&logs).unwrap();
    for (script, arguments, expected) in [
        ("postinst", &["configure", ""][..], with(&[user], start)),
        ("prerm", &["upgrade", "0.2"], Vec::new()),
        ("postrm", &["upgrade", "0.2"], Vec::new()),
        ("postinst", &["configure", "0.1"], with(&[user], restart)),
        ("postinst", &["abort-upgrade", "0.2"], with(&[], restart)),
        ("prerm", &["remove"], texts(&stop)),
        ("postrm", &["remove"], texts(&reload)),
        ("postrm", &["purge"], texts(&purge)),
    ] {
        assert!(logs.exists(), "logs stay until a purge: {script} {arguments:?}");
        assert_eq!(package.asks(script, arguments).await, expected, "{script} {arguments:?}");
    }
    assert!(!logs.exists(), "a purge takes them (Debian Policy 10.8)");
}
