//! `vault = "NAME"`: users of the database that Vault makes, and that end with the service.

use std::time::Duration;

use sealmq_config::Config;
use sealmq_queue_core::Message;

use crate::database::{Database, Engine};
use crate::support::{Files, connect, said};

const WAIT: Duration = Duration::from_secs(60);
const MASTER_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// Keys and guard in the database, both by users of the engine.
async fn file(database: &Database, engine: &Engine, files: &Files) -> String {
    let master = files.reference("master", MASTER_KEY);
    let (server, login) = (database.lines(files, false), engine.lines());
    let vault = engine.table(files).await;
    format!(
        "environment = 'test'\ntenant = 'acme'\n[transport]\nkind = 'memory'\n\
         [[keys]]\nkind = 'postgres'\nalias = 'main'\nmaster_key_id = 'm1'\n\
         master_key = {master}\n{server}{login}\
         [replay_guard]\nkind = 'postgres'\ngroup = 'orders'\n{server}{login}{vault}"
    )
}

#[tokio::test]
async fn keys_and_guard_work_by_users_that_are_gone_after_the_shutdown() {
    let (database, files) = (Database::new().await, Files::new().await);
    let engine = Engine::of(&database).await;
    let text = file(&database, &engine, &files).await;
    for closes in [false, true] {
        let service = connect(&text).await;
        assert_eq!(engine.users(&database).await, 2, "the control: keys and guard have one each");
        let orders = service.queue("orders").unwrap();
        orders.send(Message::new("one teapot")).await.unwrap();
        let received = orders.receive(1, WAIT).await.unwrap().pop().unwrap().unwrap();
        assert_eq!(received.body().as_ref(), b"one teapot");
        received.complete().await.unwrap();
        match closes {
            true => service.close().await.unwrap(),
            false => drop(service.shutdown(WAIT).await.unwrap()),
        }
        assert_eq!(engine.users(&database).await, 0);
    }
    assert_eq!(database.count("replay_nonces", "phase = 'committed'").await, 2);
}

#[tokio::test]
async fn a_login_of_its_own_is_ended_with_the_service() {
    let (database, files) = (Database::new().await, Files::new().await);
    let engine = Engine::of(&database).await;
    let (vault, mount) = (&engine.vault, sealmq_test_kit::VaultAdmin::unique("userpass"));
    vault.must("POST", &format!("sys/auth/{mount}"), r#"{"type":"userpass"}"#).await;
    let user = format!(r#"{{"password":"hush","token_policies":["{}"]}}"#, engine.policy);
    vault.must("POST", &format!("auth/{mount}/users/orders"), &user).await;
    let password = files.reference("password", "hush");
    let text = file(&database, &engine, &files).await;
    let (rest, _) = text.split_once("[vault.main]").unwrap();
    let text = format!(
        "{rest}[vault.main]\naddr = '{}'\nusername = 'orders'\npassword = {password}\n\
         auth_mount = '{mount}'\n",
        vault.address()
    );
    let tokens = async || {
        let all = vault.must("LIST", "auth/token/accessors", "").await;
        let all = all.split_once('[').unwrap().1.split_once(']').unwrap().0.to_owned();
        let mut found = 0;
        for accessor in all.split(',').map(|quoted| quoted.trim().trim_matches('"')) {
            let json = format!(r#"{{"accessor":"{accessor}"}}"#);
            let (status, said) = vault.ask("POST", "auth/token/lookup-accessor", "", &json).await;
            found += usize::from(status == 200 && said.contains(&format!("auth/{mount}/login")));
        }
        found
    };
    let service = connect(&text).await;
    assert_eq!((engine.users(&database).await, tokens().await), (2, 1), "the control");
    service.shutdown(WAIT).await.unwrap();
    assert_eq!((engine.users(&database).await, tokens().await), (0, 0));
}

#[tokio::test]
async fn what_fails_is_named_and_leaves_no_user() {
    let (database, files) = (Database::new().await, Files::new().await);
    let engine = Engine::of(&database).await;
    let good = file(&database, &engine, &files).await;
    let role = "vault_database_role = 'sealmq'";
    let token = files.reference("wrong-token", "no-such-token");
    let (before, _) = good.split_once("token = ").unwrap();
    for (text, path) in [
        (good.replacen(role, "vault_database_role = 'other'", 1), "keys[0]"),
        (good.replacen("group = 'orders'\n", "group = 'orders'\nmax_connections = 7\n", 1), ""),
        (good.replace(&database.schema, "no_such_schema"), "keys[0]"),
        (format!("{before}token = {token}\n"), "keys[0]"),
        (good.replace(engine.vault.address(), "http://127.0.0.1:1"), "vault.main"),
    ] {
        let config = Config::parse(&text).unwrap();
        let (parts, service) = config.connect_each().await.unwrap();
        let failed = parts.iter().find(|part| part.error.is_some());
        assert_eq!(failed.map_or("", |part| &*part.path), path, "{parts:?}");
        if let Some(error) = failed.and_then(|part| part.error.as_ref()) {
            assert!(!said(error).contains("no-such-token"), "{}", said(error));
        }
        if let Some(service) = service {
            service.close().await.unwrap();
        }
        assert_eq!(engine.users(&database).await, 0, "{parts:?}");
    }
}
