//! Where it listens.

use std::os::unix::net::UnixListener;

use tokio::net::UnixStream;

use super::*;

async fn ask(stub: &Stub, path: &std::path::Path) -> String {
    let mut client = within("a connection", UnixStream::connect(path)).await.unwrap();
    client.write_all(b"GET /unix HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut all = String::new();
    within("the answer", client.read_to_string(&mut all)).await.unwrap();
    assert!(stub.counters.connections.get() > 0);
    all
}

fn unix(path: &std::path::Path) -> Config {
    Config { listen: vec![Listen::Unix(path.to_owned())], ..config() }
}

#[tokio::test]
async fn every_listener_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder");
    let mut config = config();
    config.listen.push(Listen::Tcp(([127, 0, 0, 1], 0).into()));
    config.listen.push(Listen::Unix(path.clone()));
    let stub = Stub::with(&config, echo).unwrap();
    let addresses = stub.front.addresses().to_vec();
    assert_eq!(addresses.len(), 3);
    for address in addresses {
        match address {
            Listen::Tcp(addr) => {
                assert_ne!(addr.port(), 0, "as bound");
                let mut client = Wire(TcpStream::connect(addr).await.unwrap());
                assert!(client.get("/x").await.ends_with("/x"));
            }
            Listen::Unix(path) => assert!(ask(&stub, &path).await.ends_with("/unix")),
        }
    }
    within("the drain", stub.front.drain()).await;
    assert!(!path.exists(), "the socket's file goes with it");
}

#[tokio::test]
async fn the_peer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder");
    let mut config = unix(&path);
    config.listen.push(Listen::Tcp("[::]:0".parse().unwrap()));
    let handler = |_, peer: Peer| std::future::ready(full(format!("{:?}", peer.addr)));
    let stub = Stub::with(&config, handler).unwrap();
    assert!(ask(&stub, &path).await.ends_with("Unix"));
    let Listen::Tcp(addr) = stub.front.addresses()[1] else { panic!("not TCP") };
    let mut client = Wire(TcpStream::connect(("127.0.0.1", addr.port())).await.unwrap());
    assert!(client.get("/").await.ends_with("Ip(127.0.0.1)"), "not ::ffff:127.0.0.1");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let first = Stub::start(echo);
    let mut config = config();
    config.listen = first.front.addresses().to_vec();
    let Err(error) = Stub::with(&config, echo) else { panic!("two on one port") };
    let (address, text) = (first.front.addresses()[0].to_string(), error.to_string());
    assert!(text.contains(&address) && text.contains("in use"), "{text}");
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves it behind, as a killed process does");
    let stub = Stub::with(&unix(&path), echo).unwrap();
    assert!(ask(&stub, &path).await.ends_with("/unix"));
}

#[tokio::test]
async fn a_socket_file_that_somebody_listens_on_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder");
    let first = Stub::with(&unix(&path), echo).unwrap();
    let Err(error) = Stub::with(&unix(&path), echo) else { panic!("two on one socket") };
    assert!(error.to_string().contains("in use"), "{error}");
    assert!(ask(&first, &path).await.ends_with("/unix"));
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let Err(error) = Stub::with(&unix(&path), echo) else { panic!("it is a file") };
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}
