"""The server's own certificate authority and certificate, made anew at every start."""

import ssl
from pathlib import Path

import trustme

CA_FILE_NAME = "ca.pem"
# Also the names of the service, for clients that are told to find them on the loopback address.
_NAMES = ["localhost", "127.0.0.1", "::1", "*.vault.azure.net", "*.managedhsm.azure.net"]


def make_certificates(folder: Path, host: str) -> ssl.SSLContext:
    """Writes the authority's certificate into the folder and returns the server's side of TLS."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / CA_FILE_NAME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*dict.fromkeys([*_NAMES, host])).configure_cert(context)
    return context
