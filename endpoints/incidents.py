"""Placeholder."""
import azure.functions as func
blueprint = func.Blueprint()
