//! Asking and answering over core NATS.

use sealmq_queue_core::{
    Message, ReceiveMode, ReceiverOptions, Source, Transport, TransportErrorKind,
};
use sealmq_transport_nats::NatsCoreTransport;

use crate::support::{PATIENCE, QUIET, config, invalid_field, kind, one, unique};

async fn connect() -> NatsCoreTransport {
    NatsCoreTransport::connect(&config()).await.unwrap()
}

/// Answers each question of a queue with its body doubled.
async fn responder(queue: &str) -> tokio::task::JoinHandle<()> {
    let transport = connect().await;
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let questions = transport.open(&Source::queue(queue), options).await.unwrap();
    tokio::spawn(async move {
        loop {
            let question = one(&*questions).await.message;
            let answer = Message::new([&question.body[..], &question.body[..]].concat());
            transport.reply(&question, answer).await.unwrap();
        }
    })
}

#[tokio::test]
async fn a_question_is_answered() {
    let queue = unique("prices");
    let _responder = responder(&queue).await;
    let transport = connect().await;
    for body in ["a", "bc"] {
        let question = Message::new(body);
        let id = question.id.clone();
        let answer = transport.request(&queue, question, PATIENCE).await.unwrap();
        assert_eq!(answer.body, body.repeat(2));
        assert_eq!(answer.correlation_id, Some(id));
    }
}

#[tokio::test]
async fn questions_asked_at_the_same_time_get_their_own_answers() {
    let queue = unique("prices");
    let _responder = responder(&queue).await;
    let transport = connect().await;
    let shared = NatsCoreTransport::new_reply_queue();
    let ask = async |body: String| {
        let question = Message::new(body.clone()).with_reply_to(&shared);
        let answer = transport.request(&queue, question, PATIENCE).await.unwrap();
        assert_eq!(answer.body, body.repeat(2));
    };
    let asked = (0..20).map(|n| ask(format!("{n};")));
    futures_util::future::join_all(asked).await;
}

#[tokio::test]
async fn a_question_nobody_listens_to_is_not_found_at_once() {
    let asked = connect().await.request(&unique("nobody"), Message::new(""), PATIENCE).await;
    assert_eq!(kind(asked), TransportErrorKind::NotFound);
}

#[tokio::test]
async fn a_question_nobody_answers_is_unavailable_after_its_time() {
    let (transport, queue) = (connect().await, unique("silent"));
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let silent = transport.open(&Source::queue(&queue), options).await.unwrap();
    let asked = transport.request(&queue, Message::new("?"), QUIET).await;
    assert_eq!(kind(asked), TransportErrorKind::Unavailable);

    let question = silent.recv(1, PATIENCE).await.unwrap().remove(0).message;
    let late = transport.reply(&question, Message::new("late")).await;
    assert_eq!(kind(late), TransportErrorKind::NotFound, "nobody waits for it any more");
}

#[tokio::test]
async fn only_what_says_where_answers_go_can_be_answered() {
    let transport = connect().await;
    let replied = transport.reply(&Message::new("statement"), Message::new("answer")).await;
    assert_eq!(invalid_field(replied), "reply_to");
}
