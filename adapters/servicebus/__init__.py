"""Service Bus behind port `Queues`; importing the package does not import the SDK, which takes most of a second."""
