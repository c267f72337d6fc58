"""Agents: triage with a model behind it, on Microsoft Agent Framework.

Nothing outside this package knows the framework; `adapters.triagers` imports it only where a model is configured.
"""
