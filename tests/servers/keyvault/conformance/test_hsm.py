"""What a managed HSM has besides: symmetric keys."""

from functools import partial

import pytest
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm

from .conftest import API, StaticCredential, TestServer, refusal

DEK = bytes(range(32))


@pytest.fixture
def hsm_keys(hsm: TestServer) -> KeyClient:
    """The SDK's client for the keys of the HSM."""
    return hsm.keys()


def test_its_challenge_names_its_own_audience(hsm: TestServer, name: str) -> None:
    credential = StaticCredential()
    hsm.keys(credential).create_oct_key(name)
    assert credential.scope == "https://managedhsm.azure.net/.default"


@pytest.mark.parametrize("size", [128, 192, 256])
def test_symmetric_keys_wrap(hsm: TestServer, hsm_keys: KeyClient, name: str, size: int) -> None:
    made = hsm_keys.create_oct_key(name, size=size, hardware_protected=True)
    assert made.key_type == "oct-HSM"
    assert getattr(made.key, "k", None) is None
    algorithm = KeyWrapAlgorithm(f"A{size}KW")
    client = hsm.remote(made)
    wrapped = client.wrap_key(algorithm, DEK).encrypted_key
    assert len(wrapped) == 40
    assert client.unwrap_key(algorithm, wrapped).key == DEK
    wrong = bytes([wrapped[0] ^ 1]) + wrapped[1:]
    assert refusal(lambda: client.unwrap_key(algorithm, wrong)) == (400, "BadParameter", None)


def test_the_algorithm_must_fit_the_key(hsm: TestServer, hsm_keys: KeyClient, name: str) -> None:
    client = hsm.remote(hsm_keys.create_oct_key(name, size=256))
    assert refusal(lambda: client.wrap_key(KeyWrapAlgorithm.aes_128, DEK))[0] == 400


@pytest.mark.parametrize("size", [128, 192, 256])
def test_gcm_authenticates_associated_data(
    hsm: TestServer, hsm_keys: KeyClient, name: str, size: int
) -> None:
    client = hsm.remote(hsm_keys.create_oct_key(name, size=size))
    gcm = EncryptionAlgorithm(f"A{size}GCM")
    sealed = client.encrypt(gcm, DEK, additional_authenticated_data=b"tenant")
    parts = {"iv": sealed.iv, "authentication_tag": sealed.tag}
    assert (len(sealed.iv), len(sealed.tag), len(sealed.ciphertext)) == (12, 16, 32)
    assert sealed.aad == b"tenant"
    opened = client.decrypt(
        gcm, sealed.ciphertext, additional_authenticated_data=b"tenant", **parts
    )
    assert opened.plaintext == DEK
    for wrong in (b"other", None):
        act = partial(client.decrypt, gcm, sealed.ciphertext, **parts)
        act = partial(act, additional_authenticated_data=wrong)
        assert refusal(act) == (400, "BadParameter", None)


def test_its_keys_are_all_in_hardware(hsm_keys: KeyClient, name: str) -> None:
    assert hsm_keys.create_rsa_key(name).key_type == "RSA-HSM"
    assert hsm_keys.create_oct_key(f"{name}-oct").key_type == "oct-HSM"


def test_it_has_no_secrets(hsm: TestServer) -> None:
    assert hsm.raw("GET", f"/secrets?{API}")[0] == 400
