//! One request on a connection of its own, in one expression.

use std::{future::IntoFuture, pin::Pin};

use super::{
    Answer, Broken, Client, Place, Target,
    client::Arriving,
    wire::{Fields, values},
};

/// A request in the making; `.await` sends it and gives the answer.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    place: Place,
    method: String,
    path: String,
    host: String,
    fields: Fields,
    body: Option<Vec<u8>>,
}

/// A GET of `path`.
pub(crate) fn get(target: &impl Target, path: &str) -> Ask {
    send(target, "GET", path)
}

/// A request of any method.
pub(crate) fn send(target: &impl Target, method: &str, path: &str) -> Ask {
    Ask {
        place: target.place(),
        method: method.to_owned(),
        path: path.to_owned(),
        host: "api.test".to_owned(),
        fields: Fields::new(),
        body: None,
    }
}

impl Ask {
    /// One more header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Ask {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another Host than `api.test`.
    pub(crate) fn host(mut self, host: &str) -> Ask {
        host.clone_into(&mut self.host);
        self
    }

    /// A body, with its Content-Length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(body.into());
        self
    }

    /// Sends it and gives the answer, or what came of it.
    ///
    /// # Errors
    /// What went wrong, and what came.
    pub(crate) async fn result(self) -> Result<Answer, Broken> {
        self.sent().await.read().await
    }

    /// Sends it and gives the answer's head; the body is read when the test says so.
    ///
    /// # Panics
    /// Where no head comes.
    pub(crate) async fn arriving(self) -> Arriving {
        let arriving = self.sent().await.arriving().await;
        arriving.unwrap_or_else(|broken| panic!("{broken}"))
    }

    /// Sends it, and reads nothing yet.
    pub(crate) async fn sent(self) -> Client {
        let mut client = Client::connect(&self.place).await;
        client.expect_answer_to(&self.method);
        client.write(self.bytes()).await;
        client
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body
            && values(&self.fields, "content-length").is_empty()
        {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let what = format!("{} {}", self.method, self.path);
            self.result().await.unwrap_or_else(|broken| panic!("{what}: {broken}"))
        })
    }
}
