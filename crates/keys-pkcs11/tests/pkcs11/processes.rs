//! Several processes that use the same tenants for the first time at once.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use sealmq_crypto_core::{EncryptionKey, KeyError, KeyErrorKind, KeyManagementService};
use sealmq_test_kit::SoftHsm;

use crate::support::*;

const PROCESSES: usize = 4;
const TENANTS: usize = 8;
const ROLE: &str = "SEALMQ_TEST_ROLE";

/// What each process wrapped opens in every other one, and in one that comes later.
#[test]
fn processes_that_begin_at_once_open_each_others_deks() {
    let name = "processes::processes_that_begin_at_once_open_each_others_deks";
    if SoftHsm::is_inside() {
        return run(async {
            match std::env::var(ROLE).unwrap().as_str() {
                "open" => open().await,
                number => wrap(number).await,
            }
        });
    }
    let softhsm = SoftHsm::new(&[TOKEN]);
    let start = |role: &str| -> Child {
        softhsm.command(["--exact", name, "--nocapture"]).env(ROLE, role).spawn().unwrap()
    };
    let mut wrapping = Vec::new();
    for number in 0..PROCESSES {
        wrapping.push(start(&number.to_string()));
        // One after the other: SoftHSM can overlook a token that another process logs in to.
        wait_for_files(softhsm.folder(), "ready-", number + 1);
    }
    std::fs::write(softhsm.folder().join("go"), "").unwrap();
    for process in &mut wrapping {
        assert!(process.wait().unwrap().success());
    }
    assert!(start("open").wait().unwrap().success());
    assert_eq!(count(softhsm.folder(), "opened"), 1);
}

async fn wrap(number: &str) {
    let folder = folder();
    let service = service().await;
    std::fs::write(folder.join(format!("ready-{number}")), "").unwrap();
    wait_for_files(&folder, "go", 1);
    for tenant in 0..TENANTS {
        let used = context(&format!("t{tenant}"));
        let made = patiently(|| service.generate_dek(&used)).await.unwrap();
        let opened = patiently(|| service.decrypt_dek(&made.wrapped, &used)).await.unwrap();
        assert!(opened == made.dek);
        let bytes = [&made.dek.expose_secret()[..], &made.wrapped].concat();
        std::fs::write(folder.join(format!("made-{tenant}-{number}")), bytes).unwrap();
    }
    // One process shreds while the others use the tenant for the first time.
    let used = context("shredded");
    if number == "0" {
        patiently(|| service.delete_kek(used.tenant())).await.unwrap();
    } else if let Err(error) = patiently(|| service.generate_dek(&used)).await {
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    }
}

/// As the client does: SoftHSM answers "general error" to one process while another one writes.
async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, KeyError>
where
    F: Future<Output = Result<T, KeyError>>,
{
    for attempt in 0..20 {
        match call().await {
            Err(error) if error.is_retryable() => {
                tokio::time::sleep(Duration::from_millis(10 << (attempt / 4))).await;
            }
            outcome => return outcome,
        }
    }
    call().await
}

async fn open() {
    let (folder, service) = (folder(), service().await);
    for tenant in 0..TENANTS {
        let used = context(&format!("t{tenant}"));
        for number in 0..PROCESSES {
            let bytes = std::fs::read(folder.join(format!("made-{tenant}-{number}"))).unwrap();
            let (dek, wrapped) = bytes.split_at(EncryptionKey::LEN);
            let opened = service.decrypt_dek(wrapped, &used).await.unwrap();
            assert_eq!(opened.expose_secret(), dek);
        }
        assert_eq!(service.rotate_kek(used.tenant()).await.unwrap().0, 2);
    }
    let used = context("shredded");
    assert_eq!(kind(service.generate_dek(&used).await), KeyErrorKind::KeyNotFound);
    std::fs::write(folder.join("opened"), "").unwrap();
}

fn folder() -> std::path::PathBuf {
    SoftHsm::folder_inside().parent().unwrap().to_owned()
}

fn count(folder: &Path, prefix: &str) -> usize {
    let names = std::fs::read_dir(folder).unwrap();
    names
        .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with(prefix))
        .count()
}

fn wait_for_files(folder: &Path, prefix: &str, wanted: usize) {
    let begun = Instant::now();
    while count(folder, prefix) < wanted {
        assert!(begun.elapsed() < Duration::from_secs(60), "{wanted} files {prefix}*");
        std::thread::sleep(Duration::from_millis(1));
    }
}
