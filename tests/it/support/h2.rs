//! A client that speaks HTTP/2 with prior knowledge.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::{Answer, Broken, Target, place::Duplex, wire::Fields, within};

/// One HTTP/2 connection. Closed on drop.
#[derive(Debug)]
pub(crate) struct H2 {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl H2 {
    /// Connects, and begins in HTTP/2.
    pub(crate) async fn connect(target: &impl Target) -> H2 {
        H2::over(target.place().connect().await.into_duplex()).await
    }

    /// Over a connection that is there, whatever it is.
    pub(crate) async fn over(connection: Box<dyn Duplex>) -> H2 {
        let io = TokioIo::new(connection);
        let handshake = http2::handshake(TokioExecutor::new(), io);
        let (sender, connection) = within("a handshake", handshake).await.expect("HTTP/2");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        H2 { sender, connection }
    }

    /// A GET of `path` from `api.test`.
    ///
    /// # Errors
    /// What went wrong, and what came.
    pub(crate) async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Broken> {
        let mut request = Request::get(format!("http://api.test{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).expect("a good request")).await
    }

    /// Any request.
    ///
    /// # Errors
    /// What went wrong, and what came.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Broken> {
        let mut sender = self.sender.clone();
        let response = within("a response", sender.send_request(request)).await;
        match response {
            Ok(response) => read(response).await,
            Err(error) => Err(broken(&error, Answer::default())),
        }
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, Broken> {
    let (head, mut body) = response.into_parts();
    let mut answer =
        Answer { status: head.status.as_u16(), fields: fields(&head.headers), ..Answer::default() };
    while let Some(frame) = within("more of a body", body.frame()).await {
        match frame {
            Err(error) => return Err(broken(&error, answer)),
            Ok(frame) => match frame.into_data() {
                Ok(data) => answer.body.extend_from_slice(&data),
                Err(frame) => answer.trailers.extend(frame.trailers_ref().map(fields).unwrap()),
            },
        }
    }
    Ok(answer)
}

fn fields(headers: &HeaderMap) -> Fields {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

fn broken(error: &hyper::Error, so_far: Answer) -> Broken {
    Broken { why: error.to_string(), so_far: Box::new(so_far) }
}
