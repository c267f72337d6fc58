"""Endpoints: the HTTP triggers, grouped by resource, and what every trigger runs in."""
