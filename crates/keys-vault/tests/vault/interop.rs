//! The vendor's own program opens what we wrapped, and we open what it wrapped.

use sealmq_crypto_core::format::{armour, dearmour};
use sealmq_crypto_core::{EncryptionKey, KeyManagementService};
use sealmq_test_kit::{VaultAdmin, required};
use tokio::process::Command;

use crate::support::{client, context, mount_and_token, service};

async fn bao(admin: &VaultAdmin, token: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(required("SEALMQ_VAULT_BIN"));
    command.args(arguments).env("VAULT_ADDR", admin.address()).env("VAULT_TOKEN", token);
    command.env("BAO_ADDR", admin.address()).env("BAO_TOKEN", token);
    let output = command.output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_dek_goes_from_our_client_to_the_vendors_and_back() {
    let admin = VaultAdmin::from_env();
    let (mount, token) = mount_and_token(&admin).await;
    let service = service(client(admin.address(), &token).await, &mount);
    for tenant in ["acme", "Ümläut & Söhne/eu"] {
        let context = context(tenant);
        let name = service.key_name(context.tenant());
        let bound = format!("associated_data={}", armour(&context.associated_data()));

        let made = service.generate_dek(&context).await.unwrap();
        let wrapped = format!("ciphertext={}", String::from_utf8(made.wrapped).unwrap());
        let decrypt = format!("{mount}/decrypt/{name}");
        let opened =
            bao(&admin, &token, &["write", "-field=plaintext", &decrypt, &wrapped, &bound]).await;
        assert_eq!(dearmour(opened.as_bytes()).unwrap(), made.dek.expose_secret());

        let dek = EncryptionKey::generate().unwrap();
        let plaintext = format!("plaintext={}", armour(dek.expose_secret()));
        let encrypt = format!("{mount}/encrypt/{name}");
        let wrapped =
            bao(&admin, &token, &["write", "-field=ciphertext", &encrypt, &plaintext, &bound])
                .await;
        assert!(service.decrypt_dek(wrapped.as_bytes(), &context).await.unwrap() == dek);
    }
}
