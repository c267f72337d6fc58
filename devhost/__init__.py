"""The dev host: runs the very app that Azure Functions runs, on one machine."""
