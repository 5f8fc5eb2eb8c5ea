"""What keys do: wrap and unwrap, encrypt and decrypt."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm

from .conftest import API, StaticCredential, TestServer, refusal

DEK = bytes(range(32))
WRAP = KeyWrapAlgorithm.rsa_oaep_256
PAST = datetime.now(UTC) - timedelta(days=1)
FUTURE = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    "algorithm", [KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256, KeyWrapAlgorithm.rsa1_5]
)
def test_a_dek_is_wrapped_and_unwrapped(
    server: TestServer, key: KeyVaultKey, algorithm: KeyWrapAlgorithm
) -> None:
    client = server.remote(key)
    one, other = client.wrap_key(algorithm, DEK), client.wrap_key(algorithm, DEK)
    assert one.encrypted_key != other.encrypted_key
    assert len(one.encrypted_key) == 256
    assert one.key_id == key.id
    assert client.unwrap_key(algorithm, one.encrypted_key).key == DEK
    assert set(server.counts(key.name)) == {"keys/create", "keys/wrapKey", "keys/unwrapKey"}


@pytest.mark.parametrize(
    "algorithm", [EncryptionAlgorithm.rsa_oaep, EncryptionAlgorithm.rsa_oaep_256]
)
def test_bytes_are_encrypted_and_decrypted(
    server: TestServer, key: KeyVaultKey, algorithm: EncryptionAlgorithm
) -> None:
    client = server.remote(key)
    sealed = client.encrypt(algorithm, b"plain").ciphertext
    assert client.decrypt(algorithm, sealed).plaintext == b"plain"


def test_the_vault_unwraps_what_the_sdk_wrapped_with_the_public_key(
    server: TestServer, key: KeyVaultKey
) -> None:
    local = CryptographyClient(
        key,
        StaticCredential(),
        connection_verify=server.ca_file,
        verify_challenge_resource=False,
    )
    wrapped = local.wrap_key(WRAP, DEK).encrypted_key
    assert "keys/wrapKey" not in server.counts(key.name)
    assert local.unwrap_key(WRAP, wrapped).key == DEK


def test_without_a_version_the_latest_wraps(
    server: TestServer, keys: KeyClient, key: KeyVaultKey
) -> None:
    newer = keys.rotate_key(key.name)
    client = server.remote(f"{server.url}/keys/{key.name}")
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    assert server.remote(newer).unwrap_key(WRAP, wrapped).key == DEK


@pytest.mark.parametrize("path", ["{0}//wrapkey", "{0}/wrapkey", "{0}//wrapKey"])
def test_the_version_of_the_path_may_be_empty(
    server: TestServer, key: KeyVaultKey, path: str
) -> None:
    document = {"alg": "RSA-OAEP-256", "value": "AAEC"}
    status, _, answer = server.raw("POST", f"/keys/{path.format(key.name)}?{API}", document)
    assert (status, answer["kid"]) == (200, key.id)
    assert "=" not in answer["value"]


def test_old_versions_unwrap_and_others_do_not(
    server: TestServer, keys: KeyClient, key: KeyVaultKey
) -> None:
    wrapped = server.remote(key).wrap_key(WRAP, DEK).encrypted_key
    newer = keys.rotate_key(key.name)
    assert server.remote(key).unwrap_key(WRAP, wrapped).key == DEK
    wrong = refusal(lambda: server.remote(newer).unwrap_key(WRAP, wrapped))
    assert wrong == (400, "BadParameter", None)


@pytest.mark.parametrize("damage", ["tampered", "truncated", "empty", "oversized", "other"])
def test_a_wrong_ciphertext_is_an_incorrect_parameter(
    server: TestServer, key: KeyVaultKey, damage: str
) -> None:
    client = server.remote(key)
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    wrong = {
        "tampered": wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
        "truncated": wrapped[:-1],
        "empty": b"",
        "oversized": wrapped + b"\0",
        "other": client.wrap_key(KeyWrapAlgorithm.rsa_oaep, DEK).encrypted_key,
    }[damage]
    with pytest.raises(Exception, match="The parameter is incorrect"):
        client.unwrap_key(WRAP, wrong)


def test_a_value_that_is_too_long_is_refused(server: TestServer, key: KeyVaultKey) -> None:
    too_long = refusal(lambda: server.remote(key).wrap_key(WRAP, bytes(191)))
    assert too_long == (400, "BadParameter", None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"alg": "RSA-OAEP-256"},
        {"alg": "A256KW", "value": "AAEC"},
        {"alg": "none", "value": "AAEC"},
        {"alg": "RSA-OAEP-256", "value": "A+/C"},
        {"alg": "RSA-OAEP-256", "value": "A"},
        {"alg": "RSA-OAEP-256", "value": 1},
        b"not JSON",
    ],
)
def test_wrong_requests_are_refused(server: TestServer, key: KeyVaultKey, document: object) -> None:
    status, _, answer = server.raw("POST", f"/keys/{key.name}//wrapkey?{API}", document)
    assert (status, answer["error"]["code"]) == (400, "BadParameter")


def test_an_unknown_key_or_version_is_not_found(
    server: TestServer, key: KeyVaultKey, name: str
) -> None:
    for path in (f"missing-{name}/{'0' * 32}", f"{key.name}/{'0' * 32}"):
        client = server.remote(f"{server.url}/keys/{path}")
        assert refusal(partial(client.unwrap_key, WRAP, DEK)) == (404, "KeyNotFound", None)


def test_a_disabled_key_does_nothing(server: TestServer, keys: KeyClient, key: KeyVaultKey) -> None:
    client = server.remote(key)
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    keys.update_key_properties(key.name, enabled=False)
    disabled = (403, "Forbidden", "KeyDisabled")
    assert refusal(lambda: client.wrap_key(WRAP, DEK)) == disabled
    assert refusal(lambda: client.unwrap_key(WRAP, wrapped)) == disabled
    assert keys.get_key(key.name).properties.enabled is False
    keys.update_key_properties(key.name, enabled=True)
    assert client.unwrap_key(WRAP, wrapped).key == DEK


def test_disabling_concerns_one_version(
    server: TestServer, keys: KeyClient, key: KeyVaultKey
) -> None:
    newer = keys.rotate_key(key.name)
    keys.update_key_properties(key.name, key.properties.version, enabled=False)
    assert server.remote(newer).wrap_key(WRAP, DEK).encrypted_key
    assert refusal(lambda: server.remote(key).wrap_key(WRAP, DEK))[2] == "KeyDisabled"


@pytest.mark.parametrize(
    ("window", "inner"),
    [({"expires_on": PAST}, "KeyExpired"), ({"not_before": FUTURE}, "KeyNotYetValid")],
)
def test_outside_its_time_a_key_only_opens(
    server: TestServer,
    keys: KeyClient,
    key: KeyVaultKey,
    window: dict[str, datetime],
    inner: str,
) -> None:
    client = server.remote(key)
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    sealed = client.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"plain").ciphertext
    keys.update_key_properties(key.name, **window)
    assert refusal(lambda: client.wrap_key(WRAP, DEK)) == (403, "Forbidden", inner)
    assert client.unwrap_key(WRAP, wrapped).key == DEK
    assert client.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed).plaintext == b"plain"


def test_a_key_does_what_it_is_permitted_to(server: TestServer, keys: KeyClient, name: str) -> None:
    made = keys.create_rsa_key(name, key_operations=["wrapKey"])
    client = server.remote(made)
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    not_permitted = (403, "Forbidden", "KeyOperationForbidden")
    assert refusal(lambda: client.unwrap_key(WRAP, wrapped)) == not_permitted


def test_an_ec_key_wraps_nothing(server: TestServer, keys: KeyClient, name: str) -> None:
    made = keys.create_ec_key(name)
    assert refusal(lambda: server.remote(made).wrap_key(WRAP, DEK))[0] == 403


def test_a_deleted_key_opens_nothing_and_a_recovered_one_does(
    server: TestServer, keys: KeyClient, key: KeyVaultKey
) -> None:
    client = server.remote(key)
    wrapped = client.wrap_key(WRAP, DEK).encrypted_key
    keys.begin_delete_key(key.name).result()
    assert refusal(lambda: client.unwrap_key(WRAP, wrapped)) == (404, "KeyNotFound", None)
    keys.begin_recover_deleted_key(key.name).result()
    assert client.unwrap_key(WRAP, wrapped).key == DEK
