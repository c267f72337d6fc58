"""The dashboard and the rules for watching Tocsin itself."""
