//! `--role`: what it refuses, and the three roles as three processes with a rotation meanwhile.

use crate::support::sealmq;

#[test]
fn a_role_needs_a_broker_that_others_reach() {
    let run = sealmq(["demo", "--role", "initiator", "--keyring", "keys.json"]);
    run.assert_refused(2, "--role needs a broker that other processes reach");
}

#[test]
fn what_only_a_role_takes_is_refused_without_one() {
    for arguments in [["--keyring", "f"], ["--pause", "5"], ["--passphrase-file", "f"]] {
        let [option, value] = arguments;
        sealmq(["demo", option, value]).assert_refused(2, "--role");
    }
    sealmq(["demo", "--remove-queues"]).assert_refused(2, "--role");
    sealmq(["demo", "--role", "waiter"]).assert_refused(2, "initiator, responder, observer");
}

#[cfg(any(feature = "nats", feature = "sqs", feature = "servicebus"))]
mod processes {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use serde_json::Value;

    use crate::support::{PATIENCE, Scratch, program, required, sealmq, text};

    const MESSAGES: usize = 40;

    /// How to reach a server, and a name that no other test uses.
    struct Place {
        transport: String,
        variables: Vec<(&'static str, String)>,
        prefix: String,
    }

    impl Place {
        fn new(transport: &str, names: &[&'static str]) -> Self {
            let variables = names.iter().map(|name| (*name, required(name)));
            let prefix = format!("roles-{}-{}", std::process::id(), transport.len());
            Self { transport: transport.to_owned(), variables: variables.collect(), prefix }
        }

        fn command(&self, role: &str, arguments: &[&str]) -> Command {
            let mut program = program();
            program.args(["demo", "--json", "--role", role, "--transport", &self.transport]);
            program.args(["--queues", &self.prefix]).args(arguments).envs(PATIENCE);
            program.envs(self.variables.iter().map(|(name, value)| (name, value)));
            program
        }

        fn start(&self, role: &str, arguments: &[&str]) -> Process {
            let mut command = self.command(role, arguments);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
            let mut child = command.spawn().unwrap();
            let lines = follow(child.stdout.take().unwrap());
            let process = Process { child, lines };
            assert_eq!(process.next()["event"], "started");
            process
        }
    }

    struct Process {
        child: Child,
        lines: Receiver<Value>,
    }

    fn follow(stdout: ChildStdout) -> Receiver<Value> {
        let (lines, followed) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let _ = lines.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        followed
    }

    impl Process {
        fn next(&self) -> Value {
            self.lines.recv_timeout(Duration::from_secs(60)).unwrap()
        }

        /// What it says from now on, to the end.
        fn rest(&self) -> Vec<Value> {
            let mut events = Vec::new();
            while events.last().is_none_or(|event: &Value| event["event"] != "ended") {
                events.push(self.next());
            }
            events
        }

        /// As Ctrl-C in its terminal does.
        fn interrupt(&self) {
            self.signal("-INT");
        }

        fn signal(&self, signal: &str) {
            let id = self.child.id().to_string();
            assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        }

        fn exit_code(mut self) -> Option<i32> {
            self.child.wait().unwrap().code()
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
        events.iter().filter(|event| event["event"] == kind).collect()
    }

    /// Requests under the first key, and under the second.
    fn by_key(events: &[Value], kind: &str) -> (usize, usize) {
        let under = |key: &str| {
            of_kind(events, kind).into_iter().filter(|event| event["key_id"] == key).count()
        };
        (under("orders-1"), under("orders-2"))
    }

    /// Initiator, responder and observer, each with what it said; the key rotates meanwhile.
    fn exchange(place: &Place, peeks: bool) {
        let scratch = Scratch::new();
        let file = text(&scratch.path("keys.json"));
        sealmq(["keyring", "init", &file, "--in-the-clear", "--key-id", "orders-1"]).assert_ok();
        let count = MESSAGES.to_string();
        let keys = ["--keyring", &file, "--in-the-clear", "--count", &count];

        let observer = place.start("observer", &["--remove-queues"]);
        let initiator = place.start("initiator", &[&keys[..], &["--pause", "100"]].concat());
        assert_eq!(initiator.next()["event"], "sent");
        // It waits until the key was rotated in the middle of its work, however long that takes.
        initiator.signal("-STOP");
        if peeks {
            // Until the observer has seen a request, nobody takes it away.
            assert_eq!(observer.next()["event"], "seen");
        }
        let responder = place.start("responder", &keys);
        let mut answered = vec![responder.next()];
        sealmq(["keyring", "rotate", &file, "--in-the-clear", "--key-id", "orders-2"]).assert_ok();
        initiator.signal("-CONT");

        let sent = initiator.rest();
        answered.extend(responder.rest());
        assert_eq!((initiator.exit_code(), responder.exit_code()), (Some(0), Some(0)));
        let ended = sent.last().unwrap();
        assert_eq!((&ended["matched"], &ended["sent"]), (&MESSAGES.into(), &MESSAGES.into()));
        assert_eq!((&ended["unanswered"], &ended["refused"]), (&0.into(), &0.into()));
        let (before, after) = by_key(&answered, "answered");
        assert_eq!(before + after, MESSAGES);
        assert!(before > 0 && after > 0, "{before} and {after}");

        observer.interrupt();
        let seen = observer.rest();
        assert_eq!(observer.exit_code(), Some(0));
        let report = &seen.last().unwrap()["report"];
        assert_eq!(seen.last().unwrap()["interrupted"], true);
        assert_eq!(report["peeks"], peeks);
        assert_eq!(report["search"]["frames_with_a_window"], 0);
        assert_eq!(report["unsealed"], 0);
        if peeks {
            assert!(report["messages_seen"].as_u64().unwrap() > 0);
            assert_eq!(report["search"]["control_bodies_found"], 24);
        } else {
            assert_eq!(of_kind(&seen, "blind").len(), 1);
            assert!(!of_kind(&seen, "depth").is_empty());
        }
        responder_ends_at_ctrl_c(place, &keys[..3]);
    }

    /// Without a count it answers until it is interrupted, and that is no failure.
    fn responder_ends_at_ctrl_c(place: &Place, keys: &[&str]) {
        let responder = place.start("responder", &[keys, &["--remove-queues"]].concat());
        responder.interrupt();
        assert_eq!(responder.rest().last().unwrap()["interrupted"], true);
        assert_eq!(responder.exit_code(), Some(0));
    }

    #[cfg(feature = "nats")]
    mod nats {
        use std::collections::BTreeSet;
        use std::time::Duration;

        use sealmq::nats::{NatsConfig, NatsQueueSettings, NatsTransport};
        use sealmq::{ReceiverOptions, Source, Transport};

        use super::{MESSAGES, Place, Process, exchange, required, sealmq};
        use crate::support::{Scratch, text};

        /// How long the responder works on each request, in milliseconds.
        const WORK: u32 = 400;

        /// The queues of a place, with locks that outlast every test.
        struct Queues {
            transport: NatsTransport,
            names: [String; 2],
        }

        impl Queues {
            async fn of(place: &Place, url: &str) -> Self {
                let transport = NatsTransport::connect(&NatsConfig::new(url)).await.unwrap();
                let names = ["webhooks", "answers"].map(|name| format!("{}-{name}", place.prefix));
                let hour = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(3_600));
                for name in &names {
                    transport.create_queue(name, &hour).await.unwrap();
                }
                Self { transport, names }
            }

            /// The ids of all requests that can be had now; they are completed.
            async fn take_requests(&self) -> Vec<String> {
                let source = Source::queue(&*self.names[0]);
                let receiver = self.transport.open(&source, ReceiverOptions::default()).await;
                let (receiver, mut ids) = (receiver.unwrap(), Vec::new());
                loop {
                    let batch = receiver.recv(MESSAGES, Duration::from_secs(2)).await.unwrap();
                    if batch.is_empty() {
                        return ids;
                    }
                    for delivery in batch {
                        ids.push(delivery.message.id);
                        delivery.receipt.complete().await.map_err(|failed| failed.error).unwrap();
                    }
                }
            }

            async fn remove(&self) {
                for name in &self.names {
                    self.transport.delete_queue(name).await.unwrap();
                }
            }
        }

        /// What came of a responder that ended in the middle of its work.
        struct Left {
            /// The requests it said it answered.
            answered: Vec<String>,
            /// The requests that another consumer could have at once.
            receivable: Vec<String>,
            exit_code: Option<i32>,
        }

        /// All requests are sent, a responder answers a few, and `end` ends it.
        fn end_in_the_middle(name: &str, work: u32, end: impl Fn(&Process)) -> Left {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let url = required("SEALMQ_NATS_URL");
            let mut place = Place::new(&url, &[]);
            place.prefix.push_str(name);
            let queues = runtime.block_on(Queues::of(&place, &url));

            let scratch = Scratch::new();
            let file = text(&scratch.path("keys.json"));
            sealmq(["keyring", "init", &file, "--in-the-clear"]).assert_ok();
            let keys = ["--keyring", &file, "--in-the-clear"];
            let count = MESSAGES.to_string();
            let initiator = place.start("initiator", &[&keys[..], &["--count", &count]].concat());
            for _ in 0..MESSAGES {
                assert_eq!(initiator.next()["event"], "sent");
            }
            drop(initiator); // it would wait for its answers

            let responder =
                place.start("responder", &[&keys[..], &["--pause", &work.to_string()]].concat());
            let mut answered = vec![responder.next(), responder.next()];
            end(&responder);
            // To the end of what it says, be that its last word or not.
            while let Ok(event) = responder.lines.recv_timeout(Duration::from_secs(60)) {
                answered.push(event);
            }
            answered.retain(|event| event["event"] == "answered");
            let answered =
                answered.iter().map(|event| event["message_id"].as_str().unwrap().to_owned());
            let answered = answered.collect();
            let exit_code = responder.exit_code();
            let receivable = runtime.block_on(queues.take_requests());
            runtime.block_on(queues.remove());
            Left { answered, receivable, exit_code }
        }

        /// Signals that ask a responder to end lose nothing and leave nothing locked, and it says
        /// that it ended well. The control: killed, it leaves what it had taken locked.
        #[test]
        fn a_responder_that_is_told_to_end_leaves_no_request_lost_or_locked() {
            for (name, signal) in [("-term", "-TERM"), ("-int", "-INT")] {
                let left = end_in_the_middle(name, WORK, |responder| responder.signal(signal));
                let Left { answered, receivable, exit_code } = left;
                assert_eq!(exit_code, Some(0), "{signal}");
                assert!(!receivable.is_empty(), "it was in the middle of its work");
                let all: BTreeSet<_> = answered.iter().chain(&receivable).collect();
                assert_eq!(all.len(), MESSAGES, "{signal}: none is lost, and none is locked");
                assert_eq!(
                    answered.len() + receivable.len(),
                    MESSAGES,
                    "{signal}: none comes twice"
                );
            }

            let left = end_in_the_middle("-kill", WORK, |responder| responder.signal("-KILL"));
            assert_eq!(left.exit_code, None);
            let seen = left.answered.len() + left.receivable.len();
            assert!(seen < MESSAGES, "the control: killed, it leaves requests locked, not {seen}");
        }

        /// Who cannot wait sends a second signal.
        #[test]
        fn a_second_signal_ends_a_responder_at_once() {
            let left = end_in_the_middle("-twice", 8 * WORK, |responder| {
                responder.signal("-TERM");
                std::thread::sleep(Duration::from_millis(50)); // or the two may become one
                responder.signal("-INT");
            });
            assert_eq!(left.exit_code, Some(130));
        }

        #[test]
        fn three_processes_exchange_sealed_messages_over_nats() {
            exchange(&Place::new(&required("SEALMQ_NATS_URL"), &[]), true);
        }

        #[test]
        fn keys_are_for_initiator_and_responder_alone() {
            let url = "nats://127.0.0.1:1";
            let role = |role| ["demo", "--transport", url, "--role", role, "--json"];
            for needs in ["initiator", "responder"] {
                sealmq(role(needs)).assert_refused(2, "--keyring FILE is missing");
            }
            let observer =
                ["demo", "--transport", url, "--role", "observer", "--keyring", "keys.json"];
            sealmq(observer).assert_refused(2, "--keyring: the observer has no key");
            let missing =
                ["demo", "--transport", url, "--role", "responder", "--keyring", "no-such.json"];
            sealmq(missing).assert_refused(2, "there is no keyring no-such.json");
        }
    }

    #[cfg(feature = "sqs")]
    #[test]
    fn three_processes_exchange_sealed_messages_over_sqs() {
        let transport = format!("sqs:{}", required("SEALMQ_SQS_ENDPOINT"));
        exchange(&Place::new(&transport, &[]), false);
    }

    #[cfg(feature = "servicebus")]
    #[test]
    fn three_processes_exchange_sealed_messages_over_service_bus() {
        let variables = ["SEALMQ_SERVICEBUS_CONNECTION_STRING", "SEALMQ_SERVICEBUS_ADMIN_URL"];
        exchange(&Place::new("servicebus:", &variables), true);
    }
}
