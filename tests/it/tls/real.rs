//! TLS as curl, openssl and a browser speak it.

use std::{
    process::{Output, Stdio},
    sync::LazyLock,
};

use tokio::process::Command;

use super::authority;
use crate::support::{Authority, Origin, Place, Proxy, Reply, within, within_long};

/// Runs a program to its end, with nothing to read.
async fn run(program: &str, package: &str, args: &[&str]) -> Output {
    within(program, output(program, package, args)).await
}

async fn output(program: &str, package: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    output.await.unwrap_or_else(|error| {
        panic!("{program}: {error}: apt-get install {package}, or run scripts/test.sh")
    })
}

fn port(place: &Place) -> u16 {
    let Place::Tcp(addr) = place else { panic!("it is TCP") };
    addr.port()
}

/// What curl gets of `https://<name>/`: version, status and body; or its exit code.
async fn curl(
    (authority, proxy): (&Authority, &Proxy),
    name: &str,
    args: &[&str],
) -> Result<String, i32> {
    let port = port(&proxy.tls());
    let (resolve, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/"));
    let root = authority.file("root.pem");
    let format = "\n%{http_version} %{http_code}";
    let fixed = ["-sS", "--max-time", "15", "--resolve", &resolve, "--cacert", &root, "-w", format];
    let output = run("curl", "curl", &[&fixed[..], args, &[&url]].concat()).await;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).replace('\n', " ")),
        code => Err(code.unwrap_or_default()),
    }
}

/// What `openssl s_client` says, all of it.
async fn s_client(proxy: &Proxy, args: &[&str]) -> String {
    let at = format!("127.0.0.1:{}", port(&proxy.tls()));
    let output = run("openssl", "openssl", &[&["s_client", "-connect", &at], args].concat()).await;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn curl_gets_the_certificate_of_the_name_by_both_protocols() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    authority.issue("b", &["*.b.test"]);
    let origin =
        Origin::serve(|seen| Reply::fresh(60, seen.header("host").unwrap().to_owned())).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["a", "b"])).await;
    let it = (&authority, &proxy);
    let port = port(&proxy.tls());
    for name in ["a.test", "x.b.test", "y.b.test"] {
        let host = format!("{name}:{port}");
        assert_eq!(curl(it, name, &["--http2"]).await, Ok(format!("{host} 2 200")));
        assert_eq!(curl(it, name, &["--http1.1"]).await, Ok(format!("{host} 1.1 200")));
    }
    const UNVERIFIED: i32 = 60;
    for name in ["b.test", "y.x.b.test", "c.test"] {
        assert_eq!(curl(it, name, &[]).await, Err(UNVERIFIED), "{name} gets the first one");
        let any = curl(it, name, &["-k"]).await;
        assert_eq!(any, Ok(format!("{name}:{port} 2 200")), "and is served");
    }
}

#[tokio::test]
async fn openssl_agrees_on_versions_and_protocols() {
    let authority = authority();
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let root = authority.file("root.pem");
    let verified = ["-servername", "api.test", "-verify_hostname", "api.test", "-CAfile", &root];
    for (args, expected) in [
        (&["-tls1_2"][..], &["TLSv1.2", "Verify return code: 0 (ok)"][..]),
        (&["-tls1_3"], &["TLSv1.3", "Verify return code: 0 (ok)"]),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &["SSL alert number", "Cipher is (NONE)"]),
        (&["-alpn", "h2,http/1.1"], &["ALPN protocol: h2"]),
        (&["-alpn", "http/1.1"], &["ALPN protocol: http/1.1"]),
        (&["-alpn", "smtp"], &["alert no application protocol"]),
        (&["-tls1_2", "-cipher", "AES128-SHA"], &["alert handshake failure"]),
    ] {
        let told = s_client(&proxy, &[&verified[..], args].concat()).await;
        for words in expected {
            assert!(told.contains(words), "{args:?}: {words} in {told}");
        }
    }
    proxy.reload(&authority.tls("min_version = \"1.3\"", &["site"]));
    let told = s_client(&proxy, &["-tls1_2", "-servername", "api.test"]).await;
    assert!(told.contains("alert protocol version"), "{told}");
    let told = s_client(&proxy, &["-tls1_3", "-servername", "api.test"]).await;
    assert!(told.contains("TLSv1.3"), "{told}");
}

#[tokio::test]
async fn a_name_without_a_certificate_can_be_refused() {
    let authority = authority();
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let unknown = [&["-servername", "other.test"][..], &["-noservername"]];
    for args in unknown {
        let told = s_client(&proxy, args).await;
        assert!(told.contains("subject=O = Tests, CN = site"), "{args:?}: {told}");
    }
    proxy.reload(&authority.tls("unknown_name = \"refuse\"", &["site"]));
    for args in unknown {
        let told = s_client(&proxy, args).await;
        assert!(told.contains("alert access denied"), "{args:?}: {told}");
    }
    let told = s_client(&proxy, &["-servername", "api.test"]).await;
    assert!(told.contains("subject=O = Tests, CN = site"), "{told}");
}

#[tokio::test]
async fn curl_and_openssl_show_certificates_of_their_own() {
    let authority = authority();
    authority.issue("alice", &["alice.test"]);
    let origin =
        Origin::serve(|seen| Reply::ok(seen.header("x-subject").unwrap_or("nobody").to_owned()))
            .await;
    let ca = authority.file("root.pem");
    let more = format!(
        "client_certificates = \"require\"\nclient_ca = \"{ca}\"\nclient_subject = \"X-Subject\""
    );
    let proxy = Proxy::with(&origin, &authority.tls(&more, &["site"])).await;
    let (cert, key) = (authority.file("alice.pem"), authority.file("alice.key"));
    for version in [&["--tls-max", "1.2"], &["--tlsv1.3", "--http2"]] {
        let it = (&authority, &proxy);
        assert!(curl(it, "api.test", version).await.is_err(), "{version:?}");
        let args = [&["--cert", &cert, "--key", &key], &version[..]].concat();
        assert_eq!(curl(it, "api.test", &args).await, Ok("CN=alice,O=Tests 2 200".to_owned()));
    }
    let told = s_client(&proxy, &["-tls1_2"]).await;
    assert!(told.contains("Acceptable client certificate CA names"), "{told}");
    let told = s_client(&proxy, &["-tls1_2", "-cert", &cert, "-key", &key]).await;
    assert!(told.contains("New, TLSv1.2"), "{told}");
}

/// The hash of a certificate's public key, as Chromium names one that it is to trust.
async fn key_hash(authority: &Authority) -> String {
    let cert = authority.file("site.pem");
    let pipe = format!(
        "openssl x509 -in '{cert}' -pubkey -noout | openssl pkey -pubin -outform der \
         | openssl dgst -sha256 -binary | openssl base64 -A"
    );
    let output = run("sh", "dash", &["-c", &pipe]).await;
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_browser_speaks_http_2_and_keeps_to_https() {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        "<script>onload = async () => {
            const entry = performance.getEntriesByType('navigation')[0];
            const told = (await fetch('/data')).headers.get('cache-status');
            document.body.textContent = `${entry.nextHopProtocol}|${location.protocol}|${told}|`;
        }</script><body>not run</body>"
            .to_owned()
    });
    let authority = authority();
    let origin = Origin::serve(|seen| match &*seen.target {
        "/data" => Reply::fresh(60, "{}").undated(),
        _ => Reply::ok(PAGE.as_str()).header("Content-Type", "text/html").undated(),
    })
    .await;
    let proxy = Proxy::with(&origin, &authority.tls("redirect = \"127.0.0.1:0\"", &["site"])).await;
    let (secure, plain) = (port(&proxy.tls()), port(&proxy.redirect()));
    let profile = tempfile::tempdir().unwrap();
    let arguments = [
        "--headless".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-background-networking".to_owned(),
        "--virtual-time-budget=10000".to_owned(),
        "--dump-dom".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
        format!("--ignore-certificate-errors-spki-list={}", key_hash(&authority).await),
        format!(
            "--host-resolver-rules=MAP api.test:443 127.0.0.1:{secure}, \
             MAP api.test:80 127.0.0.1:{plain}"
        ),
        "http://api.test/page".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = within_long("the browser", output("chromium", "chromium", &arguments)).await;
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(page.contains("h2|https:|larder; fwd=uri-miss; stored"), "{page}\n{said}");
    let seen = origin.seen();
    let page = seen.iter().find(|seen| seen.target == "/page").expect("it was asked for");
    assert_eq!(page.header("x-forwarded-proto"), Some("https"), "after the redirect");
}
