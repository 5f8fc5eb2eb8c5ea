"""Sessions: exclusive, ordered, renewable, with a state of their own."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageNotFoundError,
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from .conftest import Courier, TestServer


@pytest.fixture
def sessions(sdk: ServiceBusClient, make_queue: Callable[..., str]) -> Courier:
    """The courier of a queue that requires sessions."""
    return Courier(sdk, make_queue(requires_session=True))


def test_a_session_is_accepted_by_name(sessions: Courier) -> None:
    sessions.send("a1", session_id="a")
    sessions.send("b1", session_id="b")
    sessions.send("a2", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        received = receiver.receive_messages(5, max_wait_time=0.5)
        assert [str(message) for message in received] == ["a1", "a2"]
        assert {message.session_id for message in received} == {"a"}
        for message in received:
            receiver.complete_message(message)


def test_the_next_session_is_that_of_the_oldest_free_message(sessions: Courier) -> None:
    sessions.send("b1", session_id="b")
    sessions.send("a1", session_id="a")
    with sessions.receiver(session_id=NEXT_AVAILABLE_SESSION) as first:
        assert first.session.session_id == "b"
        with sessions.receiver(session_id=NEXT_AVAILABLE_SESSION) as second:
            assert second.session.session_id == "a"
            assert [str(message) for message in second.receive_messages()] == ["a1"]


def test_waiting_for_the_next_session_ends_when_a_message_comes(sessions: Courier) -> None:
    timer = threading.Timer(0.5, sessions.send, ["late"], {"session_id": "s"})
    timer.start()
    with sessions.receiver(session_id=NEXT_AVAILABLE_SESSION, max_wait_time=10) as receiver:
        assert receiver.session.session_id == "s"
        assert [str(message) for message in receiver.receive_messages()] == ["late"]
    timer.join()


def test_waiting_for_the_next_session_ends_after_the_timeout(sessions: Courier) -> None:
    started = time.monotonic()
    with pytest.raises(OperationTimeoutError):
        with sessions.receiver(session_id=NEXT_AVAILABLE_SESSION, max_wait_time=0.5):
            pass
    assert 0.4 < time.monotonic() - started < 3


def test_a_session_is_held_by_one_receiver_only(sessions: Courier) -> None:
    with sessions.receiver(session_id="mine"):
        with pytest.raises(SessionCannotBeLockedError):
            with sessions.receiver(session_id="mine"):
                pass
        with sessions.receiver(session_id="other"):
            pass
    with sessions.receiver(session_id="mine"):
        pass


def test_closing_gives_messages_back_without_counting_the_delivery(sessions: Courier) -> None:
    sessions.send("a1", session_id="a")
    for _ in range(3):
        with sessions.receiver(session_id="a") as receiver:
            (message,) = receiver.receive_messages()
            assert message.delivery_count == 0


def test_abandoning_gives_the_same_message_again(sessions: Courier) -> None:
    sessions.send("a1", "a2", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        (message,) = receiver.receive_messages()
        receiver.abandon_message(message)
        (again,) = receiver.receive_messages()
        assert (str(again), again.delivery_count) == ("a1", 1)


def test_an_expired_session_is_detached_and_its_deliveries_count(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    sessions = Courier(sdk, make_queue(requires_session=True, lock_duration_ms=1_000))
    sessions.send("a1", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        (message,) = receiver.receive_messages()
        time.sleep(1.2)
        with pytest.raises(SessionLockLostError):
            receiver.complete_message(message)
    with sessions.receiver(session_id="a") as receiver:
        (again,) = receiver.receive_messages()
        assert again.delivery_count == 1


def test_losing_a_session_is_told_while_receiving(server: TestServer, sessions: Courier) -> None:
    with sessions.receiver(session_id="a") as receiver:
        threading.Timer(0.3, server.fault, ["lose-locks"], {"entity": sessions.queue}).start()
        with pytest.raises(SessionLockLostError):
            receiver.receive_messages(max_wait_time=5)


def test_renewing_keeps_the_session(sdk: ServiceBusClient, make_queue: Callable[..., str]) -> None:
    sessions = Courier(sdk, make_queue(requires_session=True, lock_duration_ms=1_000))
    sessions.send("a1", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        (message,) = receiver.receive_messages()
        before = receiver.session.locked_until_utc
        for _ in range(2):
            time.sleep(0.7)
            assert receiver.session.renew_lock() > before
        receiver.complete_message(message)


def test_renewing_a_lost_session_is_refused(server: TestServer, sessions: Courier) -> None:
    with sessions.receiver(session_id="a") as receiver:
        server.fault("lose-locks", entity=sessions.queue)
        with pytest.raises(SessionLockLostError):
            receiver.session.renew_lock()


def test_the_state_of_a_session_outlives_its_receiver(sessions: Courier) -> None:
    state = bytes(range(256))
    with sessions.receiver(session_id="a") as receiver:
        assert receiver.session.get_state() is None
        receiver.session.set_state(state)
    with sessions.receiver(session_id="a") as receiver:
        assert receiver.session.get_state() == state
        receiver.session.set_state(None)
        assert receiver.session.get_state() is None


def test_messages_of_a_session_are_deferred_and_fetched(sessions: Courier) -> None:
    sessions.send("a1", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        (message,) = receiver.receive_messages()
        receiver.defer_message(message)
        (deferred,) = receiver.receive_deferred_messages(message.sequence_number)
        receiver.complete_message(deferred)
    with sessions.receiver(session_id="b") as receiver, pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(message.sequence_number)


def test_messages_of_a_session_are_dead_lettered_without_it(sessions: Courier) -> None:
    sessions.send("a1", session_id="a")
    with sessions.receiver(session_id="a") as receiver:
        receiver.dead_letter_message(receiver.receive_messages()[0], reason="r")
    with sessions.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert (dead.session_id, dead.dead_letter_reason) == ("a", "r")


def test_a_message_without_a_session_is_refused(sdk: ServiceBusClient, sessions: Courier) -> None:
    with sdk.get_queue_sender(sessions.queue) as sender:
        with pytest.raises(ServiceBusError, match="SessionId was not set") as caught:
            sender.send_messages(ServiceBusMessage("no session"))
        assert "amqp:not-allowed" in str(caught.value)


def test_receivers_with_and_without_sessions_are_not_mixed(
    courier: Courier, sessions: Courier
) -> None:
    with pytest.raises(ServiceBusError, match="non-sessionful message receiver"):
        with sessions.receiver():
            pass
    with pytest.raises(ServiceBusError, match="does not require sessions"):
        with courier.receiver(session_id="a"):
            pass


def test_peeking_in_a_session_shows_its_messages_only(sessions: Courier) -> None:
    sessions.send("a1", session_id="a")
    sessions.send("b1", session_id="b")
    with sessions.receiver(session_id="b") as receiver:
        assert [str(message) for message in receiver.peek_messages(5)] == ["b1"]


def test_sessions_can_be_listed(sdk: ServiceBusClient, sessions: Courier) -> None:
    sessions.send("a1", "a2", session_id="a")
    assert list(sdk.list_queue_sessions(sessions.queue)) == ["a"]
    before = datetime.now(UTC) - timedelta(seconds=1)
    with sessions.receiver(session_id="stateful") as receiver:
        receiver.session.set_state(b"x")
    assert list(sdk.list_queue_sessions(sessions.queue)) == ["a", "stateful"]
    updated = sdk.list_queue_sessions(sessions.queue, state_updated_after=before)
    assert list(updated) == ["stateful"]
