"""Sources: one module for each payload format; bytes in, alerts out."""
