use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;

use super::support::{MAX_IDLE, OK, Origin, get, idle_connection, run, text};

#[test]
fn a_connection_is_used_again() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        for _ in 0..3 {
            let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        }
        origin.assert_no_other("one connection serves them all");
    });
}

#[test]
fn a_chunked_body_with_trailers_gives_its_connection_back() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                           2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(CHUNKED));
        let mut body = answer.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["x-sum"], "7");
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        answer.unwrap();
        origin.assert_no_other("trailers end the body");
    });
}

#[test]
fn the_last_connection_put_back_is_used_first() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let (first, mut old) = tokio::join!(get(&upstream), origin.serve(OK));
        let (second, mut young) = tokio::join!(get(&upstream), origin.serve(OK));
        text(first.unwrap()).await.unwrap();
        text(second.unwrap()).await.unwrap();
        let (answer, ()) = tokio::join!(get(&upstream), young.serve(OK));
        // While that one is busy, the older one serves.
        let (other, ()) = tokio::join!(get(&upstream), old.serve(OK));
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(text(other.unwrap()).await.unwrap(), "ok");
        origin.assert_no_other("two connections are enough");
    });
}

#[test]
fn an_idle_connection_is_closed_after_four_seconds_without_traffic() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        clock.until_sleeping(MAX_IDLE).await;
        clock.advance(MAX_IDLE);
        assert_eq!(peer.rest().await, b"", "closed by us, with no request");
        idle_connection(&origin, &upstream).await;
    });
}

#[test]
fn each_idle_connection_has_its_own_four_seconds() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let (first, mut old) = tokio::join!(get(&upstream), origin.serve(OK));
        let (second, mut young) = tokio::join!(get(&upstream), origin.serve(OK));
        text(first.unwrap()).await.unwrap();
        clock.until_sleeping(MAX_IDLE).await;
        clock.advance(Duration::from_secs(3));
        text(second.unwrap()).await.unwrap();
        clock.until_sleeping(Duration::from_secs(1)).await;
        clock.advance(Duration::from_secs(1));
        old.rest().await;
        clock.until_sleeping(Duration::from_secs(3)).await;
        let (answer, ()) = tokio::join!(get(&upstream), young.serve(OK));
        assert_eq!(answer.unwrap().status(), StatusCode::OK, "one second old, and in use again");
    });
}

#[test]
fn a_connection_that_is_too_old_is_not_used_even_before_it_is_swept() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let _old = idle_connection(&origin, &upstream).await;
        // No task has run between the advance and the next request.
        clock.advance(MAX_IDLE);
        idle_connection(&origin, &upstream).await;
    });
}

#[test]
fn an_upstream_that_is_dropped_closes_its_idle_connections() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        clock.until_sleeping(MAX_IDLE).await;
        drop(upstream);
        assert_eq!(peer.rest().await, b"");
        while clock.is_sleeping(MAX_IDLE) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_body_that_outlives_its_upstream_can_be_read_and_closes_its_connection() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(OK));
        drop(upstream);
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert_eq!(peer.rest().await, b"");
    });
}

#[test]
fn a_connection_that_is_to_close_is_not_used_again() {
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    const HTTP_1_0: &str = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for last in [CLOSE, HTTP_1_0] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(last));
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            assert_eq!(peer.rest().await, b"", "we close it, although the origin does not");
            idle_connection(&origin, &upstream).await;
        });
    }
}

#[test]
fn a_connection_with_bytes_after_the_answer_is_not_used_again() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let answer = format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison");
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(&answer));
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        peer.rest().await;
        idle_connection(&origin, &upstream).await;
    });
}

#[test]
fn a_body_that_is_dropped_early_closes_its_connection() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart";
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(part));
        let mut response = answer.unwrap();
        let frame = response.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "part");
        drop(response);
        peer.rest().await;
        idle_connection(&origin, &upstream).await;
    });
}

#[test]
fn a_request_that_is_dropped_closes_its_connection() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut sending = Box::pin(get(&upstream));
        let mut peer = tokio::select! {
            _ = &mut sending => panic!("nobody has answered"),
            peer = async { let mut peer = origin.accept().await; peer.head().await; peer } => peer,
        };
        drop(sending);
        assert_eq!(peer.rest().await, b"");
    });
}
