//! The policies that are ready to paste: enough for what they are for, and nothing more.
//!
//! The server checks users and actions. It knows neither resources nor conditions of these
//! services, so those are taken out first; `ReEncryptFrom` and `ReEncryptTo` are one action to it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_aws::{
    AwsConnection, AwsKmsConfig, AwsKmsService, AwsSecretsConfig, AwsSecretsProvider,
};
use sealmq_test_kit::{free_port, required};
use serde_json::{Value, json};

use crate::support::{REGION, context, tenant};

const USE: &str = include_str!("../../policies/kms-use.json");
const OPEN: &str = include_str!("../../policies/kms-open.json");
const ADMINISTER: &str = include_str!("../../policies/kms-administer.json");
const READ: &str = include_str!("../../policies/secrets-read.json");

/// A server of this test's own, which is stopped with it: from some request on it checks users.
struct Server {
    child: Child,
    endpoint: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(required("SEALMQ_PYTHON")).args(["-c", program]).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The policy as far as the server understands it.
fn understood(policy: &str) -> Value {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let resources = statement["Resource"].to_string();
        assert!(resources.contains("REGION:ACCOUNT") || statement.get("Condition").is_some());
        statement["Resource"] = json!("*");
        statement.as_object_mut().unwrap().remove("Condition");
        let actions = statement["Action"].to_string().replace("ReEncryptFrom", "ReEncrypt");
        statement["Action"] = serde_json::from_str(&actions).unwrap();
    }
    policy
}

impl Server {
    /// Starts the server and makes a user for each set of policies; gives their keys.
    fn start(users: &[&[&str]]) -> (Self, Vec<AwsConnection>) {
        let port = free_port().to_string();
        let child = Command::new(required("SEALMQ_PYTHON"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        let policies: Vec<Vec<Value>> = users
            .iter()
            .map(|user| user.iter().map(|policy| understood(policy)).collect())
            .collect();
        let program = "import json, sys, time, urllib.request, boto3\n\
            u = sys.argv[1]\n\
            for _ in range(1200):\n\
            \x20   try: urllib.request.urlopen(u + '/moto-api/'); break\n\
            \x20   except OSError: time.sleep(0.1)\n\
            a = dict(endpoint_url=u, region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='y')\n\
            iam = boto3.client('iam', **a)\n\
            for n, policies in enumerate(json.loads(sys.argv[2])):\n\
            \x20   iam.create_user(UserName=f'u{n}')\n\
            \x20   for m, p in enumerate(policies):\n\
            \x20       iam.put_user_policy(UserName=f'u{n}', PolicyName=f'p{m}', PolicyDocument=json.dumps(p))\n\
            \x20   k = iam.create_access_key(UserName=f'u{n}')['AccessKey']\n\
            \x20   print(k['AccessKeyId'], k['SecretAccessKey'])\n\
            boto3.client('secretsmanager', **a).create_secret(Name='production/orders', SecretBinary=bytes(32))\n\
            urllib.request.urlopen(urllib.request.Request(u + '/moto-api/reset-auth', data=b'0', \
            headers={'Content-Type': 'text/plain'}))\n";
        let policies = serde_json::to_string(&policies).unwrap();
        let printed = python(program, &[&server.endpoint, &policies]);
        let connect = |line: &str| {
            let (id, secret) = line.split_once(' ').unwrap();
            AwsConnection::new()
                .with_endpoint_url(&server.endpoint)
                .with_region(REGION)
                .with_request_timeout(Duration::from_secs(20))
                .with_static_credentials(id, secret, None)
        };
        let connections = printed.lines().map(connect).collect();
        (server, connections)
    }
}

async fn kms(connection: &AwsConnection) -> AwsKmsService {
    let config = AwsKmsConfig::per_tenant("alias/sealmq/production")
        .with_connection(connection.clone())
        .with_alias_settling(Duration::ZERO)
        .with_auto_create(true);
    AwsKmsService::connect(&config).await.unwrap()
}

#[tokio::test]
async fn each_policy_allows_what_it_is_for_and_nothing_else() {
    let (_server, connections) = Server::start(&[&[USE, ADMINISTER], &[USE], &[OPEN], &[READ]]);
    let [administrator, user, opener, reader] = &connections[..] else { panic!() };
    let context = context("acme");

    let administers = kms(administrator).await;
    let made = administers.generate_dek(&context).await.unwrap();
    administers.rotate_kek(&tenant("acme")).await.unwrap();
    administers.rotate_key_material(&tenant("acme")).await.unwrap();
    administers.generate_dek(&crate::support::context("gone")).await.unwrap();
    administers.delete_kek(&tenant("gone")).await.unwrap();

    let uses = kms(user).await;
    assert!(uses.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    uses.generate_dek(&context).await.unwrap();
    uses.encrypt_dek(&made.dek, &context).await.unwrap();
    uses.rewrap_dek(&made.wrapped, &context).await.unwrap();

    let opens = kms(opener).await;
    assert!(opens.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);

    for allowed in [&administers, &uses, &opens] {
        allowed.health().await.unwrap();
    }

    let reads = kms(reader).await;
    let unused = crate::support::context("unused");
    let refused = [
        uses.generate_dek(&unused).await.map(drop),
        uses.rotate_kek(&tenant("acme")).await.map(drop),
        uses.rotate_key_material(&tenant("acme")).await,
        uses.delete_kek(&tenant("acme")).await,
        opens.generate_dek(&context).await.map(drop),
        opens.encrypt_dek(&made.dek, &context).await.map(drop),
        opens.rewrap_dek(&made.wrapped, &context).await.map(drop),
        opens.rotate_kek(&tenant("acme")).await.map(drop),
        opens.delete_kek(&tenant("acme")).await,
        reads.decrypt_dek(&made.wrapped, &context).await.map(drop),
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.unwrap_err().kind(), &KeyErrorKind::Denied, "call {n}");
    }

    for (connection, may) in [(reader, true), (administrator, false), (opener, false)] {
        let config = AwsSecretsConfig::new("production/orders").with_connection(connection.clone());
        let store = AwsSecretsProvider::connect(&config).await.unwrap();
        let current = store.current_key_id().await;
        if may {
            store.get_key(&current.unwrap()).await.unwrap();
            assert_eq!(store.valid_key_ids().await.unwrap().len(), 1);
        } else {
            assert_eq!(current.unwrap_err().kind(), &KeyErrorKind::Denied);
        }
    }

    let stranger = administrator.clone().with_static_credentials("AKIDNOBODY", "wrong", None);
    let stranger = kms(&stranger).await;
    let refused = [stranger.generate_dek(&context).await.map(drop), stranger.health().await];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), &KeyErrorKind::Denied);
    }
}
