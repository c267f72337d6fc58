"""SQLite: every store and queue of the embedded home in one file, written by one process."""
