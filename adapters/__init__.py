"""Adapters: one file or package for each outside system, and `wiring.py`, which puts them together."""
