"""What to do with a link that a client attaches, by its direction and its address."""

from typing import TYPE_CHECKING

from proton import Link, Receiver, Sender, Terminus

from . import cbs, errors
from .broker import Address
from .consumer_link import ConsumerLink
from .links import LinkHandler, accept_termini, refuse
from .management import ManagementNode
from .producer_link import ProducerLink
from .request_reply import ReplyLink, RequestLink
from .tokens import LISTEN, SEND

if TYPE_CHECKING:
    from .connection import AmqpConnection


def attach(connection: "AmqpConnection", link: Link) -> None:
    """Finds the handler for a link and starts it, or refuses the link."""
    assert isinstance(link, (Sender, Receiver))
    accept_termini(link)
    try:
        handler = _handler(connection, link)
    except errors.ServiceError as error:
        refuse(link, error)
        return
    connection.links[link] = handler
    handler.start()


def _handler(connection: "AmqpConnection", link: Sender | Receiver) -> LinkHandler:
    if link.remote_target.type == Terminus.COORDINATOR:
        raise errors.ServiceError(errors.NOT_IMPLEMENTED, "There are no transactions here.")
    terminus = link.remote_source if isinstance(link, Sender) else link.remote_target
    address = Address.parse(terminus.address)
    if address.entity.lower() == cbs.ADDRESS:
        if isinstance(link, Sender):
            return ReplyLink(connection, link, cbs.ADDRESS)
        return RequestLink(connection, link, cbs.ADDRESS, cbs.ClaimsNode(connection))
    return _entity_handler(connection, link, address)


def _entity_handler(
    connection: "AmqpConnection", link: Sender | Receiver, address: Address
) -> LinkHandler:
    if address.is_management:
        needed = SEND | LISTEN
    else:
        needed = LISTEN if isinstance(link, Sender) else SEND
    connection.authorization.require(address.entity, needed)
    broker = connection.server.broker
    if fault := connection.server.faults.take("refuse-attach", address.entity):
        raise fault.error()
    if address.is_management:
        return _management_handler(connection, link, address)
    if isinstance(link, Sender):
        queue = broker.find_queue(address.entity)
        return ConsumerLink(connection, link, queue, address.entity)
    return ProducerLink(connection, link, broker.find(address.entity), address.entity)


def _management_handler(
    connection: "AmqpConnection", link: Sender | Receiver, address: Address
) -> LinkHandler:
    entity = connection.server.broker.find(address.entity)
    path = f"{address.entity}/$management"
    handler: LinkHandler
    if isinstance(link, Sender):
        handler = ReplyLink(connection, link, path)
    else:
        node = ManagementNode(connection, entity, address.entity)
        handler = RequestLink(connection, link, path, node)
    handler.rights = SEND | LISTEN
    return handler
