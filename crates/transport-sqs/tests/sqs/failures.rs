//! Failures: each is told apart, none is retried by the SDK, and none shows what it must not.

use std::error::Error;
use std::time::{Duration, Instant};

use sealmq_queue_core::{Message, Transport, TransportError, TransportErrorKind};
use sealmq_transport_sqs::SqsTransport;

use crate::support::proxy::{Answer, Proxy, refused, success};
use crate::support::*;

use TransportErrorKind as K;

fn shown(error: &TransportError) -> String {
    let mut text = format!("{error} | {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(" | {cause} | {cause:?}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn each_error_of_the_service_has_its_kind_and_is_tried_once() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let minute = Some(Duration::from_secs(60));
    let too_long = K::TooLarge { size_bytes: 75, limit_bytes: 1_048_576 };
    let cases = [
        (400, "AWS.SimpleQueueService.NonExistentQueue", K::NotFound),
        (400, "QueueDoesNotExist", K::NotFound),
        (400, "AccessDeniedException", K::Denied),
        (403, "InvalidClientTokenId", K::Denied),
        (403, "SignatureDoesNotMatch", K::Denied),
        (403, "ExpiredToken", K::Denied),
        (400, "KMS.DisabledException", K::Denied),
        (400, "RequestThrottled", K::Throttled { retry_after: None }),
        (400, "ThrottlingException", K::Throttled { retry_after: None }),
        (403, "OverLimit", K::Throttled { retry_after: None }),
        (400, "KMS.ThrottlingException", K::Throttled { retry_after: None }),
        (400, "AWS.SimpleQueueService.QueueDeletedRecently", K::Throttled { retry_after: minute }),
        (400, "AWS.SimpleQueueService.BatchRequestTooLong", too_long),
        (400, "InvalidMessageContents", K::InvalidInput { field: "message" }),
        (400, "InvalidParameterValue", K::InvalidInput { field: "message" }),
        (
            400,
            "AWS.SimpleQueueService.UnsupportedOperation",
            K::Unsupported { feature: "this operation" },
        ),
        (500, "InternalError", K::Unavailable),
        (503, "ServiceUnavailable", K::Unavailable),
        (502, "NoCodeWeKnow", K::Unavailable),
        (400, "NoCodeWeKnow", K::InvalidInput { field: "message" }),
        (403, "NoCodeWeKnow", K::Denied),
        (429, "NoCodeWeKnow", K::Throttled { retry_after: None }),
    ];
    for (status, code, expected) in cases {
        let before = proxy.count("SendMessageBatch");
        proxy.answer("SendMessageBatch", refused(status, code, "told so"));
        let message = Message::with_id("i", "0123456789");
        let failure = transport.send(&queue, vec![message]).await.remove(0).unwrap_err();
        let kind = failure.error.kind().clone();
        match (&kind, &expected) {
            (K::TooLarge { .. }, K::TooLarge { .. }) => {}
            _ => assert_eq!(kind, expected, "{status} {code}"),
        }
        assert_eq!(proxy.count("SendMessageBatch") - before, 1, "{code} is not retried");
        let text = shown(&failure.error);
        assert!(text.contains(code) && text.contains("request-1"), "{text}");
    }
}

#[tokio::test]
async fn receiving_and_settling_are_tried_once_too() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    proxy.answer("ReceiveMessage", refused(500, "InternalError", ""));
    let error = receiver.recv(1, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), &K::Unavailable);
    assert_eq!(proxy.count("ReceiveMessage"), 1);
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await; // the receiver goes on
    proxy.answer("DeleteMessageBatch", refused(503, "ServiceUnavailable", ""));
    let failed = held.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &K::Unavailable);
    assert_eq!(proxy.count("DeleteMessageBatch"), 1);
    proxy.answer(
        "ChangeMessageVisibilityBatch",
        success(
            r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,
            "Code":"AWS.SimpleQueueService.MessageNotInflight"}]}"#,
        ),
    );
    let error = failed.receipt.extend(SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &K::LockLost);
    failed.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_broken_connection_is_unavailable() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    for answer in [Answer::Reset, Answer::Swallow] {
        let before = proxy.count("SendMessageBatch");
        proxy.answer("SendMessageBatch", answer);
        assert_eq!(refusal(&transport, &queue, Message::new("x")).await, K::Unavailable);
        assert_eq!(proxy.count("SendMessageBatch") - before, 1);
    }
    drop(proxy);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(transport.health().await.unwrap_err().kind(), &K::Unavailable);
}

#[tokio::test]
async fn a_silent_service_is_given_up_after_the_timeout() {
    let proxy = Proxy::start().await;
    let config = config_for(&proxy.url()).with_request_timeout(4 * SECOND);
    let config = config.with_poll_wait(2 * SECOND);
    let transport = SqsTransport::connect(&config).await.unwrap();
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    proxy.answer("SendMessageBatch", Answer::Silence(5 * LAG));
    let start = Instant::now();
    assert_eq!(refusal(&transport, &queue, Message::new("x")).await, K::Unavailable);
    let took = start.elapsed();
    assert!(took >= 4 * SECOND && took < LAG, "{took:?}");
    proxy.answer("ReceiveMessage", Answer::Silence(5 * LAG));
    let start = Instant::now();
    let error = receiver.recv(1, 2 * SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &K::Unavailable);
    let took = start.elapsed();
    assert!(took >= 6 * SECOND && took < LAG, "the wait and four seconds: {took:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_unavailable() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    proxy.answer("SendMessageBatch", success("<html>not json"));
    assert_eq!(refusal(&transport, &queue, Message::new("x")).await, K::Unavailable);
    proxy.answer("SendMessageBatch", success("{}"));
    assert_eq!(refusal(&transport, &queue, Message::new("x")).await, K::Unavailable);
}

#[tokio::test]
async fn no_error_shows_a_credential_a_body_or_a_value() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let mut texts = vec![format!("{transport:?} {:?}", config_for(&proxy.url()))];
    let answers = [
        refused(403, "SignatureDoesNotMatch", "x-amz-security-token:session-token-value"),
        refused(400, "InvalidParameterValue", "Value attribute-value is bad. Reason: no."),
        refused(500, "InternalError", "echo: c2VjcmV0LWJvZHk="),
        Answer::Reset,
    ];
    for answer in answers {
        proxy.answer("SendMessageBatch", answer);
        let message = Message::new("secret-body").with_attribute("a", "attribute-value");
        let failure = transport.send(&queue, vec![message]).await.remove(0).unwrap_err();
        texts.push(shown(&failure.error));
        texts.push(format!("{failure:?}"));
    }
    for text in texts {
        for secret in [SECRET, "secret-body", "c2VjcmV0", "attribute-value", "session-token-value"]
        {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_denial_says_who_may_not_do_what() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let reason = "User: arn:aws:iam::1:user/x is not authorized to perform: sqs:sendmessage";
    proxy.answer("SendMessageBatch", refused(400, "AccessDeniedException", reason));
    let report = transport.send(&queue, numbered(1)).await;
    let error = &report[0].as_ref().unwrap_err().error;
    assert!(shown(error).contains(reason), "{error:?}");
    assert!(error.to_string().contains(&queue));
}

#[tokio::test]
async fn health_is_about_the_service_and_the_credentials() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    transport.health().await.unwrap();
    let denied = "not authorized to perform: sqs:listqueues";
    proxy.answer("ListQueues", refused(400, "AccessDeniedException", denied));
    transport.health().await.unwrap();
    proxy.answer("ListQueues", refused(403, "InvalidClientTokenId", "no such key"));
    assert_eq!(transport.health().await.unwrap_err().kind(), &K::Denied);
    proxy.answer("ListQueues", refused(503, "ServiceUnavailable", ""));
    assert_eq!(transport.health().await.unwrap_err().kind(), &K::Unavailable);
}
