//! Who calls, without a static secret: the instance, the container, a workload's token for STS.
//!
//! The SDK's default chain reads the environment, which is a process's: each case runs this program
//! again, in an environment that holds nothing else.

use std::path::Path;
use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::{AwsConnection, AwsKmsConfig, AwsKmsService};
use sealmq_test_kit::aws_identities::{
    AwsPlace as Place, AwsStandIn, denied_by_sts, key_id, proof, secret, signer, token,
};
use sealmq_test_kit::{Answer, HttpProxy, Request, child_of, free_port, said_by};
use tokio::process::{Child, Command};

use crate::support::{address, connection, context, key, kms_endpoint};
use crate::traces;

/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);
const PLACES: [Place; 3] = [Place::Instance, Place::Container, Place::WebIdentity];
const HOUR: Duration = Duration::from_secs(3600);

/// Run by the tests below in a process of its own. It calls KMS with whatever credentials it finds:
/// once, or from several tasks until there is a file `stop`.
#[tokio::test]
async fn child_of_these_tests() {
    let Ok(folder) = std::env::var("CHILD_FOLDER") else { return };
    let (folder, key) = (Path::new(&folder), std::env::var("CHILD_KEY").unwrap());
    let (traces, guard) = traces::start();
    let connection =
        AwsConnection::new().with_endpoint_url(std::env::var("CHILD_SERVICE").unwrap());
    let connection = connection.with_request_timeout(Duration::from_secs(60));
    let config = AwsKmsConfig::shared([key]).with_connection(connection);
    let service = AwsKmsService::connect(&config).await.unwrap();
    let called = if std::env::var("CHILD_GOES_ON").is_ok() {
        let calls = || calls_until_stopped(&service, folder);
        let (one, two, three, four) = tokio::join!(calls(), calls(), calls(), calls());
        one.and(two).and(three).and(four)
    } else {
        service.generate_dek(&context("acme")).await.map(drop)
    };
    drop(guard);
    let said = called.map_or_else(|error| said(&error), |()| "done".to_owned());
    std::fs::write(folder.join("said"), said).unwrap();
    std::fs::write(folder.join("traces"), traces.text()).unwrap();
}

async fn calls_until_stopped(service: &AwsKmsService, folder: &Path) -> Result<(), KeyError> {
    while !folder.join("stop").exists() {
        service.generate_dek(&context("acme")).await?;
    }
    Ok(())
}

fn said(error: &KeyError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{:?}\n{error}\n{}\n{error:?}", error.kind(), source.unwrap_or_default())
}

fn child(kms: &str, key: &str, folder: &Path, variables: &[(&'static str, String)]) -> Command {
    let mut child = child_of("identities::child_of_these_tests", folder, kms, variables);
    child.env("CHILD_KEY", key);
    child
}

/// What the child said in the end: what became of its calls, and its traces.
async fn end(child: Child, folder: &Path) -> (String, String) {
    let said = said_by(child, folder).await;
    (said, std::fs::read_to_string(folder.join("traces")).unwrap())
}

fn shows_no_secret(text: &str, credentials: usize) {
    for n in 0..=credentials {
        for secret in [secret(n), token(n), proof(n)] {
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn calls_are_signed_with_what_the_environment_gives_and_nothing_is_traced() {
    for place in PLACES {
        let stand_in = AwsStandIn::before(&address(&kms_endpoint()), place, HOUR).await;
        let folder = stand_in.folder();
        let mut child = child(&stand_in.service.url(), &key().await, folder, &stand_in.variables());
        let (said, traces) = end(child.spawn().unwrap(), folder).await;
        assert_eq!(said, "done", "{place:?}");
        let signers: Vec<_> = stand_in.service.requests().iter().map(signer).collect();
        assert!(!signers.is_empty() && signers.iter().all(|id| *id == key_id(0)), "{signers:?}");
        assert_eq!(stand_in.count(), 1, "{place:?}");
        assert!(traces.contains("transmitting request"), "something was traced");
        shows_no_secret(&traces, 1);
    }
}

async fn outlives_its_credentials(place: Place) {
    // The SDK fetches the next ones 5 s to 10 s before these expire.
    let lifetime = Duration::from_secs(11);
    let stand_in = AwsStandIn::before(&address(&kms_endpoint()), place, lifetime).await;
    let (folder, key) = (stand_in.folder(), key().await);
    let mut child = child(&stand_in.service.url(), &key, folder, &stand_in.variables());
    let child = child.env("CHILD_GOES_ON", "1").spawn().unwrap();
    let enough = async {
        while stand_in.calls_since(3) < 8 && !folder.join("said").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.expect("three changes of credentials");
    std::fs::write(folder.join("stop"), "").unwrap();
    let (said, _) = end(child, folder).await;
    assert_eq!(said, "done", "{place:?}: not one call failed");
    assert!(stand_in.count() >= 4);

    // The control: who stays with the first ones is refused once they have expired.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stays = connection(&stand_in.service.url());
    let stays = stays.with_static_credentials(key_id(0), secret(0), Some(token(0)));
    let config = AwsKmsConfig::shared([key]).with_connection(stays);
    let expired = async {
        let service = AwsKmsService::connect(&config).await.unwrap();
        while service.generate_dek(&context("acme")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        service.generate_dek(&context("acme")).await.unwrap_err()
    };
    let refused = tokio::time::timeout(PATIENCE, expired).await.expect("they expire");
    assert_eq!(*refused.kind(), KeyErrorKind::Denied);
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

/// What a place that gives no credentials says, and what becomes of a call then.
async fn fails(place: Place, always: Option<Answer>, proves: bool) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proof");
    if proves {
        std::fs::write(&file, proof(0)).unwrap();
    }
    let endpoint = HttpProxy::before("127.0.0.1:1").await;
    let url = match always {
        Some(answer) => {
            endpoint.screen(move |request| Some(scripted(request, &answer)));
            endpoint.url()
        }
        None => format!("http://127.0.0.1:{}", free_port()),
    };
    let kms = HttpProxy::before("127.0.0.1:1").await;
    let variables = place.variables(&url, &file);
    let mut child = child(&kms.url(), "alias/none", folder.path(), &variables);
    let (said, _) = end(child.spawn().unwrap(), folder.path()).await;
    assert_eq!(kms.requests().len(), 0, "nothing is sent without credentials: {said}");
    shows_no_secret(&said, 1);
    let (kind, rest) = said.split_once('\n').unwrap_or((&said, ""));
    (kind.to_owned(), rest.to_owned())
}

/// The session with the metadata is set up; what it is for goes wrong.
fn scripted(request: &Request, answer: &Answer) -> Answer {
    let header = "x-aws-ec2-metadata-token-ttl-seconds";
    match request.path.as_str() {
        "/latest/api/token" => Answer::json(200, "session").with_header(header, "21600"),
        _ => answer.clone(),
    }
}

/// Where nothing gives credentials, calls are denied; where what gives them fails or refuses, they
/// are unavailable, because it may give them to the next call.
#[tokio::test]
async fn a_place_without_credentials_is_named_and_no_secret_is() {
    use Place::{Container, Instance, WebIdentity};
    // The SDK asks again after 500, and after 403 it does not.
    let leaky = |status| Answer::json(status, format!("{} {}", secret(0), token(0)));
    let garbled = || Answer::json(200, format!("{{\"SecretAccessKey\":\"{}\",", secret(0)));
    let cases = [
        ("no instance", Instance, None, true, "Denied", "IMDS"),
        ("no role", Instance, Some(Answer::json(404, "")), true, "Denied", "IMDS"),
        ("an error", Instance, Some(leaky(403)), true, "Unavailable", "IMDS answered HTTP 403"),
        ("no JSON", Instance, Some(garbled()), true, "Unavailable", ""),
        ("no container", Container, None, true, "Unavailable", ""),
        ("an error", Container, Some(leaky(500)), true, "Unavailable", "500"),
        ("no JSON", Container, Some(garbled()), true, "Unavailable", ""),
        ("no token", Container, Some(leaky(500)), false, "Unavailable", ""),
        ("no STS", WebIdentity, None, true, "Unavailable", ""),
        ("a refusal", WebIdentity, Some(denied_by_sts()), true, "Unavailable", "No such token"),
        ("no token", WebIdentity, Some(leaky(500)), false, "Unavailable", ""),
    ];
    let mut wrong = Vec::new();
    for (case, place, answer, proves, kind, word) in cases {
        let (found, text) = fails(place, answer, proves).await;
        if found != kind || !text.contains(word) {
            wrong.push(format!("{place:?}, {case}: {found}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
