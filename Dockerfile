# The platform's image. BASE can be a site's own hardened Python 3.11 image.
ARG BASE=python:3.11.11-slim-bookworm
FROM ${BASE} AS app

WORKDIR /app
COPY requirements ./requirements
RUN python -m venv /app/.venv \
    && /app/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY rwd_platform ./rwd_platform
COPY ingestion ./ingestion
COPY deidentify ./deidentify
COPY quality ./quality
COPY studies ./studies

RUN groupadd --gid 10001 rwd && useradd --uid 10001 --gid rwd --home-dir /var/lib/rwd --create-home rwd
USER rwd
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 \
    RWD_HOME=/var/lib/rwd/home GX_ANALYTICS_ENABLED=false
ENTRYPOINT ["python", "-m", "rwd_platform.cli.main"]
CMD ["--help"]
