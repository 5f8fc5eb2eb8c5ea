//! A small HTTP server before the real one: counts requests, and answers as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_transport_sqs::SqsTransport;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::{config_for, endpoint};

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is passed on, and so is what the server says.
    Forward,
    /// It is passed on, and what the server says is swallowed.
    Swallow,
    /// The connection breaks.
    Reset,
    /// Nothing comes for a while, and then the connection breaks.
    Silence(Duration),
    /// This status with this JSON, and the headers of an error code if there is one.
    Json { status: u16, code: Option<&'static str>, body: String },
}

impl Answer {
    /// An error as the service gives them.
    pub(crate) fn error(status: u16, code: &'static str, message: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":{message:?}}}"#);
        Self::Json { status, code: Some(code), body }
    }

    /// A successful answer.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Json { status: 200, code: None, body: body.into() }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Answers for requests of this action, in order; everything else is forwarded.
    script: VecDeque<(&'static str, Answer)>,
    requests: Vec<(String, String)>,
}

/// A proxy that ends with the test.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    running: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(BufStream::new(stream), Arc::clone(&shared)));
            }
        });
        Self { url, state, running: running.abort_handle() }
    }

    /// A transport that talks to the server through here.
    pub(crate) async fn transport(&self) -> SqsTransport {
        SqsTransport::connect(&config_for(&self.url)).await.unwrap()
    }

    /// The next request of this action is answered so.
    pub(crate) fn answer(&self, action: &'static str, answer: Answer) {
        self.state.lock().unwrap().script.push_back((action, answer));
    }

    /// How many requests of this action came.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.bodies(action).len()
    }

    /// The bodies of all requests of this action.
    pub(crate) fn bodies(&self, action: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let requests = state.requests.iter().filter(|(name, _)| name == action);
        requests.map(|(_, body)| body.clone()).collect()
    }

    /// How many requests came at all.
    pub(crate) fn total(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

struct Request {
    head: String,
    action: String,
    body: Vec<u8>,
}

async fn serve(mut stream: BufStream<TcpStream>, state: Arc<Mutex<State>>) {
    while let Some(request) = read_request(&mut stream).await {
        let answer = {
            let mut state = state.lock().unwrap();
            let body = String::from_utf8_lossy(&request.body).into_owned();
            state.requests.push((request.action.clone(), body));
            let scripted = state.script.iter().position(|(action, _)| *action == request.action);
            scripted.and_then(|index| state.script.remove(index)).map(|(_, answer)| answer)
        };
        match answer.unwrap_or(Answer::Forward) {
            Answer::Forward => {
                let answer = forward(&request).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.flush().await;
                return; // the server's answer said that the connection ends
            }
            Answer::Swallow => {
                forward(&request).await;
                return;
            }
            Answer::Reset => return,
            Answer::Silence(time) => {
                tokio::time::sleep(time).await;
                return;
            }
            Answer::Json { status, code, body } => {
                let code = code.map_or(String::new(), |code| {
                    format!("x-amzn-query-error: {code};Sender\r\nx-amzn-requestid: request-1\r\n")
                });
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\n\
                     content-length: {}\r\n{code}\r\n",
                    body.len()
                );
                if stream.write_all((head + &body).as_bytes()).await.is_err()
                    || stream.flush().await.is_err()
                {
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let (mut head, mut action, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if lower.starts_with("x-amz-target:") {
            action = line.trim().rsplit('.').next()?.to_owned();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { head, action, body })
}

async fn forward(request: &Request) -> Vec<u8> {
    let endpoint = endpoint();
    let address = endpoint.strip_prefix("http://").expect("a server without TLS");
    let mut upstream = TcpStream::connect(address.trim_end_matches('/')).await.unwrap();
    let head = format!("{}connection: close\r\n\r\n", request.head);
    upstream.write_all(head.as_bytes()).await.unwrap();
    upstream.write_all(&request.body).await.unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.unwrap();
    answer
}
