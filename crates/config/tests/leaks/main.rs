//! Every secret of every table holds a canary, and is wrong in every way: it is in no error, no
//! report, no `Debug` and no log, neither as it is nor in hexadecimal or base64.
//!
//! The servers that refuse it are real; `cargo xtask test` starts them, and without them the test
//! fails. An HSM is the exception: its module is not there.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

mod cases;
mod needles;
mod scan;

use std::collections::BTreeSet;

use crate::cases::cases;
use crate::scan::{Scan, secrets_of_the_schema};

#[tokio::test]
async fn no_secret_leaks_however_wrong_it_is() {
    let mut scan = Scan::begin();
    let (cases, _servers) = cases().await;
    let covered: BTreeSet<_> = cases.iter().map(|case| case.setting()).collect();
    assert_eq!(covered, secrets_of_the_schema(), "cases on the left, settings on the right");
    for case in &cases {
        scan.in_the_file(case);
        scan.beside_what_is_wrong(case).await;
        scan.away(case).await;
        scan.refused(case).await;
    }
    scan.end(cases.len());
}
