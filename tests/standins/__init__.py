"""Servers that stand in for cloud services in tests: real SDKs speak to them over loopback sockets."""
