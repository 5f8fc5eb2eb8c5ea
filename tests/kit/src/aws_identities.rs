//! Stand-ins for what gives out credentials of AWS: the instance's metadata, the container's
//! endpoint, STS.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::timestamp::time;
use crate::{Answer, HttpProxy, Request};

const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/app";
const IMDS_TOKEN: &str = "imds-session-token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// Who gives out the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsPlace {
    /// The metadata of the instance.
    Instance,
    /// The endpoint of the container.
    Container,
    /// STS, for a workload's token.
    WebIdentity,
}

/// What was given out, and how long it is good for.
struct Issued {
    until: SystemTime,
    /// What has to be in the file that proves who asks, for the next credentials.
    next_proof: String,
}

/// One of them, and a service that takes its credentials and no others, nor for longer than they
/// live.
pub struct AwsStandIn {
    place: AwsPlace,
    endpoint: HttpProxy,
    /// The service, before the server at the address that was given.
    pub service: HttpProxy,
    folder: TempDir,
    issued: Arc<Mutex<Vec<Issued>>>,
}

impl AwsStandIn {
    /// One whose credentials live so long, before the server at `host:port`.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(server: &str, place: AwsPlace, lifetime: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = HttpProxy::before("127.0.0.1:1").await;
        let service = HttpProxy::before(server).await;
        let issued = Arc::<Mutex<Vec<Issued>>>::default();
        let (file, given) = (folder.path().join("proof"), Arc::clone(&issued));
        write_proof(&file, &proof(0));
        endpoint.screen(move |request| Some(give(place, request, &file, lifetime, &given)));
        let given = Arc::clone(&issued);
        service.screen(move |request| refuses(request, &given));
        Self { place, endpoint, service, folder, issued }
    }

    /// Where it keeps the file that proves who asks, and children what they say.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The variables by which the default chain finds it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.place.variables(&self.endpoint.url(), &self.folder.path().join("proof"))
    }

    /// How often it gave out credentials.
    ///
    /// # Panics
    /// After another panic.
    pub fn count(&self) -> usize {
        self.issued.lock().unwrap().len()
    }

    /// How many requests of the service were signed with the n-th credentials or later ones. Those
    /// that two tasks fetched at the same time may sign few or none.
    ///
    /// # Panics
    /// After another panic.
    pub fn calls_since(&self, n: usize) -> usize {
        let late: Vec<_> = (n..self.count()).map(key_id).collect();
        self.service.count(|request| late.contains(&signer(request)))
    }
}

impl AwsPlace {
    /// The variables by which the default chain finds an endpoint of this kind.
    pub fn variables(self, url: &str, proof: &Path) -> Vec<(&'static str, String)> {
        let proof = proof.display().to_string();
        match self {
            AwsPlace::Instance => vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.to_owned())],
            AwsPlace::Container => vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/v1/credentials")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", proof),
            ],
            AwsPlace::WebIdentity => vec![
                ("AWS_ENDPOINT_URL_STS", url.to_owned()),
                ("AWS_ROLE_ARN", ROLE_ARN.to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", proof),
            ],
        }
    }
}

/// The access key id of the n-th credentials.
pub fn key_id(n: usize) -> String {
    format!("ASIASTANDIN{n}")
}

/// Their secret.
pub fn secret(n: usize) -> String {
    format!("s3cret-of-the-stand-in-{n}")
}

/// Their session token.
pub fn token(n: usize) -> String {
    format!("t0ken-of-the-stand-in-{n}")
}

/// What the file holds that they were given for.
pub fn proof(n: usize) -> String {
    format!("pr00f-of-the-caller-{n}")
}

/// The access key id in the signature of a request.
pub fn signer(request: &Request) -> String {
    let signature = request.header("authorization").unwrap_or_default();
    let (_, rest) = signature.split_once("Credential=").unwrap_or_default();
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// As an agent does it: readers see the former or the next, and nothing between.
fn write_proof(file: &PathBuf, proof: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, proof).unwrap();
    std::fs::rename(next, file).unwrap();
}

fn give(
    place: AwsPlace,
    request: &Request,
    file: &PathBuf,
    lifetime: Duration,
    issued: &Mutex<Vec<Issued>>,
) -> Answer {
    let mut issued = issued.lock().unwrap();
    let n = issued.len();
    let wanted = issued.last().map_or_else(|| proof(0), |last| last.next_proof.clone());
    match (place, request.method.as_str(), request.path.as_str()) {
        (AwsPlace::Instance, "PUT", "/latest/api/token") => {
            let header = "x-aws-ec2-metadata-token-ttl-seconds";
            let lifetime = request.header(header).unwrap_or("none");
            return Answer::json(200, IMDS_TOKEN).with_header(header, lifetime);
        }
        (AwsPlace::Instance, "GET", path) if path.starts_with(CREDENTIALS) => {
            if request.header("x-aws-ec2-metadata-token") != Some(IMDS_TOKEN) {
                return Answer::json(401, "");
            }
            if path == CREDENTIALS {
                return Answer::json(200, "app");
            }
        }
        (AwsPlace::Container, "GET", "/v1/credentials") => {
            if request.header("authorization") != Some(&wanted) {
                return Answer::json(403, "");
            }
        }
        (AwsPlace::WebIdentity, "POST", "/") => {
            let form = request.text();
            if !form.contains(&format!("WebIdentityToken={wanted}&"))
                && !form.ends_with(&format!("WebIdentityToken={wanted}"))
            {
                return denied_by_sts();
            }
        }
        _ => return Answer::json(404, ""),
    }
    let until = SystemTime::now() + lifetime;
    issued.push(Issued { until, next_proof: proof(n + 1) });
    write_proof(file, &proof(n + 1));
    if place == AwsPlace::WebIdentity { xml(n, until) } else { json(n, until) }
}

/// What STS says to a token that it does not take.
pub fn denied_by_sts() -> Answer {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
        <Message>No such token</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    Answer::json(400, body).with_header("content-type", "text/xml")
}

fn json(n: usize, until: SystemTime) -> Answer {
    let (now, until) = (time(SystemTime::now()), time(until));
    let text = format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"{now}","AccessKeyId":"{}","SecretAccessKey":"{}","Token":"{}","Expiration":"{until}"}}"#,
        key_id(n),
        secret(n),
        token(n)
    );
    Answer::json(200, text)
}

fn xml(n: usize, until: SystemTime) -> Answer {
    let body = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROA:app</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/app/one</Arn></AssumedRoleUser>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        key_id(n),
        secret(n),
        token(n),
        time(until)
    );
    Answer::json(200, body)
}

fn refusal(code: &str) -> Answer {
    Answer::json(400, format!(r#"{{"__type":"{code}","message":"as told to"}}"#))
}

/// What AWS says to credentials that it did not give out, or that have expired.
fn refuses(request: &Request, issued: &Mutex<Vec<Issued>>) -> Option<Answer> {
    let issued = issued.lock().unwrap();
    let n = (0..issued.len()).find(|n| signer(request) == key_id(*n));
    match n {
        Some(n) if request.header("x-amz-security-token") != Some(&token(n)) => {
            Some(refusal("UnrecognizedClientException"))
        }
        Some(n) if SystemTime::now() >= issued[n].until => Some(refusal("ExpiredTokenException")),
        Some(_) => None,
        None => Some(refusal("UnrecognizedClientException")),
    }
}
