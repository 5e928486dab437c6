# The simulated Comp-AI in a container. compai_kit.simulator.container writes the build context:
# the package as the tests import it, and the exact versions of what it needs.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
COPY requirements.txt /opt/simulator/
# Behind a proxy: the organisation's certificates and package index, as build secrets so that
# neither ends up in the image. Without them the secrets are empty or absent.
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/var/cache/pip \
    export PIP_CACHE_DIR=/var/cache/pip; \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    if [ -s /run/secrets/index ]; then export PIP_INDEX_URL="$(cat /run/secrets/index)"; fi; \
    python3 -m venv /opt/simulator/venv \
    && /opt/simulator/venv/bin/pip install --quiet --disable-pip-version-check \
        --requirement /opt/simulator/requirements.txt
COPY packages/ /opt/simulator/packages/
ENV PATH=/opt/simulator/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/simulator/packages PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "compai_kit.cli.main", "simulate", "--host", "0.0.0.0", "--port", "8080"]
