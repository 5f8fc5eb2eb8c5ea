"""What all links have in common, and how one is refused."""

from typing import TYPE_CHECKING

from proton import Delivery, Link, Terminus

from .errors import ServiceError

if TYPE_CHECKING:
    from .connection import AmqpConnection


class LinkHandler:
    """What our end of one link does."""

    rights: frozenset[str] = frozenset()
    """Rights of which the connection needs one, or none at all."""

    def __init__(self, connection: "AmqpConnection", link: Link, address: str) -> None:
        self.connection = connection
        self.link = link
        self.address = address

    def start(self) -> None:
        """Answers the attach."""
        self.link.open()

    def on_flow(self) -> None:
        """The peer changed its credit, or drains it."""

    def on_delivery(self, delivery: Delivery) -> None:
        """Content arrived, or the peer updated a delivery."""

    def ended(self) -> None:
        """The link is gone."""


def accept_termini(link: Link) -> None:
    """Takes over what the peer asks for."""
    link.source.copy(link.remote_source)
    link.target.copy(link.remote_target)
    link.snd_settle_mode = link.remote_snd_settle_mode
    link.rcv_settle_mode = link.remote_rcv_settle_mode


def refuse(link: Link, error: ServiceError) -> None:
    """Answers an attach with null termini and the error, as the service does."""
    link.source.type = Terminus.UNSPECIFIED
    link.target.type = Terminus.UNSPECIFIED
    link.open()
    link.condition = error.to_condition()
    link.close()
