"""The benchmark: Tocsin beside Debian's Alertmanager, in one run, on one machine, under one load."""
