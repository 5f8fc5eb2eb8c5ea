//! What the proxy makes of requests: passed on, answered by itself, swallowed, cut off.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const A_WHILE: Duration = Duration::from_millis(100);

/// A server that says the same to everything, and a proxy before it.
async fn server_and_proxy() -> (HttpProxy, HttpProxy) {
    let server = HttpProxy::before("127.0.0.1:1").await;
    server.always(Answer::json(200, "from the server").with_header("x-said-by", "server"));
    let proxy = HttpProxy::before(format!("127.0.0.1:{}", server.port())).await;
    (server, proxy)
}

/// What comes back for this body, with its head; nothing if the connection broke.
async fn ask_for(stream: &mut TcpStream, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!("POST {path} HTTP/1.1\r\nX-Name: A: b\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let length = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8(answer[..length].to_vec()).unwrap()
}

async fn ask_anew(proxy: &HttpProxy, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    ask_for(&mut stream, path, body).await
}

#[tokio::test]
async fn a_request_is_forwarded_as_it_is_and_so_is_its_answer() {
    let (server, proxy) = server_and_proxy().await;
    let answer = ask_anew(&proxy, "/path?query=1", "the body").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("x-said-by: server") && answer.ends_with("from the server"));
    for seen in [proxy.requests().remove(0), server.requests().remove(0)] {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/path?query=1"));
        assert_eq!(seen.header("x-name"), Some("A: b"));
        assert_eq!(seen.text(), "the body");
    }
}

#[tokio::test]
async fn a_scripted_answer_is_given_once_to_the_next_request_that_matches() {
    let (server, proxy) = server_and_proxy().await;
    let scripted = Answer::json(503, "scripted").with_header("retry-after", "7");
    proxy.answer(|request| request.path == "/b", scripted);
    assert!(ask_anew(&proxy, "/a", "").await.ends_with("from the server"));
    let answer = ask_anew(&proxy, "/b", "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 7\r\n") && answer.ends_with("scripted"), "{answer}");
    assert!(ask_anew(&proxy, "/b", "").await.ends_with("from the server"));
    assert_eq!(server.requests().len(), 2, "the server does not see what is answered before it");
    assert_eq!(proxy.count(|request| request.path == "/b"), 2);
}

#[tokio::test]
async fn a_connection_lives_on_after_scripted_answers() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.always(Answer::json(200, "always"));
    proxy.answer(|_| true, Answer::json(200, "first"));
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    assert!(ask_for(&mut stream, "/", "").await.ends_with("first"));
    assert!(ask_for(&mut stream, "/", "").await.ends_with("always"));
    proxy.always(Answer::Forward);
    assert!(ask_for(&mut stream, "/", "").await.ends_with("from the server"));
}

#[tokio::test]
async fn a_reset_reaches_nobody_and_a_swallowed_answer_only_the_server() {
    let (server, proxy) = server_and_proxy().await;
    proxy.answer(|_| true, Answer::Reset);
    assert_eq!(ask_anew(&proxy, "/", "reset").await, "");
    assert_eq!(server.requests().len(), 0);
    proxy.answer(|_| true, Answer::Swallow);
    assert_eq!(ask_anew(&proxy, "/", "swallowed").await, "");
    assert_eq!(server.requests().remove(0).text(), "swallowed");
}

#[tokio::test]
async fn silence_ends_without_an_answer_and_what_is_late_with_one() {
    let (server, proxy) = server_and_proxy().await;
    let start = Instant::now();
    proxy.answer(|_| true, Answer::Silence(A_WHILE));
    assert_eq!(ask_anew(&proxy, "/", "").await, "");
    assert_eq!(server.requests().len(), 0);
    proxy.answer(|_| true, Answer::Late(A_WHILE));
    assert!(ask_anew(&proxy, "/", "").await.ends_with("from the server"));
    assert!(start.elapsed() >= 2 * A_WHILE);
}

#[tokio::test]
async fn without_a_server_a_forwarded_request_breaks_its_connection() {
    let proxy = HttpProxy::before("127.0.0.1:1").await;
    assert_eq!(ask_anew(&proxy, "/", "").await, "");
    assert_eq!(proxy.requests().len(), 1);
}
