"""The home on Azure Cosmos DB for NoSQL: one class for each store port, over one client for the process."""
