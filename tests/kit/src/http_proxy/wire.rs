//! Requests and answers as bytes, between the client, the proxy and the server.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::Request;

/// Passes a request on and the answer back. The connection ends then, as the answer says.
pub(super) async fn forward(stream: &mut BufStream<TcpStream>, request: &Request, server: &str) {
    if let Ok(answer) = ask(request, server).await {
        let _ = write(stream, &answer).await;
    }
}

pub(super) async fn ask(request: &Request, server: &str) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        head += &format!("{name}: {value}\r\n");
    }
    head += "connection: close\r\n\r\n";
    upstream.write_all(&[head.as_bytes(), &request.body].concat()).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}

pub(super) async fn write(stream: &mut BufStream<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

pub(super) async fn read_request(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let first = read_line(stream).await?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(Ok(0), str::parse).ok()?;
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

async fn read_line(stream: &mut BufStream<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await.ok()? {
        0 => None,
        _ => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
