# The service, its workers and the command line in one image: everything from the lock, nothing as root.
#   docker build -t strategy-optimizer .
#   docker run --rm -p 127.0.0.1:8000:8000 -v so-data:/data strategy-optimizer
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/image.txt requirements/
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/venv/bin/pip install "setuptools>=80" \
    && /opt/venv/bin/pip install --no-deps --no-build-isolation . \
    && /opt/venv/bin/pip uninstall --yes setuptools \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin optimizer \
    && install -d -o optimizer -g optimizer -m 0700 /data \
    && install -d -o root -g root -m 0755 /strategies
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STRATEGY_OPTIMIZER_DATA_DIR=/data \
    STRATEGY_OPTIMIZER_STRATEGIES=/strategies \
    STRATEGY_OPTIMIZER_CACHE=/data/cache \
    NUMBA_CACHE_DIR=/data/numba \
    STRATEGY_OPTIMIZER_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
# Inside its container the service has to listen on all addresses; which of them the world sees is said by -p.
CMD ["strategy-optimizer", "serve", "--host", "0.0.0.0"]
