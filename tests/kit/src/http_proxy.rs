//! A small HTTP proxy before a server: it counts requests, and answers as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::BufStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use wire::{ask, forward, read_request, write};

mod wire;

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is passed on, and so is what the server says.
    Forward,
    /// It is passed on, and what the server says is swallowed.
    Swallow,
    /// The connection breaks.
    Reset,
    /// Nothing comes for a while, and then the connection breaks.
    Silence(Duration),
    /// It is passed on after a while.
    Late(Duration),
    /// This status with these headers and this body.
    Reply {
        /// The status code.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// A success that promises more bytes than come; each comes after a pause, and after the last
    /// one the connection breaks.
    Unfinished {
        /// The bytes that come.
        body: Vec<u8>,
        /// How many bytes are promised.
        promised: usize,
        /// The pause before each byte.
        pause: Duration,
    },
}

impl Answer {
    /// This status with this JSON.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Reply { status, headers, body: body.into().into_bytes() }
    }

    /// The same with one more header, if this is a reply.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Matcher = Box<dyn Fn(&Request) -> bool + Send>;
type Screen = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

#[derive(Default)]
struct State {
    /// What a server of another kind would say, and this one does not.
    screen: Option<Screen>,
    /// Answers for requests that match, in order; everything else is forwarded.
    script: VecDeque<(Matcher, Answer)>,
    /// What happens to everything that the script says nothing about, instead of being forwarded.
    always: Option<Answer>,
    requests: Vec<Request>,
}

/// A proxy that ends when it is dropped. It listens without TLS, to a server without TLS, and
/// understands requests whose length is told in advance.
pub struct HttpProxy {
    port: u16,
    state: Arc<Mutex<State>>,
    running: AbortHandle,
}

impl HttpProxy {
    /// A proxy before the server at `host:port`.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(server: impl Into<String>) -> Self {
        let server: Arc<str> = server.into().into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, server) = (Arc::clone(&shared), Arc::clone(&server));
                tokio::spawn(serve(BufStream::new(stream), state, server));
            }
        });
        Self { port, state, running: running.abort_handle() }
    }

    /// The port to connect to, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL to connect to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next request that matches is answered so. Of several answers that match, each is given
    /// once, in the order in which they were asked for.
    ///
    /// # Panics
    /// After another panic.
    pub fn answer(&self, matches: impl Fn(&Request) -> bool + Send + 'static, answer: Answer) {
        self.state.lock().unwrap().script.push_back((Box::new(matches), answer));
    }

    /// Each request is shown to `screen`, which may answer it instead of the script and the server.
    ///
    /// # Panics
    /// After another panic.
    pub fn screen(&self, screen: impl FnMut(&Request) -> Option<Answer> + Send + 'static) {
        self.state.lock().unwrap().screen = Some(Box::new(screen));
    }

    /// Every request that nothing else was said about is answered so, until this is called again,
    /// perhaps with [`Answer::Forward`].
    ///
    /// # Panics
    /// After another panic.
    pub fn always(&self, answer: Answer) {
        self.state.lock().unwrap().always = Some(answer);
    }

    /// The requests that came so far, answered or not.
    ///
    /// # Panics
    /// After another panic.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many requests that match came so far.
    ///
    /// # Panics
    /// After another panic.
    pub fn count(&self, matches: impl Fn(&Request) -> bool) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|request| matches(request)).count()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(mut stream: BufStream<TcpStream>, state: Arc<Mutex<State>>, server: Arc<str>) {
    while let Some(request) = read_request(&mut stream).await {
        match decide(&state, &request) {
            Answer::Forward => return forward(&mut stream, &request, &server).await,
            Answer::Late(time) => {
                tokio::time::sleep(time).await;
                return forward(&mut stream, &request, &server).await;
            }
            Answer::Swallow => {
                let _ = ask(&request, &server).await;
                return;
            }
            Answer::Reset => return,
            Answer::Silence(time) => return tokio::time::sleep(time).await,
            Answer::Unfinished { body, promised, pause } => {
                let head = format!("HTTP/1.1 200 X\r\ncontent-length: {promised}\r\n\r\n");
                let _ = write(&mut stream, head.as_bytes()).await;
                for byte in body {
                    tokio::time::sleep(pause).await;
                    if write(&mut stream, &[byte]).await.is_err() {
                        break;
                    }
                }
                return;
            }
            Answer::Reply { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                head += "\r\n";
                let written = write(&mut stream, &[head.as_bytes(), &body].concat()).await;
                if written.is_err() || request.header("connection") == Some("close") {
                    return;
                }
            }
        }
    }
}

fn decide(state: &Mutex<State>, request: &Request) -> Answer {
    let mut state = state.lock().unwrap();
    state.requests.push(request.clone());
    if let Some(answer) = state.screen.as_mut().and_then(|screen| screen(request)) {
        return answer;
    }
    let scripted = state.script.iter().position(|(matches, _)| matches(request));
    match scripted.and_then(|index| state.script.remove(index)) {
        Some((_, answer)) => answer,
        None => state.always.clone().unwrap_or(Answer::Forward),
    }
}

#[cfg(test)]
mod tests;
