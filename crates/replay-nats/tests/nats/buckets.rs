//! The bucket: made as configured, refused when it cannot be trusted, full, expiring.

use std::time::Duration;

use sealmq_crypto_core::{ReplayGuard, Reservation};
use sealmq_replay_nats::async_nats::jetstream::Context as Jetstream;
use sealmq_replay_nats::async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use sealmq_replay_nats::{NatsReplayConfig, NatsReplayErrorKind, NatsReplayGuard};
use sealmq_test_kit::NatsServer;

use crate::support::{
    BUCKET, HOUR, SHORT, by, commit, config, context, guard, guard_with, kind, nonce, reserve,
};

/// Makes a bucket one that cannot be trusted.
type Spoil = fn(&mut Config);

async fn stream_of(server: &NatsServer) -> Config {
    let stream = context(server).await.get_stream(format!("KV_{BUCKET}")).await.unwrap();
    stream.cached_info().config.clone()
}

#[tokio::test]
async fn a_bucket_is_made_on_demand_to_forget_nothing_early() {
    let server = NatsServer::start().await;
    let guard = NatsReplayGuard::new(context(&server).await, config()).unwrap();
    assert_eq!(reserve(&guard, 1, "copy-1").await, Reservation::Granted);
    let made = stream_of(&server).await;
    assert_eq!((made.max_age, made.max_messages_per_subject), (HOUR, 1));
    assert_eq!((made.storage, made.discard), (StorageType::File, DiscardPolicy::New));
    assert_eq!((made.num_replicas, made.max_bytes), (1, -1));
    guard.open().await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_must_exist_is_not_made() {
    let server = NatsServer::start().await;
    let jetstream = context(&server).await;
    let guard = NatsReplayGuard::new(jetstream, config().with_existing_bucket()).unwrap();
    assert_eq!(kind(guard.open().await), NatsReplayErrorKind::NotFound);
    assert!(guard.reserve(&nonce(1), &by("copy-1"), HOUR, HOUR).await.is_err());
    crate::support::guard(&server).await;
    assert_eq!(reserve(&guard, 1, "copy-1").await, Reservation::Granted);
}

#[tokio::test]
async fn guards_that_make_the_bucket_at_the_same_time_share_it() {
    let server = NatsServer::start().await;
    let other = config().with_max_age(HOUR * 2);
    let (a, b, c) = tokio::join!(guard(&server), guard(&server), guard(&server));
    assert_eq!(reserve(&a, 1, "copy-1").await, Reservation::Granted);
    assert_eq!(reserve(&b, 1, "copy-2").await, Reservation::Replayed);
    assert_eq!(reserve(&c, 1, "copy-3").await, Reservation::Replayed);
    let longer = NatsReplayGuard::new(context(&server).await, other).unwrap();
    let too_short = NatsReplayErrorKind::InvalidInput { field: "max_age" };
    assert_eq!(kind(longer.open().await), too_short);
}

/// Makes a stream of the name of one that was just deleted: the server removes its files after it
/// has answered, and may find them still there.
async fn create(jetstream: &Jetstream, stream: Config) {
    for _ in 0..100 {
        match jetstream.create_stream(stream.clone()).await {
            Ok(_) => return,
            Err(error) => {
                assert!(error.to_string().contains("error creating store"), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    panic!("the stream is not made");
}

#[tokio::test]
async fn a_bucket_that_would_forget_is_refused_with_the_field() {
    let server = NatsServer::start().await;
    let jetstream = context(&server).await;
    guard(&server).await;
    let good = stream_of(&server).await;
    jetstream.delete_key_value(BUCKET).await.unwrap();
    let bad: [(&str, Spoil); 4] = [
        ("max_age", |stream| stream.max_age = HOUR - Duration::from_secs(1)),
        ("discard", |stream| stream.discard = DiscardPolicy::Old),
        ("storage", |stream| stream.storage = StorageType::Memory),
        ("history", |stream| stream.max_messages_per_subject = 2),
    ];
    for (field, spoil) in bad {
        let mut spoilt = good.clone();
        spoil(&mut spoilt);
        create(&jetstream, spoilt).await;
        let guard = NatsReplayGuard::new(jetstream.clone(), config()).unwrap();
        assert_eq!(kind(guard.open().await), NatsReplayErrorKind::InvalidInput { field });
        assert!(guard.reserve(&nonce(1), &by("copy-1"), HOUR, HOUR).await.is_err());
        jetstream.delete_key_value(BUCKET).await.unwrap();
    }
    create(&jetstream, Config { max_age: Duration::ZERO, ..good }).await;
    let guard = NatsReplayGuard::new(jetstream.clone(), config()).unwrap();
    assert_eq!(reserve(&guard, 1, "copy-1").await, Reservation::Granted, "it never forgets");
    let three = NatsReplayGuard::new(jetstream, config().with_replicas(3)).unwrap();
    let fewer = NatsReplayErrorKind::InvalidInput { field: "replicas" };
    assert_eq!(kind(three.open().await), fewer);
}

#[tokio::test]
async fn a_bucket_that_the_server_cannot_make_is_refused_with_the_field() {
    let server = NatsServer::start().await;
    let jetstream = context(&server).await;
    let three = NatsReplayGuard::new(jetstream, config().with_replicas(3)).unwrap();
    let invalid = NatsReplayErrorKind::InvalidInput { field: "replicas" };
    assert_eq!(kind(three.open().await), invalid);
}

#[tokio::test]
async fn a_retention_that_the_bucket_does_not_keep_is_an_error() {
    let server = NatsServer::start().await;
    let guard = guard(&server).await;
    let longer = HOUR + Duration::from_secs(1);
    assert!(guard.reserve(&nonce(1), &by("copy-1"), SHORT, longer).await.is_err());
    assert_eq!(reserve(&guard, 1, "copy-2").await, Reservation::Granted);
}

/// Each write begins the age anew: a commit is remembered from when it was made.
#[tokio::test]
async fn a_completed_message_is_refused_until_the_bucket_forgets_it() {
    let server = NatsServer::start().await;
    let max_age = Duration::from_secs(3);
    let guard = guard_with(&server, NatsReplayConfig::new(BUCKET).with_max_age(max_age)).await;
    let reserve = async |copy| guard.reserve(&nonce(1), &by(copy), SHORT, max_age).await.unwrap();
    assert_eq!(reserve("copy-1").await, Reservation::Granted);
    commit(&guard, 1, "copy-1").await;
    let committed = tokio::time::Instant::now();
    loop {
        let answer = reserve("copy-2").await;
        let age = committed.elapsed();
        if answer == Reservation::Granted {
            assert!(age + SHORT > max_age, "forgotten after {age:?}");
            break;
        }
        assert_eq!(answer, Reservation::Replayed);
        assert!(age < max_age * 10, "remembered for {age:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_full_bucket_answers_with_an_error_and_forgets_nothing() {
    let server = NatsServer::start().await;
    let guard = guard_with(&server, config().with_max_bytes(4_096)).await;
    let mut granted = 0;
    let full = loop {
        match guard.reserve(&nonce(granted), &by("copy-1"), HOUR, HOUR).await {
            Ok(reserved) => assert_eq!(reserved, Reservation::Granted),
            Err(error) => break error,
        }
        granted += 1;
        assert!(granted < 100, "4 KiB have an end");
    };
    let source = std::error::Error::source(&full).unwrap().to_string();
    assert!(source.starts_with("no room in the bucket"), "{source}");
    assert!((16..28).contains(&granted), "about 200 bytes each, but {granted} in 4 KiB");
    for n in 0..granted {
        assert_eq!(reserve(&guard, n, "copy-2").await, Reservation::Replayed, "still known");
    }
}
