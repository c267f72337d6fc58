"""The home that lives in this process alone: stores and queues with the promises of their ports, but for a restart."""
