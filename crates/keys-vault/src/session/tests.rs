//! The life of a token, on a clock that tests move.

use std::time::Duration;

use sealmq_test_kit::{Answer, HttpProxy};

use super::*;
use crate::client::VaultClient;
use crate::config::VaultConfig;
use crate::http::Request;
use crate::timer::ManualTimer;

/// A server that grants tokens of 60 s, as `s.1` for ever, until it is told otherwise.
async fn server() -> (HttpProxy, Arc<ManualTimer>) {
    let server = HttpProxy::before("127.0.0.1:1").await;
    server.always(granted("s.1", 60, true));
    (server, Arc::new(ManualTimer::default()))
}

fn granted(token: &str, seconds: u64, renewable: bool) -> Answer {
    Answer::json(
        200,
        format!(
            r#"{{"auth":{{"client_token":"{token}","lease_duration":{seconds},"renewable":{renewable},"token_type":"service"}},"data":{{"ttl":{seconds},"renewable":{renewable},"type":"service"}}}}"#
        ),
    )
}

async fn connect(server: &HttpProxy, timer: &Arc<ManualTimer>, auth: VaultAuth) -> VaultClient {
    let config = VaultConfig::new(server.url(), auth);
    VaultClient::connect_with(config, Arc::clone(timer) as Arc<dyn Timer>).await.unwrap()
}

fn app() -> VaultAuth {
    VaultAuth::userpass("app", "hush")
}

fn count(server: &HttpProxy, part: &'static str) -> usize {
    server.count(|request| request.path.contains(part))
}

/// Waits until so many requests of this kind came.
async fn until(server: &HttpProxy, part: &'static str, expected: usize) {
    let came = async {
        while count(server, part) < expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(10), came).await;
    came.unwrap_or_else(|_| panic!("{} of {expected} {part}", count(server, part)));
    settle().await;
}

/// Long enough for what must not happen to happen.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_token_is_renewed_at_two_thirds_of_its_time_and_not_before() {
    let (server, timer) = server().await;
    let _client = connect(&server, &timer, app()).await;
    for round in 0..5 {
        timer.advance(39);
        settle().await;
        assert_eq!(count(&server, "renew-self"), round);
        timer.advance(1);
        until(&server, "renew-self", round + 1).await;
    }
    assert_eq!(count(&server, "/login/"), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_before_the_token_ends() {
    let (server, timer) = server().await;
    let _client = connect(&server, &timer, app()).await;
    server.always(Answer::json(503, ""));
    timer.advance(40);
    until(&server, "renew-self", 1).await;
    timer.advance(5);
    settle().await;
    assert_eq!(count(&server, "renew-self"), 1, "a third of what is left is 6 s");
    timer.advance(2);
    until(&server, "renew-self", 2).await;
    server.always(granted("s.1", 60, true));
    timer.advance(5);
    until(&server, "renew-self", 3).await;
    timer.advance(39);
    settle().await;
    assert_eq!((count(&server, "renew-self"), count(&server, "/login/")), (3, 1));
}

#[tokio::test]
async fn a_renewal_that_is_refused_or_gives_little_is_followed_by_a_login() {
    for answer in [Answer::json(403, ""), granted("s.1", 19, true)] {
        let (server, timer) = server().await;
        let _client = connect(&server, &timer, app()).await;
        server.answer(|request| request.path.contains("renew-self"), answer);
        timer.advance(40);
        until(&server, "/login/", 2).await;
        assert_eq!(count(&server, "renew-self"), 1);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_replaced_by_a_login() {
    let (server, timer) = server().await;
    server.always(granted("s.1", 60, false));
    let _client = connect(&server, &timer, app()).await;
    timer.advance(40);
    until(&server, "/login/", 2).await;
    assert_eq!(count(&server, "renew-self"), 0);
}

#[tokio::test]
async fn a_token_that_was_handed_over_is_renewed_while_that_works_and_then_left_alone() {
    let (server, timer) = server().await;
    let _client = connect(&server, &timer, VaultAuth::token("s.given")).await;
    timer.advance(40);
    until(&server, "renew-self", 1).await;
    server.always(Answer::json(403, ""));
    timer.advance(40);
    until(&server, "renew-self", 2).await;
    timer.advance(600);
    until(&server, "renew-self", 3).await;
    timer.advance(600);
    settle().await;
    assert_eq!((count(&server, "renew-self"), count(&server, "/login/")), (3, 0));
}

#[tokio::test]
async fn a_token_that_never_ends_is_never_renewed() {
    let (server, timer) = server().await;
    server.always(granted("s.root", 0, false));
    let _client = connect(&server, &timer, VaultAuth::token("s.root")).await;
    timer.advance(1_000_000);
    settle().await;
    assert_eq!(count(&server, "renew-self"), 0);
}

#[tokio::test]
async fn a_call_after_the_end_of_a_token_logs_in_first() {
    let (server, timer) = server().await;
    let client = connect(&server, &timer, app()).await;
    client.inner_renewal_stopped().await;
    timer.advance(60);
    server.always(granted("s.2", 60, true));
    client.call(&Request::get("x")).await.unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.header("x-vault-token")), ("/v1/x", Some("s.2")));
    assert_eq!(count(&server, "/login/"), 2);
}

#[tokio::test]
async fn the_task_ends_with_the_last_clone_and_with_closing() {
    for close in [true, false] {
        let (server, timer) = server().await;
        let client = connect(&server, &timer, app()).await;
        let clone = client.clone();
        drop(client);
        if close {
            clone.close().await;
        } else {
            drop(clone);
        }
        settle().await;
        timer.advance(1000);
        settle().await;
        assert_eq!((count(&server, "renew-self"), count(&server, "/login/")), (0, 1));
        assert_eq!(count(&server, "revoke-self"), 0);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_no_login_with_it() {
    let (server, timer) = server().await;
    let client = connect(&server, &timer, app()).await;
    client.inner_renewal_stopped().await;
    timer.advance(60);
    let slow = |request: &sealmq_test_kit::Request| request.path.contains("/login/");
    server.answer(slow, Answer::Silence(Duration::from_millis(200)));
    let request = Request::get("x");
    let call = tokio::time::timeout(Duration::from_millis(50), client.call(&request)).await;
    assert!(call.is_err(), "it was dropped while it waited");
    client.call(&request).await.unwrap();
    assert_eq!(count(&server, "/login/"), 3, "the dropped one failed on its own, and held up none");
}

#[tokio::test]
async fn a_login_under_way_is_waited_for_and_revoked_with_the_end() {
    let (server, timer) = server().await;
    let client = connect(&server, &timer, app()).await;
    client.inner_renewal_stopped().await;
    timer.advance(60);
    let Answer::Reply { body, .. } = granted("s.late", 60, true) else { unreachable!() };
    let (promised, pause) = (body.len(), Duration::from_millis(5)); // the login takes a while
    let slow = Answer::Unfinished { body, promised, pause };
    server.answer(|request| request.path.contains("/login/"), slow);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(&Request::get("x")).await.map(drop) }
    });
    until(&server, "/login/", 2).await;
    client.close_and_revoke().await.unwrap();
    let revoked = server.requests().into_iter().rfind(|r| r.path.contains("revoke-self")).unwrap();
    assert_eq!(revoked.header("x-vault-token"), Some("s.late"));
    call.await.unwrap().unwrap();
    assert!(client.call(&Request::get("x")).await.is_err());
    assert_eq!(count(&server, "/login/"), 2, "a client that was closed logs in no more");
}
