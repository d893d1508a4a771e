//! A client over a raw socket: it can write anything, read as slowly as it likes, and leave.

use std::{collections::VecDeque, io};

use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::{
    Answer, Broken, Target,
    place::{Duplex, Socket, reset_on_close},
    wire::{Framing, Wire},
    within,
};

/// One connection, kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire<ReadHalf<Box<dyn Duplex>>>,
    write: WriteHalf<Box<dyn Duplex>>,
    socket: Option<socket2::Socket>,
    /// For each request that was asked and not read: whether it was HEAD, which has no body.
    heads: VecDeque<bool>,
}

/// A response whose head is there, and whose body is read only when the test says so.
#[derive(Debug)]
pub(crate) struct Arriving {
    client: Client,
    answer: Answer,
    framing: Framing,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(target: &impl Target) -> Client {
        Client::on(target.place().connect().await)
    }

    /// Connects with a receive buffer so small that what is not read holds the sender up.
    pub(crate) async fn connect_narrow(target: &impl Target) -> Client {
        Client::on(target.place().connect_narrow().await)
    }

    fn on(connection: Socket) -> Client {
        let socket = connection.handle();
        Client { socket, ..Client::over(connection.into_duplex()) }
    }

    /// Over a connection that is there, whatever it is. It cannot be reset.
    pub(crate) fn over(connection: Box<dyn Duplex>) -> Client {
        let (read, write) = tokio::io::split(connection);
        let socket = None;
        Client { wire: Wire::new(read), write, socket, heads: VecDeque::new() }
    }

    /// Writes bytes as they are.
    ///
    /// # Panics
    /// Where the other side has gone.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.unwrap_or_else(|error| panic!("writing: {error}"));
    }

    /// Writes bytes as they are, to somebody who may have gone.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("a write", async {
            self.write.write_all(bytes.as_ref()).await?;
            self.write.flush().await
        })
        .await
    }

    /// Writes a request without a body, by HTTP/1.1 to `api.test`.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.expect_answer_to(method);
        self.write(head + "\r\n").await;
    }

    /// Says which method the next request has that is written by hand (needed for HEAD alone).
    pub(crate) fn expect_answer_to(&mut self, method: &str) {
        self.heads.push_back(method == "HEAD");
    }

    /// Reads one whole response.
    ///
    /// # Errors
    /// What went wrong, and what came.
    pub(crate) async fn read(&mut self) -> Result<Answer, Broken> {
        let (mut answer, mut framing) = self.head().await?;
        while self.piece(&mut answer, &mut framing).await? {}
        Ok(answer)
    }

    /// Reads the head of a response, and leaves its body for later.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) async fn arriving(mut self) -> Result<Arriving, Broken> {
        let (answer, framing) = self.head().await?;
        Ok(Arriving { client: self, answer, framing })
    }

    /// Reads one 1xx response, such as 100, and says which.
    pub(crate) async fn read_early(&mut self) -> u16 {
        let head = within("an interim response", self.wire.head()).await;
        let (start, _) = head.expect("a head").expect("a response");
        status(&start).expect("a status line")
    }

    /// All bytes until the other side closes, whatever they are.
    ///
    /// # Errors
    /// Where it was reset.
    pub(crate) async fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(more) = within("bytes, or the end", self.wire.some(u64::MAX)).await? {
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// Exactly `n` bytes, whatever they are.
    pub(crate) async fn read_bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < n {
            let left = (n - bytes.len()) as u64;
            let more = within(format!("{left} more bytes"), self.wire.some(left)).await;
            bytes.extend_from_slice(&more.expect("no reset").expect("no end"));
        }
        bytes
    }

    /// Tells the other side that nothing more will be written.
    pub(crate) async fn finish(&mut self) {
        within("a shutdown", self.write.shutdown()).await.expect("the other side is there");
    }

    /// Leaves by a reset.
    pub(crate) fn reset(self) {
        reset_on_close(self.socket.as_ref());
    }

    async fn head(&mut self) -> Result<(Answer, Framing), Broken> {
        let is_head = self.heads.pop_front().unwrap_or_default();
        let mut answer = Answer::default();
        loop {
            let head = match within("a response head", self.wire.head()).await {
                Ok(Some(head)) => head,
                Ok(None) => return Err(broken("closed before a response", &answer)),
                Err(error) => return Err(broken(error, &answer)),
            };
            let Some(status) = status(&head.0) else {
                return Err(broken(format!("status line {:?}", head.0), &answer));
            };
            if (100..200).contains(&status) && status != 101 {
                answer.early.push(status);
                continue;
            }
            (answer.status, answer.fields) = (status, head.1);
            let framing = if is_head || matches!(status, 101 | 204 | 304) {
                Framing::Ended
            } else {
                Framing::of(&answer.fields, Framing::Close)
                    .map_err(|error| broken(error, &answer))?
            };
            return Ok((answer, framing));
        }
    }

    /// Reads one more piece of a body into `answer`; whether there was one.
    async fn piece(&mut self, answer: &mut Answer, framing: &mut Framing) -> Result<bool, Broken> {
        let piece = self.wire.piece(framing, &mut answer.trailers);
        match within("more of a body", piece).await {
            Ok(None) => Ok(false),
            Ok(Some(piece)) => {
                answer.body.extend_from_slice(&piece);
                Ok(true)
            }
            Err(error) => Err(broken(error, answer)),
        }
    }
}

impl Arriving {
    /// The head, and as much of the body as was read.
    pub(crate) fn so_far(&self) -> &Answer {
        &self.answer
    }

    /// Reads until at least `n` bytes of the body are there, and returns all that is.
    ///
    /// # Panics
    /// Where the body ends or breaks before.
    pub(crate) async fn body(&mut self, n: usize) -> &[u8] {
        while self.answer.body.len() < n {
            let more = self.client.piece(&mut self.answer, &mut self.framing).await;
            let more = more.unwrap_or_else(|broken| panic!("{broken}"));
            assert!(more, "the body ends after {:?}", self.answer);
        }
        &self.answer.body
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// What went wrong, and what came.
    pub(crate) async fn end(mut self) -> Result<Answer, Broken> {
        while self.client.piece(&mut self.answer, &mut self.framing).await? {}
        Ok(self.answer)
    }

    /// Leaves by a reset.
    pub(crate) fn reset(self) {
        self.client.reset();
    }
}

fn status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

fn broken(why: impl ToString, so_far: &Answer) -> Broken {
    Broken { why: why.to_string(), so_far: Box::new(so_far.clone()) }
}
