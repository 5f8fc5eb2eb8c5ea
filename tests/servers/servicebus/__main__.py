"""The command line: starts the server and says on which ports it listens."""

import argparse
import asyncio
import ipaddress
import json
import logging
import signal
import ssl
import sys
from pathlib import Path

from . import admin
from .server import Server
from .tokens import SasRule, TokenAuthority


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m servicebus", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="for AMQP; 0 takes a free one")
    parser.add_argument("--admin-port", type=int, default=0, help="for HTTP; 0 takes a free one")
    parser.add_argument("--entities", type=Path, help="JSON file of queues and topics to create")
    parser.add_argument("--tls-cert", type=Path, help="PEM chain; AMQP is then spoken over TLS")
    parser.add_argument("--tls-key", type=Path, help="PEM key of the certificate")
    parser.add_argument("--tls-client-ca", type=Path, help="PEM; client certificates are required")
    parser.add_argument("--sas-key-name", default="RootManageSharedAccessKey")
    parser.add_argument("--sas-key", default="SAS_KEY_VALUE")
    parser.add_argument("--log-level", default="WARNING")
    arguments = parser.parse_args()
    if not ipaddress.ip_address(arguments.host).is_loopback:
        parser.error("--host must be a loopback address: this server is for tests only")
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    return arguments


def _tls_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    if arguments.tls_client_ca is not None:
        context.load_verify_locations(arguments.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _run(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    rules = {arguments.sas_key_name: SasRule(arguments.sas_key)}
    server = Server(TokenAuthority(rules))
    api = admin.AdminApi(server)
    if arguments.entities is not None:
        api.create_all(json.loads(arguments.entities.read_text()))
    tls = _tls_context(arguments)
    amqp_port = await server.listen(arguments.host, arguments.port, tls)
    admin_port = admin.serve(api, arguments.host, arguments.admin_port, loop)
    ready = {"host": arguments.host, "amqp_port": amqp_port, "admin_port": admin_port}
    print(json.dumps(ready | {"tls": tls is not None}), flush=True)
    await stopped.wait()


def main() -> None:
    """Runs until it is told to stop."""
    arguments = _parse_arguments()
    logging.basicConfig(stream=sys.stderr, level=arguments.log_level)
    asyncio.run(_run(arguments))


main()
