//! The vendor's own client opens what this adapter wrapped, and the other way round.

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyManagementService, KeyProvider};
use sealmq_keys_aws::AwsKmsConfig;

use crate::support::{
    boto3, context, key, kms_endpoint, provider, secrets_endpoint, service, tenant, unique,
};

const CONTEXT: &str =
    "c = dict(format='QRE1', environment='test', tenant='acme', scope='orders')\n";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[tokio::test]
async fn boto3_opens_what_was_wrapped_here_and_only_in_its_context() {
    let prefix = format!("alias/{}", unique("interop"));
    let config = AwsKmsConfig::per_tenant(&prefix).with_auto_create(true);
    let kms = service(config, &kms_endpoint()).await;
    let context = context("acme");
    let made = kms.generate_dek(&context).await.unwrap();
    let given = kms.encrypt_dek(&made.dek, &context).await.unwrap();
    let moved = kms.rewrap_dek(&given, &context).await.unwrap();
    let open = format!(
        "{CONTEXT}w = bytes.fromhex(sys.argv[3])\n\
         (v,) = struct.unpack('>I', w[:4])\n\
         k = f'{{sys.argv[4]}}/acme/v{{v}}'\n\
         print(kms.decrypt(KeyId=k, CiphertextBlob=w[4:], EncryptionContext=c)['Plaintext'].hex())\n\
         try:\n    kms.decrypt(KeyId=k, CiphertextBlob=w[4:], EncryptionContext=dict(c, tenant='b'))\n\
         except kms.exceptions.InvalidCiphertextException: print('refused')\n"
    );
    for wrapped in [made.wrapped, given, moved] {
        let printed = boto3(&open, &[&hex(&wrapped), &prefix]);
        assert_eq!(printed, format!("{}\nrefused", hex(made.dek.expose_secret())));
    }
}

#[tokio::test]
async fn what_boto3_wrapped_opens_here() {
    let key = key().await;
    let kms = service(AwsKmsConfig::shared([key.as_str()]), &kms_endpoint()).await;
    let wrap = format!(
        "{CONTEXT}m = kms.generate_data_key(KeyId=sys.argv[3], KeySpec='AES_256', EncryptionContext=c)\n\
         e = kms.encrypt(KeyId=sys.argv[3], Plaintext=m['Plaintext'], EncryptionContext=c)\n\
         print(m['Plaintext'].hex())\n\
         for b in (m, e): print((struct.pack('>I', 1) + b['CiphertextBlob']).hex())\n"
    );
    let printed = boto3(&wrap, &[&key]);
    let lines: Vec<_> = printed.lines().map(bytes).collect();
    let dek = EncryptionKey::from_slice(&lines[0]).unwrap();
    for wrapped in &lines[1..] {
        assert!(kms.decrypt_dek(wrapped, &context("acme")).await.unwrap() == dek);
        assert!(kms.decrypt_dek(wrapped, &context("other")).await.is_err());
    }
}

#[tokio::test]
async fn secrets_that_boto3_wrote_are_read() {
    let name = unique("interop/orders");
    let write = "n = sys.argv[3]\n\
        keys = [bytes([i]) * 32 for i in (1, 2, 3)]\n\
        ids = [secrets.create_secret(Name=n, SecretBinary=keys[0])['VersionId']]\n\
        s = base64.b64encode(keys[1]).decode()\n\
        ids.append(secrets.put_secret_value(SecretId=n, SecretString=s)['VersionId'])\n\
        ids.append(secrets.put_secret_value(SecretId=n, SecretBinary=keys[2])['VersionId'])\n\
        print(*ids)\n";
    let printed = boto3(write, &[&name]);
    let ids: Vec<_> = printed.split(' ').map(|id| EncryptionKeyId::new(id).unwrap()).collect();
    let store = provider(&name, &secrets_endpoint()).await;
    assert_eq!(store.current_key_id().await.unwrap(), ids[2]);
    let mut valid = store.valid_key_ids().await.unwrap();
    valid.sort();
    let mut expected = ids[1..].to_vec();
    expected.sort();
    assert_eq!(valid, expected, "AWSCURRENT and AWSPREVIOUS open");
    for (id, byte) in [(&ids[1], 2), (&ids[2], 3)] {
        assert_eq!(store.get_key(id).await.unwrap().expose_secret(), &[byte; 32]);
    }
    assert!(store.get_key(&ids[0]).await.is_err(), "a version without a label opens no more");
}

#[tokio::test]
async fn the_material_inside_a_key_is_rotated_and_boto3_sees_it() {
    let key = key().await;
    let kms = service(AwsKmsConfig::shared([key.as_str()]), &kms_endpoint()).await;
    let context = context("acme");
    let made = kms.generate_dek(&context).await.unwrap();
    kms.rotate_key_material(&tenant("acme")).await.unwrap();
    let count = "print(len(kms.list_key_rotations(KeyId=sys.argv[3])['Rotations']))\n";
    assert_eq!(boto3(count, &[&key]), "1");
    assert!(kms.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
}
