# Fangyan with all that it needs at run time. The same image runs the web server, the daemon and the code location.
FROM python:3.11-slim-bookworm

WORKDIR /opt/fangyan
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements/installer.txt \
    && uv pip install --system --no-cache --require-hashes --requirement requirements/dev.txt
COPY . .
RUN uv pip install --system --no-cache --no-deps --no-build-isolation --editable .

RUN useradd --uid 1000 --create-home fangyan && mkdir /workspace && chown fangyan /workspace
USER fangyan
ENV FANGYAN_WORKSPACE=/workspace \
    DAGSTER_HOME=/workspace/dagster \
    DAGSTER_DISABLE_TELEMETRY=1 \
    PYANNOTE_METRICS_ENABLED=0 \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_OFFLINE=1
VOLUME /workspace
CMD ["fangyan", "--help"]
