# Nightloom in one image.  docker build --build-arg BUILD=cpu .   (or BUILD=cuda)
FROM python:3.12-slim-bookworm AS build
ARG BUILD=cpu
# vLLM's CPU build links to libnuma.
RUN apt-get update && apt-get install -y --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY deploy/setup.sh deploy/setup.sh
COPY locks/ locks/
COPY pyproject.toml README.md LICENSE ./
COPY adapters/ adapters/
COPY bot/ bot/
COPY engine/ engine/
# The set-up makes the model that comes along, too: a container starts with it, without a network.
ENV NIGHTLOOM_CACHE=/cache
RUN mkdir /cache && if [ "$BUILD" = cuda ]; then GPU=1 deploy/setup.sh; else GPU=0 deploy/setup.sh; fi

FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 nightloom \
    && mkdir /data && chown nightloom /data
WORKDIR /app
COPY --from=build --chown=nightloom /app /app
COPY --from=build --chown=nightloom /cache /cache
USER nightloom
ENV PATH=/app/.venv/bin:$PATH \
    NIGHTLOOM_DATA=/data \
    NIGHTLOOM_CACHE=/cache \
    HF_HOME=/cache/hub \
    NIGHTLOOM_MODEL=smollm2 \
    NIGHTLOOM_WEB__ENABLED=true \
    NIGHTLOOM_WEB__HOST=0.0.0.0 \
    NIGHTLOOM_WEB__PORT=8765
VOLUME /data /cache
EXPOSE 8765
# The model may take minutes to load; the web server answers before.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["nightloom"]
CMD ["run"]
