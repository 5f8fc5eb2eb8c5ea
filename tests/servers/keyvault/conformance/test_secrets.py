"""Secrets: set, read, listed, changed, deleted."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from .conftest import TestServer, refusal


def test_a_secret_is_read_with_and_without_its_version(secrets: SecretClient, name: str) -> None:
    first = secrets.set_secret(name, "one")
    second = secrets.set_secret(name, "two")
    assert secrets.get_secret(name).value == "two"
    assert secrets.get_secret(name).id == second.id
    assert secrets.get_secret(name, first.properties.version).value == "one"


def test_any_text_is_kept(secrets: SecretClient, name: str) -> None:
    text = 'a "b" \\ \n\t ключ 🔑 ' + "x" * 20_000
    secrets.set_secret(name, text)
    assert secrets.get_secret(name).value == text


def test_what_goes_with_a_secret_is_kept(secrets: SecretClient, name: str) -> None:
    end = datetime(2100, 1, 1, tzinfo=UTC)
    secrets.set_secret(name, "one", content_type="base64", tags={"a": "b"}, expires_on=end)
    properties = secrets.get_secret(name).properties
    assert (properties.content_type, properties.tags) == ("base64", {"a": "b"})
    assert (properties.enabled, properties.expires_on) == (True, end)


def test_an_update_changes_what_it_names(secrets: SecretClient, name: str) -> None:
    secrets.set_secret(name, "one", content_type="base64", tags={"a": "b"})
    changed = secrets.update_secret_properties(name, content_type="text")
    assert (changed.content_type, changed.tags) == ("text", {"a": "b"})
    secrets.update_secret_properties(name, tags={})
    read = secrets.get_secret(name)
    assert (read.value, read.properties.content_type, read.properties.tags) == ("one", "text", {})


def test_a_disabled_secret_is_not_given_out(secrets: SecretClient, name: str) -> None:
    version = secrets.set_secret(name, "one").properties.version
    secrets.update_secret_properties(name, enabled=False)
    disabled = (403, "Forbidden", "SecretDisabled")
    assert refusal(lambda: secrets.get_secret(name)) == disabled
    assert refusal(lambda: secrets.get_secret(name, version)) == disabled
    (listed,) = secrets.list_properties_of_secret_versions(name)
    assert listed.enabled is False
    secrets.update_secret_properties(name, version, enabled=True)
    assert secrets.get_secret(name).value == "one"


def test_an_older_version_outlives_the_disabling_of_the_latest(
    secrets: SecretClient, name: str
) -> None:
    first = secrets.set_secret(name, "one").properties.version
    secrets.set_secret(name, "two", enabled=False)
    assert secrets.get_secret(name, first).value == "one"
    assert refusal(lambda: secrets.get_secret(name))[2] == "SecretDisabled"


@pytest.mark.parametrize("window", [{"expires_on": -1}, {"not_before": 1}])
def test_times_only_inform(secrets: SecretClient, name: str, window: dict[str, int]) -> None:
    times = {key: datetime.now(UTC) + timedelta(days=days) for key, days in window.items()}
    secrets.set_secret(name, "one", **times)
    assert secrets.get_secret(name).value == "one"


def test_what_is_not_there_is_not_found(secrets: SecretClient, name: str) -> None:
    assert refusal(lambda: secrets.get_secret(name)) == (404, "SecretNotFound", None)
    secrets.set_secret(name, "one")
    assert refusal(lambda: secrets.get_secret(name, "0" * 32)) == (404, "SecretNotFound", None)


def test_lists_have_no_values_and_come_in_pages(secrets: SecretClient, name: str) -> None:
    names = {f"{name}-{number}" for number in range(4)}
    for one in names:
        secrets.set_secret(one, "hidden")
    pages = [list(page) for page in secrets.list_properties_of_secrets(max_page_size=3).by_page()]
    listed = [one for page in pages for one in page]
    assert len(pages) > 1
    assert names <= {one.name for one in listed}
    assert all(one.version is None for one in listed)


def test_a_list_shows_no_value(server: TestServer, secrets: SecretClient, name: str) -> None:
    secrets.set_secret(name, "hidden")
    for path in ("/secrets", f"/secrets/{name}/versions"):
        _, _, answer = server.raw("GET", f"{path}?api-version=7.6")
        assert "hidden" not in str(answer)


def test_a_path_may_begin_with_two_slashes(server: TestServer, name: str) -> None:
    assert server.raw("PUT", f"//secrets/{name}?api-version=7.0", {"value": "one"})[0] == 200
    assert server.raw("GET", f"/secrets/{name}/?api-version=7.0")[2]["value"] == "one"


def test_a_refused_update_changes_nothing(
    server: TestServer, secrets: SecretClient, name: str
) -> None:
    secrets.set_secret(name, "one", content_type="text")
    document = {"contentType": "other", "attributes": {"exp": "never"}}
    assert server.raw("PATCH", f"/secrets/{name}?api-version=7.6", document)[0] == 400
    assert secrets.get_secret(name).properties.content_type == "text"


def test_all_versions_are_listed(secrets: SecretClient, name: str) -> None:
    versions = {secrets.set_secret(name, str(n)).properties.version for n in range(3)}
    assert {one.version for one in secrets.list_properties_of_secret_versions(name)} == versions


def test_a_secret_is_deleted_recovered_and_purged(secrets: SecretClient, name: str) -> None:
    secrets.set_secret(name, "one")
    deleted = secrets.begin_delete_secret(name, _polling_interval=0.05).result()
    assert deleted.name == name
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret(name)
    taken = (409, "Conflict", "ObjectIsDeletedButRecoverable")
    assert refusal(lambda: secrets.set_secret(name, "two")) == taken
    assert name in [one.name for one in secrets.list_deleted_secrets()]
    secrets.begin_recover_deleted_secret(name, _polling_interval=0.05).wait()
    assert secrets.get_secret(name).value == "one"
    secrets.begin_delete_secret(name, _polling_interval=0.05).wait()
    secrets.purge_deleted_secret(name)
    assert refusal(lambda: secrets.get_deleted_secret(name))[0] == 404
    assert secrets.set_secret(name, "new").value == "new"


def test_a_value_has_a_limit(secrets: SecretClient, name: str) -> None:
    assert secrets.set_secret(name, "x" * 25_600)
    assert refusal(lambda: secrets.set_secret(name, "x" * 25_601))[:2] == (400, "BadParameter")
