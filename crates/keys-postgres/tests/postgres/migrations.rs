//! Making the tables: once, by whoever comes first, and never backwards.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_postgres::{PostgresClient, migrate, schema_version};

use crate::support::{Schema, config, context, kind, superuser, unique};

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    let version = schema_version(&schema.db).await.unwrap();
    assert_eq!(migrate(&schema.db).await.unwrap(), version);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    let noted = schema.number("SELECT count(*) FROM TABLES.schema_migrations").await;
    assert_eq!(noted, i64::from(version));
}

#[tokio::test]
async fn ten_starters_migrate_once() {
    let name = unique("test");
    let starting: Vec<_> = (0..10)
        .map(|_| {
            let db = PostgresClient::new(&config(&name)).unwrap();
            tokio::spawn(async move { migrate(&db).await })
        })
        .collect();
    for starter in starting {
        starter.await.unwrap().unwrap();
    }
    let db = PostgresClient::new(&config(&name)).unwrap();
    let version = i64::from(schema_version(&db).await.unwrap());
    let sql = format!("SELECT count(*) FROM {name}.schema_migrations");
    let noted: i64 = superuser().await.query_one(&sql, &[]).await.unwrap().get(0);
    assert_eq!(noted, version);
}

/// A schema of the first version gets the rest, and keeps its rows.
#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    schema.run("DROP TABLE TABLES.replay_nonces").await;
    schema.run("DELETE FROM TABLES.schema_migrations WHERE version > 1").await;
    assert_eq!(schema_version(&schema.db).await.unwrap(), 1);
    migrate(&schema.db).await.unwrap();
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.replay_nonces").await, 0);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let schema = Schema::new().await;
    schema.run("INSERT INTO TABLES.schema_migrations (version, name) VALUES (99, 'later')").await;
    assert_eq!(kind(migrate(&schema.db).await), KeyErrorKind::Malformed);
}

/// A migration that fails leaves nothing half made.
#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let name = unique("test");
    let sql = format!("CREATE SCHEMA {name}; CREATE TABLE {name}.replay_nonces ()");
    superuser().await.batch_execute(&sql).await.unwrap();
    let db = PostgresClient::new(&config(&name)).unwrap();
    assert!(migrate(&db).await.is_err());
    let sql = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'");
    let tables: i64 = superuser().await.query_one(&sql, &[]).await.unwrap().get(0);
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn without_tables_a_call_says_so_and_may_be_tried_again() {
    let schema = Schema::new().await;
    schema.run(&format!("DROP SCHEMA {} CASCADE", schema.name)).await;
    let error = schema.service(1).generate_dek(&context("acme")).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("not migrated"), "{error}");
}
