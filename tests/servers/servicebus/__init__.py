"""A small Azure Service Bus server for tests, over AMQP 1.0."""
