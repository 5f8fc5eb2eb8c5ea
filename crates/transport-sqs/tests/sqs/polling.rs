//! How often the service is asked, and how long it is asked to wait.

use std::time::{Duration, Instant};

use sealmq_transport_sqs::SqsTransport;

use crate::support::proxy::Proxy;
use crate::support::*;

#[tokio::test]
async fn waiting_in_whole_seconds_takes_one_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.polling_long().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    receiver.recv(10, 3 * SECOND).await.unwrap();
    let polls = proxy.bodies("ReceiveMessage");
    assert_eq!(polls.len(), 1);
    assert!(polls[0].contains(r#""WaitTimeSeconds":3"#), "{}", polls[0]);
    assert!(polls[0].contains(r#""MaxNumberOfMessages":10"#), "{}", polls[0]);
}

#[tokio::test]
async fn waiting_for_longer_than_a_poll_takes_several() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let (start, wait) = (Instant::now(), 3 * SECOND);
    assert!(receiver.recv(10, wait).await.unwrap().is_empty());
    assert!(start.elapsed() >= wait && start.elapsed() < wait + LAG, "{:?}", start.elapsed());
    let polls = proxy.bodies("ReceiveMessage");
    // Less than a second may be left for the last ones, which do not wait.
    assert!((2..=9).contains(&polls.len()), "{}", polls.len());
    assert!(polls[0].contains(r#""WaitTimeSeconds":1"#), "{}", polls[0]);
}

#[tokio::test]
async fn polls_that_do_not_wait_come_a_few_times_a_second() {
    let proxy = Proxy::start().await;
    let config = config_for(&proxy.url()).with_poll_wait(Duration::ZERO);
    let transport = SqsTransport::connect(&config).await.unwrap();
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    assert!(receiver.recv(10, 2 * SECOND).await.unwrap().is_empty());
    assert!((2..=10).contains(&proxy.count("ReceiveMessage")));
}
