//! The life of a user of a database, on a clock that tests move.

use std::io::Write;
use std::sync::OnceLock;

use sealmq_test_kit::{Answer, HttpProxy};

use super::*;
use crate::auth::VaultAuth;
use crate::config::VaultConfig;
use crate::timer::ManualTimer;

/// A server that makes users for an hour, until it is told otherwise; its token never ends.
struct World {
    server: HttpProxy,
    timer: Arc<ManualTimer>,
    credentials: VaultDatabaseCredentials,
}

fn token(seconds: u64) -> Answer {
    Answer::json(200, format!(r#"{{"data":{{"ttl":{seconds},"renewable":true}}}}"#))
}

fn user(name: &str, seconds: u64) -> Answer {
    let data = format!(r#"{{"username":"{name}","password":"hush-{name}"}}"#);
    let lease = format!(r#""lease_id":"lease-of-{name}","lease_duration":{seconds}"#);
    Answer::json(200, format!(r#"{{{lease},"renewable":true,"data":{data}}}"#))
}

impl World {
    async fn new(token: Answer) -> Self {
        let server = HttpProxy::before("127.0.0.1:1").await;
        server.answer(|request| request.path.contains("lookup-self"), token);
        server.always(user("u-1", 3600));
        let timer = Arc::new(ManualTimer::default());
        let dynamic = || Arc::clone(&timer) as Arc<dyn Timer>;
        let config = VaultConfig::new(server.url(), VaultAuth::token("s.given"));
        let client = VaultClient::connect_with(config, dynamic()).await.unwrap();
        let config = VaultDatabaseConfig::new("orders");
        let credentials = VaultDatabaseCredentials::fetch_with(client, config, dynamic()).await;
        let credentials = credentials.unwrap();
        Self { server, timer, credentials }
    }

    fn user(&self) -> String {
        self.credentials.current().unwrap().user().to_owned()
    }

    fn count(&self, part: &'static str) -> usize {
        self.server.count(|request| request.path.contains(part))
    }

    /// Waits until so many requests of this kind came.
    async fn until(&self, part: &'static str, expected: usize) {
        let came = async {
            while self.count(part) < expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(10), came).await;
        came.unwrap_or_else(|_| panic!("{} of {expected} {part}", self.count(part)));
        settle().await;
    }
}

/// Long enough for what must not happen to happen.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_lease_is_renewed_at_two_thirds_of_its_time_and_not_before() {
    let world = World::new(token(0)).await;
    for round in 0..3 {
        world.timer.advance(2399);
        settle().await;
        assert_eq!(world.count("sys/leases/renew"), round);
        world.timer.advance(1);
        world.until("sys/leases/renew", round + 1).await;
    }
    assert_eq!((world.count("/creds/orders"), world.user()), (1, "u-1".to_owned()));
}

#[tokio::test]
async fn a_renewal_that_is_refused_or_gives_little_is_followed_by_another_user() {
    for answer in [Answer::json(400, ""), user("u-1", 1199), user("u-1", 0)] {
        let world = World::new(token(0)).await;
        world.server.answer(|request| request.path.contains("renew"), answer);
        world.server.always(user("u-2", 3600));
        world.timer.advance(2400);
        world.until("/creds/", 2).await;
        assert_eq!(world.user(), "u-2");
    }
}

#[tokio::test]
async fn a_server_that_is_away_leaves_the_user_and_is_asked_again() {
    let world = World::new(token(0)).await;
    world.server.always(Answer::json(503, ""));
    world.timer.advance(2400);
    world.until("sys/leases/renew", 1).await;
    for attempt in 2..5 {
        world.timer.advance(60);
        world.until("sys/leases/renew", attempt).await;
        assert_eq!(world.user(), "u-1");
    }
    world.server.always(user("u-1", 3600));
    world.timer.advance(60);
    world.until("sys/leases/renew", 5).await;
    world.timer.advance(2399);
    settle().await;
    assert_eq!((world.count("sys/leases/renew"), world.count("/creds/")), (5, 1));
}

#[tokio::test]
async fn a_lease_is_no_longer_than_what_is_left_of_the_token() {
    let world = World::new(token(60)).await;
    world.timer.advance(39);
    settle().await;
    assert_eq!(world.count("sys/leases/renew"), 0);
    world.timer.advance(1);
    world.until("sys/leases/renew", 1).await;
}

#[tokio::test]
async fn twenty_who_were_refused_share_one_other_user_and_not_within_a_second() {
    let world = World::new(token(0)).await;
    let refused = world.credentials.current().unwrap();
    let at_once = world.credentials.replace(&refused).await.unwrap_err();
    assert_eq!(at_once.kind(), &KeyErrorKind::Unavailable);
    world.timer.advance(1);
    world.server.always(user("u-2", 3600));
    let asking = (0..20).map(|_| {
        let (credentials, refused) = (world.credentials.clone(), Arc::clone(&refused));
        tokio::spawn(async move { credentials.replace(&refused).await.unwrap().user().to_owned() })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), "u-2");
    }
    assert_eq!(world.count("/creds/"), 2);
}

#[tokio::test]
async fn closing_revokes_what_has_not_ended_and_tries_all_of_it() {
    let world = World::new(token(0)).await;
    let revoked = |part: &'static str| {
        let asked =
            |r: &sealmq_test_kit::Request| r.path.contains("revoke") && r.text().contains(part);
        world.server.count(asked)
    };
    for name in ["u-2", "u-3"] {
        world.timer.advance(1900); // u-1 has ended by the time of u-3
        world.server.always(user(name, 3600));
        let refused = world.credentials.current().unwrap();
        world.credentials.replace(&refused).await.unwrap();
    }
    world.server.answer(|request| request.path.contains("revoke"), Answer::json(503, ""));
    assert!(world.credentials.close_and_revoke().await.is_err(), "one of them failed");
    assert_eq!(
        (revoked("lease-of-u-1"), revoked("lease-of-u-2"), revoked("lease-of-u-3")),
        (0, 1, 1)
    );
}

/// What is logged, kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn users_are_logged_and_passwords_and_leases_are_not() {
    // While there is but one subscriber, tracing asks the present thread's whether an event is
    // wanted, and remembers a "no" of other tests' threads for all. So there are always two.
    static ANOTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
    ANOTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = World::new(token(0)).await;
    world.timer.advance(1);
    let refused = world.credentials.current().unwrap();
    world.credentials.replace(&refused).await.unwrap();
    world.server.always(Answer::json(400, r#"{"errors":["hush-u-1 lease-of-u-1"]}"#));
    world.timer.advance(2400);
    world.until("/creds/", 3).await;
    let error = world.credentials.close_and_revoke().await.unwrap_err();
    let mut shown = format!("{error} {error:?} {:?}", world.credentials);
    shown += &String::from_utf8_lossy(&log.0.lock().unwrap());
    for expected in ["u-1", "is replaced instead of renewed", "could not be renewed"] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    for hidden in ["hush", "lease-of", "s.given"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
