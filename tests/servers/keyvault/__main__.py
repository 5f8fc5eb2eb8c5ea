"""The command line: starts the server and says on which ports it listens."""

import argparse
import ipaddress
import json
import logging
import signal
import sys
import tempfile
from pathlib import Path
from threading import Event

from .admin import AdminApi
from .certificates import CA_FILE_NAME, make_certificates
from .http_side import serve
from .identity import IdentityService
from .service import Desk, VaultService
from .settings import DEFAULT_TENANT, DEFAULT_TOKEN, ServerSettings
from .tokens import TokenAuthority


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m keyvault", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="of the vault; 0 takes a free one")
    parser.add_argument("--admin-port", type=int, default=0, help="for HTTP; 0 takes a free one")
    parser.add_argument("--authority-port", type=int, default=0, help="of the token endpoint")
    parser.add_argument("--imds-port", type=int, default=0, help="for managed identities, HTTP")
    parser.add_argument("--folder", type=Path, help="for certificates; a temporary one if left out")
    parser.add_argument("--hsm", action="store_true", help="be a managed HSM")
    parser.add_argument("--tenant", default=DEFAULT_TENANT)
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="accepted for ever, with all rights")
    parser.add_argument("--log-level", default="WARNING")
    arguments = parser.parse_args()
    if not ipaddress.ip_address(arguments.host).is_loopback:
        parser.error("--host must be a loopback address: this server is for tests only")
    return arguments


def _run(arguments: argparse.Namespace, folder: Path) -> None:
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    settings = ServerSettings(arguments.tenant, arguments.token, arguments.hsm)
    tokens, desk = TokenAuthority(settings), Desk()
    vault = VaultService(settings, tokens, desk)
    identities = IdentityService(settings, tokens, desk)
    api = AdminApi(settings, vault, tokens, identities, desk)
    host, tls = arguments.host, make_certificates(folder, arguments.host)
    ready = {
        "host": host,
        "port": serve(vault.answer, host, arguments.port, tls),
        "admin_port": serve(api.answer, host, arguments.admin_port),
        "authority_port": serve(identities.answer_authority, host, arguments.authority_port, tls),
        "imds_port": serve(identities.answer_managed, host, arguments.imds_port),
        "ca_file": str((folder / CA_FILE_NAME).resolve()),
        "hsm": settings.hsm,
    }
    print(json.dumps(ready), flush=True)
    stopped.wait()


def main() -> None:
    """Runs until it is told to stop."""
    arguments = _parse_arguments()
    logging.basicConfig(stream=sys.stderr, level=arguments.log_level)
    if arguments.folder is not None:
        _run(arguments, arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="keyvault-") as folder:
        _run(arguments, Path(folder))


main()
