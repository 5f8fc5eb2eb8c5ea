//! `--transport`: what it refuses before any I/O, and the demo on real servers.

use crate::support::sealmq;

/// What must be in no error.
const SECRET: &str = "c2VjcmV0";

#[test]
fn an_unknown_transport_is_refused_with_what_there_is() {
    for unknown in ["kafka://localhost", "", ":", "Memory", "nat", "amqp://user:c2VjcmV0@host"] {
        let run = sealmq(["demo", "--transport", unknown]);
        run.assert_refused(2, "--transport: no such transport; there are memory, nats://HOST");
        assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    }
}

#[test]
fn a_transport_without_its_colon_is_refused() {
    sealmq(["demo", "--transport", "sqs"]).assert_refused(2, "--transport sqs: write a colon");
    sealmq(["demo", "--transport", "servicebus"]).assert_refused(2, "--transport servicebus: ");
    sealmq(["demo", "--transport", "memory:x"]).assert_refused(2, "--transport memory: nothing");
}

#[test]
fn prefixes_that_some_broker_refuses_are_refused_on_all() {
    for prefix in ["", "a.b", "a b", "a/b"] {
        sealmq(["demo", "--queues", prefix]).assert_refused(2, "--queues");
    }
}

#[test]
fn memory_has_no_queues_of_others() {
    sealmq(["demo", "--queues", "team"]).assert_refused(2, "--queues: the memory broker");
}

#[test]
#[cfg(not(feature = "nats"))]
fn nats_that_was_not_built_in_is_refused_with_its_feature() {
    let says = "this program was built without nats: build it with --features nats";
    sealmq(["demo", "--transport", "nats://localhost"]).assert_refused(2, says);
}

#[test]
#[cfg(not(feature = "sqs"))]
fn sqs_that_was_not_built_in_is_refused_with_its_feature() {
    let says = "this program was built without sqs: build it with --features sqs";
    sealmq(["demo", "--transport", "sqs:"]).assert_refused(2, says);
}

#[test]
#[cfg(not(feature = "servicebus"))]
fn service_bus_that_was_not_built_in_is_refused_with_its_feature() {
    let says = "this program was built without servicebus: build it with --features servicebus";
    let run = sealmq(["demo", "--transport", "servicebus:SharedAccessKey=c2VjcmV0"]);
    run.assert_refused(2, says);
    assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
}

#[cfg(feature = "nats")]
mod nats {
    use super::SECRET;
    use crate::demo::{assert_all_arrived_unseen, assert_all_refused};
    use crate::support::{program, required, run, sealmq};

    #[test]
    fn malformed_urls_are_refused_by_name_and_never_repeated() {
        for url in ["nats:", "nats://", "tls://", "nats://host/x", "nats:host:4222"] {
            sealmq(["demo", "--transport", url]).assert_refused(2, "--transport: NATS is nats://");
        }
        for url in ["nats://host:port", "nats://user:c2VjcmV0@host:4222"] {
            let run = sealmq(["demo", "--transport", url]);
            run.assert_refused(2, "--transport nats://…: invalid url: ");
            assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
        }
    }

    #[test]
    fn contradictory_credentials_are_refused() {
        let mut demo = program();
        demo.args(["demo", "--transport", "nats://127.0.0.1:1"]).env("SEALMQ_NATS_USER", "me");
        run(&mut demo, b"").assert_refused(2, "invalid SEALMQ_NATS_PASSWORD: is not set");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let run = sealmq(["demo", "--transport", "nats://127.0.0.1:1"]);
        run.assert_refused(1, "NATS JetStream at nats://127.0.0.1:1");
    }

    #[test]
    fn the_demo_runs_on_nats_and_leaves_nothing() {
        let url = required("SEALMQ_NATS_URL");
        let run = sealmq(["demo", "--json", "--transport", &url]);
        let report = run.json();
        assert_all_refused(&report);
        assert_all_arrived_unseen(&report);
        assert_eq!(report["transport"]["name"], "nats");
        let queues = report["transport"]["queues"].as_array().unwrap();
        let prefix = queues[0].as_str().unwrap().strip_suffix("-webhooks").unwrap();
        let again = sealmq(["demo", "--transport", &url, "--queues", prefix]);
        again.assert_refused(2, &format!("there is no queue {prefix}-webhooks, {prefix}-answers"));
    }

    #[test]
    fn the_page_fits_80_columns_and_names_broker_and_queues() {
        let url = required("SEALMQ_NATS_URL");
        let run = sealmq(["demo", "--transport", &url, "--count", "2"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(&format!("NATS JetStream at {url}")), "{}", run.stdout);
        assert!(run.stdout.contains("-globex-webhooks"), "{}", run.stdout);
        assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    }

    #[test]
    fn what_gets_through_on_nats_fails_the_demo() {
        let url = required("SEALMQ_NATS_URL");
        let table = [
            ("replay", &["replay a completed message"][..]),
            ("plaintext", &["strip the marker", "inject a plaintext"]),
        ];
        for (defence, expected) in table {
            let run = sealmq(["demo", "--json", "--transport", &url, "--weaken", defence]);
            assert_eq!(run.code, 1, "{}", run.stderr);
            let report = run.json();
            let attacks = report["attacks"].as_array().unwrap();
            let passed = attacks.iter().filter(|attack| attack["refused"] == false);
            let passed: Vec<_> = passed
                .inspect(|attack| assert_eq!(attack["handed_out"], true))
                .map(|attack| attack["name"].as_str().unwrap())
                .collect();
            assert_eq!(passed, expected);
        }
    }
}

#[cfg(feature = "sqs")]
mod sqs {
    use crate::demo::{assert_all_arrived_unseen, assert_all_refused};
    use crate::support::{program, required, run, sealmq};

    #[test]
    fn malformed_endpoints_are_refused_by_name() {
        for endpoint in ["sqs:localhost:4566", "sqs:http://", "sqs:http://me:c2VjcmV0@host"] {
            let run = sealmq(["demo", "--transport", endpoint]);
            run.assert_refused(2, "--transport sqs:…: invalid endpoint_url: ");
            assert!(!run.stderr.contains(super::SECRET), "{}", run.stderr);
        }
    }

    #[test]
    fn fifo_queues_are_refused_with_the_reason() {
        let mut demo = program();
        demo.args(["demo", "--transport", "sqs:http://127.0.0.1:1"]);
        demo.env("SEALMQ_SQS_QUEUE_TYPE", "fifo");
        run(&mut demo, b"").assert_refused(2, "the demo needs standard queues");
    }

    #[test]
    fn the_demo_runs_on_sqs_and_leaves_nothing() {
        let transport = format!("sqs:{}", required("SEALMQ_SQS_ENDPOINT"));
        let run = sealmq(["demo", "--json", "--transport", &transport]);
        let report = run.json();
        assert_all_refused(&report);
        assert_all_arrived_unseen(&report);
        assert_eq!(report["roles"]["observer"]["peeks"], false);
        let queues = report["transport"]["queues"].as_array().unwrap();
        let prefix = queues[0].as_str().unwrap().strip_suffix("-webhooks").unwrap();
        let again = sealmq(["demo", "--transport", &transport, "--queues", prefix]);
        again.assert_refused(2, &format!("aws sqs create-queue --queue-name {prefix}-webhooks"));
    }
}

#[cfg(feature = "servicebus")]
mod servicebus {
    use crate::demo::{assert_all_arrived_unseen, assert_all_refused};
    use crate::support::{Run, program, required, run, sealmq};

    /// The demo with the connection string in the environment, as it should be.
    fn demo<const N: usize>(with_admin: bool, arguments: [&str; N]) -> Run {
        let name = "SEALMQ_SERVICEBUS_CONNECTION_STRING";
        let mut demo = program();
        demo.args(["demo", "--transport", "servicebus:"]).args(arguments);
        demo.env(name, required(name));
        let name = "SEALMQ_SERVICEBUS_ADMIN_URL";
        if with_admin {
            demo.env(name, required(name));
        }
        run(&mut demo, b"")
    }

    #[test]
    fn without_a_connection_string_the_variable_is_named() {
        let run = sealmq(["demo", "--transport", "servicebus:"]);
        run.assert_refused(2, "SEALMQ_SERVICEBUS_CONNECTION_STRING: is not set");
    }

    #[test]
    fn malformed_connection_strings_are_refused_and_never_repeated() {
        for text in [
            "servicebus:Endpoint=sb://ns;SharedAccessKey=c2VjcmV0",
            "servicebus:SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0",
            "servicebus:c2VjcmV0",
            "servicebus:Endpoint=sb://ns;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0;EntityPath=q",
        ] {
            let run = sealmq(["demo", "--transport", text]);
            run.assert_refused(2, "--transport servicebus:…: invalid connection_string: ");
            assert!(!run.stderr.contains(super::SECRET), "{}", run.stderr);
        }
    }

    #[test]
    fn the_demo_runs_on_service_bus_and_leaves_nothing() {
        let run = demo(true, ["--json"]);
        let report = run.json();
        assert_all_refused(&report);
        assert_all_arrived_unseen(&report);
        let queues = report["transport"]["queues"].as_array().unwrap();
        let prefix = queues[0].as_str().unwrap().strip_suffix("-webhooks").unwrap();
        let again = demo(true, ["--queues", prefix]);
        again.assert_refused(2, &format!("there is no queue {prefix}-webhooks"));
    }

    #[test]
    fn queues_that_nobody_makes_are_named_with_the_command_to_make_them() {
        let run = demo(false, ["--queues", "nobody-made-these"]);
        run.assert_refused(2, "there is no queue nobody-made-these-webhooks, ");
        let says = "az servicebus queue create --resource-group GROUP";
        assert!(run.stderr.contains(says), "{}", run.stderr);
        assert!(!run.stderr.contains("SharedAccessKey"), "{}", run.stderr);
    }
}
