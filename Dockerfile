# syntax=docker/dockerfile:1

FROM python:3.11-slim AS builder

WORKDIR /build
# The final environment is created at its final path, because its scripts name their interpreter by path. It has no pip:
# the pip of `tools` installs into it from outside.
RUN python -m venv tools && python -m venv --without-pip /opt/relay
COPY requirements/run.txt requirements/run.txt
RUN tools/bin/pip wheel --no-cache-dir --require-hashes --no-deps --wheel-dir wheels -r requirements/run.txt
COPY . .
# From here on nothing is downloaded: every wheel has been checked against its hash. Build tools stay in this stage.
RUN tools/bin/pip install --no-index --find-links wheels hatchling editables \
    && tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/relay/bin/python install --no-index --find-links wheels 'generation-relay[postgres,archive]'


FROM python:3.11-slim

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin relay \
    && install -d -o relay -g relay -m 0700 /data /data/spool
COPY --from=builder /opt/relay /opt/relay

ENV PATH=/opt/relay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    RELAY_HOST=0.0.0.0 \
    RELAY_STORE=sqlite:////data/relay.db

USER relay
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-m", "relay.ready"]
ENTRYPOINT ["relay"]
CMD ["serve"]
