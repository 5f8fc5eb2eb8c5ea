"""Keys: made, read, listed, changed, rotated, deleted."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.keys import KeyClient, KeyVaultKey

from .conftest import API, TestServer, refusal

RSA_OPERATIONS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_rsa_keys_have_the_size_that_was_asked_for(keys: KeyClient, name: str, size: int) -> None:
    made = keys.create_rsa_key(name, size=size)
    assert made.key_type == "RSA"
    assert made.key_operations == RSA_OPERATIONS
    assert (len(made.key.n) * 8, made.key.e) == (size, b"\x01\x00\x01")
    assert not hasattr(made.key, "d") or made.key.d is None


def test_an_hsm_key_says_so(keys: KeyClient, name: str) -> None:
    assert keys.create_rsa_key(name, hardware_protected=True).key_type == "RSA-HSM"


@pytest.mark.parametrize(("curve", "size"), [("P-256", 32), ("P-384", 48), ("P-521", 66)])
def test_ec_keys_can_be_read(keys: KeyClient, name: str, curve: str, size: int) -> None:
    keys.create_ec_key(name, curve=curve)
    read = keys.get_key(name)
    assert (read.key_type, read.key.crv) == ("EC", curve)
    assert (len(read.key.x), len(read.key.y)) == (size, size)


def test_a_vault_has_no_symmetric_keys(keys: KeyClient, name: str) -> None:
    assert refusal(lambda: keys.create_oct_key(name)) == (400, "BadParameter", None)


def test_a_key_is_read_with_and_without_its_version(keys: KeyClient, key: KeyVaultKey) -> None:
    assert keys.get_key(key.name).id == key.id
    assert keys.get_key(key.name, key.properties.version).key.n == key.key.n
    assert keys.get_key(key.name.upper()).id == key.id


def test_attributes_and_tags_are_kept(keys: KeyClient, name: str) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    end = start + timedelta(days=30)
    keys.create_rsa_key(
        name, enabled=False, not_before=start, expires_on=end, tags={"team": "orders"}
    )
    properties = keys.get_key(name).properties
    assert (properties.not_before, properties.expires_on) == (start, end)
    assert properties.enabled is False
    assert properties.tags == {"team": "orders"}
    assert properties.created_on >= start
    assert (properties.recovery_level, properties.recoverable_days) == ("Recoverable+Purgeable", 90)


def test_an_update_changes_what_it_names(keys: KeyClient, name: str) -> None:
    made = keys.create_rsa_key(name, tags={"team": "orders"})
    end = datetime(2100, 1, 1, tzinfo=UTC)
    changed = keys.update_key_properties(name, enabled=False, expires_on=end)
    assert (changed.properties.enabled, changed.properties.expires_on) == (False, end)
    assert changed.properties.tags == {"team": "orders"}
    version = made.properties.version
    changed = keys.update_key_properties(name, version, key_operations=["unwrapKey"], tags={})
    assert changed.key_operations == ["unwrapKey"]
    assert (changed.properties.tags, changed.properties.enabled) == ({}, False)


@pytest.mark.parametrize("version", [None, "0" * 32])
def test_what_is_not_there_is_not_found(keys: KeyClient, name: str, version: str | None) -> None:
    if version:
        keys.create_rsa_key(name)
    assert refusal(lambda: keys.get_key(name, version)) == (404, "KeyNotFound", None)
    assert refusal(lambda: keys.update_key_properties(name, version or "0")) == (
        404,
        "KeyNotFound",
        None,
    )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kty": "DSA"},
        {"kty": "RSA", "key_size": 1024},
        {"kty": "RSA", "key_ops": ["fly"]},
        {"kty": "RSA", "attributes": {"exp": "tomorrow"}},
        {"kty": "RSA", "attributes": {"enabled": 1}},
        {"kty": "RSA", "tags": {"a": 1}},
        {"kty": "EC", "crv": "P-1"},
        [],
    ],
)
def test_wrong_keys_are_refused(server: TestServer, name: str, document: object) -> None:
    status, _, answer = server.raw("POST", f"/keys/{name}/create?{API}", document)
    assert (status, answer["error"]["code"]) == (400, "BadParameter")


def test_names_are_letters_digits_and_hyphens(keys: KeyClient) -> None:
    assert refusal(lambda: keys.create_rsa_key("under_score"))[:2] == (400, "BadParameter")
    assert refusal(lambda: keys.create_rsa_key("a" * 128))[:2] == (400, "BadParameter")


def test_rotation_makes_a_version_like_the_last(keys: KeyClient, name: str) -> None:
    first = keys.create_rsa_key(name, size=3072, key_operations=["wrapKey", "unwrapKey"])
    second = keys.rotate_key(name)
    assert second.id != first.id
    assert second.key.n != first.key.n
    assert (len(second.key.n), second.key_operations) == (384, ["wrapKey", "unwrapKey"])
    assert keys.get_key(name).id == second.id
    assert keys.get_key(name, first.properties.version).key.n == first.key.n


def test_making_a_key_again_makes_a_version(keys: KeyClient, key: KeyVaultKey) -> None:
    again = keys.create_rsa_key(key.name)
    versions = {one.version for one in keys.list_properties_of_key_versions(key.name)}
    assert versions == {key.properties.version, again.properties.version}


def test_an_unknown_key_cannot_be_rotated(keys: KeyClient, name: str) -> None:
    assert refusal(lambda: keys.rotate_key(name)) == (404, "KeyNotFound", None)


def test_lists_come_in_pages(keys: KeyClient, name: str) -> None:
    names = {f"{name}-{number}" for number in range(5)}
    for one in names:
        keys.create_ec_key(one)
    pages = [list(page) for page in keys.list_properties_of_keys(max_page_size=2).by_page()]
    listed = [one.name for page in pages for one in page]
    assert all(len(page) <= 2 for page in pages)
    assert names <= set(listed)
    assert len(listed) == len(set(listed))


def test_versions_come_in_pages(keys: KeyClient, name: str) -> None:
    made = {keys.create_ec_key(name).properties.version for _ in range(27)}
    pages = [list(page) for page in keys.list_properties_of_key_versions(name).by_page()]
    assert [len(page) for page in pages] == [25, 2]
    assert {one.version for page in pages for one in page} == made


@pytest.mark.parametrize("size", ["0", "26", "many"])
def test_a_page_has_at_most_25_entries(server: TestServer, size: str) -> None:
    assert server.raw("GET", f"/keys?{API}&maxresults={size}")[0] == 400


def test_a_deleted_key_can_be_recovered(keys: KeyClient, key: KeyVaultKey) -> None:
    deleted = keys.begin_delete_key(key.name, _polling_interval=0.05).result()
    assert deleted.recovery_id.endswith(f"/deletedkeys/{key.name}")
    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=90)
    with pytest.raises(ResourceNotFoundError):
        keys.get_key(key.name)
    assert keys.get_deleted_key(key.name).name == key.name
    assert key.name in [one.name for one in keys.list_deleted_keys()]
    assert key.name not in [one.name for one in keys.list_properties_of_keys()]
    keys.begin_recover_deleted_key(key.name, _polling_interval=0.05).wait()
    assert keys.get_key(key.name).id == key.id


def test_the_name_of_a_deleted_key_is_taken_until_it_is_purged(
    keys: KeyClient, key: KeyVaultKey
) -> None:
    keys.begin_delete_key(key.name).result()
    taken = (409, "Conflict", "ObjectIsDeletedButRecoverable")
    assert refusal(lambda: keys.create_rsa_key(key.name)) == taken
    keys.purge_deleted_key(key.name)
    assert refusal(lambda: keys.get_deleted_key(key.name))[0] == 404
    assert refusal(lambda: keys.purge_deleted_key(key.name))[0] == 404
    assert keys.create_rsa_key(key.name).id != key.id
    assert len(list(keys.list_properties_of_key_versions(key.name))) == 1


def test_deleting_what_is_not_there(keys: KeyClient, name: str) -> None:
    assert refusal(lambda: keys.begin_delete_key(name)) == (404, "KeyNotFound", None)
    assert refusal(lambda: recover(keys, name)) == (404, "KeyNotFound", None)


def recover(keys: KeyClient, name: str) -> None:
    """Recovers, which the SDK takes for done when the key is there."""
    keys._client.recover_deleted_key(name)
