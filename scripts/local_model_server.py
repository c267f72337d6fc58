"""Serve a GGUF file by llama.cpp's own server on loopback, until it is ended; `scripts/local_model.sh` starts it.

The server is the one that is compiled into the wheel of `xllamacpp`, which stands in a virtual environment of its own:
nothing of Tocsin's needs it.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

import xllamacpp


def main() -> None:
    """Load, serve, wait for the signal to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--address-file", type=Path, help="where the base URL is written once the model is loaded")
    parser.add_argument("--context", type=int, default=8192, help="tokens of one conversation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat-penalty", type=float, default=1.1, help="weak models never end what they repeat")
    arguments = parser.parse_args()

    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.weights)
    params.model_alias = {"local"}
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.n_parallel = 1
    params.n_ctx = arguments.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.sampling.penalty_repeat = arguments.repeat_penalty
    server = xllamacpp.Server(params)
    address = f"{server.listening_address}/v1"
    print(address, flush=True)
    if arguments.address_file:
        arguments.address_file.write_text(address)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
