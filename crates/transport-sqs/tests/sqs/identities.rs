//! Who calls: the environment, a profile, the instance, the container, a workload's token for STS.
//!
//! The SDK's default chain reads the environment, which is a process's: each case runs this program
//! again, in an environment that holds nothing else.

use std::path::Path;
use std::time::Duration;

use sealmq_queue_core::{Message, Source, Transport, TransportError, TransportErrorKind};
use sealmq_test_kit::aws_identities::{
    AwsPlace as Place, AwsStandIn, denied_by_sts, key_id, proof, secret, signer, token,
};
use sealmq_test_kit::{Answer, HttpProxy, child_of, free_port, said_by};
use sealmq_transport_sqs::{SqsConfig, SqsTransport};
use tokio::process::Command;

use crate::support::*;

/// How long something may take that has to happen, however busy the machine is.
const LONG: Duration = Duration::from_secs(180);

/// Run by the tests below in a process of its own. It sends with whatever credentials it finds:
/// once, or from several tasks, while another one receives, until there is a file `stop`.
#[tokio::test]
async fn child_of_these_tests() {
    let Ok(folder) = std::env::var("CHILD_FOLDER") else { return };
    let (folder, queue) = (Path::new(&folder), std::env::var("CHILD_QUEUE").unwrap());
    let config = SqsConfig::new().with_endpoint_url(std::env::var("CHILD_SERVICE").unwrap());
    let config = config.with_request_timeout(60 * SECOND).with_poll_wait(SECOND);
    let transport = SqsTransport::connect(&config).await.unwrap();
    let stopped = || folder.join("stop").exists();
    let done = if std::env::var("CHILD_GOES_ON").is_ok() {
        let sends = async || {
            while !stopped() {
                send_one(&transport, &queue).await?;
            }
            Ok(())
        };
        let receives = async || {
            let receiver = transport.open(&Source::queue(&queue), Default::default()).await?;
            while !stopped() {
                for delivery in receiver.recv(10, SECOND).await? {
                    delivery.receipt.complete().await.map_err(|failed| failed.error)?;
                }
            }
            Ok(())
        };
        let (one, two, three, four) = tokio::join!(sends(), sends(), sends(), receives());
        one.and(two).and(three).and(four)
    } else {
        send_one(&transport, &queue).await
    };
    let said = done.map_or_else(|error: TransportError| said(&error), |()| "done".to_owned());
    std::fs::write(folder.join("said"), said).unwrap();
}

async fn send_one(transport: &SqsTransport, queue: &str) -> Result<(), TransportError> {
    let sent = transport.send(queue, vec![Message::new("x")]).await.remove(0);
    sent.map(drop).map_err(|failure| failure.error)
}

fn said(error: &TransportError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{:?}\n{error}\n{}\n{error:?}", error.kind(), source.unwrap_or_default())
}

fn child(sqs: &str, queue: &str, folder: &Path, variables: &[(&'static str, String)]) -> Command {
    let mut child = child_of("identities::child_of_these_tests", folder, sqs, variables);
    child.env("CHILD_QUEUE", queue);
    child
}

async fn new_queue() -> String {
    queue(&standard().await, settings()).await
}

fn signers(sqs: &HttpProxy) -> Vec<String> {
    sqs.requests().iter().map(signer).collect()
}

#[tokio::test]
async fn the_environment_and_a_profile_say_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let keys = "aws_access_key_id = AKIDPROFILE\naws_secret_access_key = profile-secret\n";
    std::fs::write(&file, format!("[worker]\n{keys}")).unwrap();
    let environment = vec![
        ("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "environment-secret".to_owned()),
    ];
    let profile = vec![
        ("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string()),
        ("AWS_PROFILE", "worker".to_owned()),
    ];
    let queue = new_queue().await;
    for (variables, id) in [(environment, "AKIDENVIRONMENT"), (profile, "AKIDPROFILE")] {
        let sqs = HttpProxy::before(address()).await;
        let mut child = child(&sqs.url(), &queue, folder.path(), &variables);
        assert_eq!(said_by(child.spawn().unwrap(), folder.path()).await, "done");
        let signers = signers(&sqs);
        assert!(!signers.is_empty() && signers.iter().all(|signer| signer == id), "{signers:?}");
    }
}

/// SQS is asked by sends and by polls all the while, and takes no credentials that have expired.
async fn outlives_its_credentials(place: Place) {
    // The SDK fetches the next ones 5 s to 10 s before these expire.
    let stand_in = AwsStandIn::before(&address(), place, 11 * SECOND).await;
    let (folder, queue) = (stand_in.folder(), new_queue().await);
    let mut child = child(&stand_in.service.url(), &queue, folder, &stand_in.variables());
    let child = child.env("CHILD_GOES_ON", "1").spawn().unwrap();
    let enough = async {
        while stand_in.calls_since(2) < 8 && !folder.join("said").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, enough).await.expect("two changes of credentials");
    std::fs::write(folder.join("stop"), "").unwrap();
    assert_eq!(said_by(child, folder).await, "done", "{place:?}: not one call failed");
    assert!(stand_in.count() >= 3);

    // The control: who stays with the first ones is refused once they have expired.
    let stays = config_for(&stand_in.service.url());
    let stays = stays.with_static_credentials(key_id(0), secret(0), Some(token(0)));
    let transport = SqsTransport::connect(&stays).await.unwrap();
    let expired = async {
        loop {
            match send_one(&transport, &queue).await {
                Ok(()) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return error,
            }
        }
    };
    let refused = tokio::time::timeout(LONG, expired).await.expect("they expire");
    assert_eq!(*refused.kind(), TransportErrorKind::Denied);
}

#[tokio::test]
async fn credentials_of_the_instance_are_replaced_before_they_expire() {
    outlives_its_credentials(Place::Instance).await;
}

#[tokio::test]
async fn credentials_of_the_container_are_replaced_before_they_expire() {
    outlives_its_credentials(Place::Container).await;
}

/// The token's file is read anew each time: STS takes each token once here.
#[tokio::test]
async fn credentials_of_a_web_identity_are_replaced_before_they_expire() {
    outlives_its_credentials(Place::WebIdentity).await;
}

/// Where nothing gives credentials, calls are denied; where what gives them fails or refuses, they
/// are unavailable, because it may give them to the next call.
#[tokio::test]
async fn a_place_without_credentials_is_named_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proof");
    std::fs::write(&file, proof(0)).unwrap();
    let leaky = || Answer::json(500, format!("{} {}", secret(0), token(0)));
    let cases = [
        (Place::Instance, None, "Denied", "IMDS"),
        (Place::Container, Some(leaky()), "Unavailable", "500"),
        (Place::WebIdentity, Some(denied_by_sts()), "Unavailable", "No such token"),
    ];
    for (place, answer, kind, word) in cases {
        let endpoint = HttpProxy::before("127.0.0.1:1").await;
        let nowhere = format!("http://127.0.0.1:{}", free_port());
        let url = if answer.is_some() { endpoint.url() } else { nowhere };
        endpoint.always(answer.unwrap_or(Answer::Reset));
        let sqs = HttpProxy::before("127.0.0.1:1").await;
        let variables = place.variables(&url, &file);
        let mut child = child(&sqs.url(), "none", folder.path(), &variables);
        let said = said_by(child.spawn().unwrap(), folder.path()).await;
        assert_eq!(sqs.requests().len(), 0, "nothing is sent without credentials: {said}");
        assert!(said.starts_with(kind) && said.contains(word), "{place:?}: {said}");
        for secret in [secret(0), token(0), proof(0)] {
            assert!(!said.contains(&secret), "{place:?}: {said}");
        }
    }
}
