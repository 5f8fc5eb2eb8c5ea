//! Somebody who can write to the tables: rows that are copied, changed or put back do not open.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_postgres::PostgresDekStore;

use crate::support::{Schema, context, kind, tenant};

const COPY: &str = "UPDATE TABLES.kms_keys t SET encrypted_key = s.encrypted_key
    FROM TABLES.kms_keys s WHERE ";

#[tokio::test]
async fn a_kek_that_is_copied_over_another_one_is_refused() {
    let schema = Schema::new().await;
    let (service, acme, evil) = (schema.service(1), context("acme"), context("evil"));
    let made = service.generate_dek(&acme).await.unwrap();
    service.generate_dek(&evil).await.unwrap();
    service.rotate_kek(evil.tenant()).await.unwrap();
    schema.run("CREATE TABLE TABLES.backup AS SELECT * FROM TABLES.kms_keys").await;
    for attack in [
        "t.tenant_id = 'acme' AND s.tenant_id = 'evil' AND s.key_version = 1",
        "t.tenant_id = 'acme' AND s.tenant_id = 'evil' AND s.key_version = 2",
    ] {
        schema.run(&format!("{COPY}{attack}")).await;
        assert_eq!(kind(service.generate_dek(&acme).await), KeyErrorKind::Denied, "{attack}");
        let opened = service.decrypt_dek(&made.wrapped, &acme).await;
        assert_eq!(kind(opened), KeyErrorKind::Denied, "{attack}");
        // The control: the same statement with the right row mends it.
        schema
            .run(&format!(
                "{}s.tenant_id = t.tenant_id AND s.key_version = t.key_version",
                COPY.replace("TABLES.kms_keys s", "TABLES.backup s")
            ))
            .await;
        assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    }
    // One version of a tenant over another one of its own.
    let wrapped = service.generate_dek(&evil).await.unwrap().wrapped;
    schema.run(&format!(
        "{COPY}t.tenant_id = 'evil' AND s.tenant_id = 'evil' AND t.key_version = 2 AND s.key_version = 1"
    )).await;
    assert_eq!(kind(service.decrypt_dek(&wrapped, &evil).await), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_kek_that_is_renumbered_renamed_or_changed_is_refused() {
    let schema = Schema::new().await;
    let service = schema.service(1);
    for (name, change) in [
        ("a", "key_version = 2"),
        ("b", "tenant_id = 'moved'"),
        ("c", "encrypted_key = set_byte(encrypted_key, 20, get_byte(encrypted_key, 20) # 1)"),
        ("d", "encrypted_key = encrypted_key || '\\x00'"),
        ("e", "encrypted_key = ''"),
        ("f", "master_key_id = 'master-9'"),
        ("g", "master_algorithm = 'KMS+AES-256-GCM'"),
        ("h", "key_algorithm = 'none'"),
    ] {
        service.create_kek(&tenant(name)).await.unwrap();
        schema
            .run(&format!("UPDATE TABLES.kms_keys SET {change} WHERE tenant_id = '{name}'"))
            .await;
        let name = if name == "b" { "moved" } else { name };
        let made = service.generate_dek(&context(name)).await;
        assert_eq!(kind(made), KeyErrorKind::Denied, "{change}");
    }
}

#[tokio::test]
async fn a_stored_dek_that_is_copied_over_another_one_is_refused() {
    let schema = Schema::new().await;
    let service = schema.service(1);
    let of = |name, ring| PostgresDekStore::new(service.clone(), tenant(name), ring).unwrap();
    let (orders, bills, evil) = (of("acme", "orders"), of("acme", "bills"), of("evil", "orders"));
    let id = orders.rotate().await.unwrap();
    let key = orders.get_key(&id).await.unwrap();
    for from in [
        orders.rotate().await.unwrap(),
        bills.rotate().await.unwrap(),
        evil.rotate().await.unwrap(),
    ] {
        schema.run("DROP TABLE IF EXISTS TABLES.backup").await;
        schema.run("CREATE TABLE TABLES.backup AS SELECT * FROM TABLES.kms_deks").await;
        let copy = |from_table: &str, from: &str| {
            format!(
                "UPDATE TABLES.kms_deks t SET wrapped_dek = s.wrapped_dek FROM {from_table} s
             WHERE t.key_id = '{id}' AND s.key_id = '{from}'"
            )
        };
        schema.run(&copy("TABLES.kms_deks", from.as_str())).await;
        assert_eq!(kind(orders.get_key(&id).await), KeyErrorKind::Denied);
        schema.run(&copy("TABLES.backup", id.as_str())).await;
        assert!(orders.get_key(&id).await.unwrap() == key);
    }
}

/// A row that is put back after a shredding needs its bytes from before: nothing in the table
/// brings them back.
#[tokio::test]
async fn nothing_of_a_shredded_key_is_left_in_the_table() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    service.generate_dek(&context).await.unwrap();
    service.delete_kek(context.tenant()).await.unwrap();
    assert_eq!(schema.number("SELECT count(encrypted_key) FROM TABLES.kms_keys").await, 0);
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.kms_keys").await, 1);
}

/// Tables of somebody else's are no tables of this crate, and trying again does not mend it.
#[tokio::test]
async fn a_column_of_another_type_is_malformed() {
    let schema = Schema::new().await;
    let (service, acme) = (schema.service(1), context("acme"));
    service.generate_dek(&acme).await.unwrap();
    schema.run("ALTER TABLE TABLES.kms_keys ALTER key_algorithm TYPE bytea USING ''").await;
    assert_eq!(kind(service.generate_dek(&acme).await), KeyErrorKind::Malformed);
}
