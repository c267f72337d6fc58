# The dev host as a container, for a team that wants the embedded home on a machine of its own:
#
#     docker build -t tocsin .
#     docker run --name tocsin -p 127.0.0.1:7071:7071 -v tocsin-data:/data tocsin
#     docker logs tocsin      # has the first API key, once
#
# Linted, and never built where it was written, for there is no Docker; its steps were run there one by one.
FROM ghcr.io/astral-sh/uv:0.13.0@sha256:cdc6093146eb3ff6a40107b38f008b789e050e77ad87865e381d9917da55a168 AS uv

FROM python:3.13-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# First what seldom changes: the packages, without Tocsin itself.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-default-groups --group devhost --no-install-project
COPY README.md host.json function_app.py ./
COPY domain domain
COPY adapters adapters
COPY endpoints endpoints
COPY devhost devhost
RUN uv sync --locked --no-default-groups --group devhost --no-editable

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --create-home tocsin \
    && install --directory --owner tocsin --mode 700 /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOCSIN_DATA=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 7071
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7071/-/ready', timeout=4)"]
# Beyond this machine it asks everybody for a key.
ENTRYPOINT ["tocsin", "serve", "--host", "0.0.0.0", "--auth"]
