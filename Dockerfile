# imgvecd in a container: docs/container.md says how to use it.
#
#   docker build -t imgvecd .                                                      CPU (amd64, arm64)
#   docker build -t imgvecd --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .   NVIDIA
#
# TORCH_INDEX= (empty) takes PyTorch from the ordinary package index.

ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python3 -m venv /opt/imgvecd
# Before the sources: a change of imgvecd does not fetch PyTorch again.
RUN if [ -n "$TORCH_INDEX" ]; then \
        /opt/imgvecd/bin/pip install --no-cache-dir torch torchvision --index-url "$TORCH_INDEX"; \
    fi
COPY pyproject.toml README.md LICENSE /src/
COPY imgvecd /src/imgvecd
RUN /opt/imgvecd/bin/pip install --no-cache-dir "/src[jxl,raw]" && /opt/imgvecd/bin/imgvecd --version

FROM ${BASE}
# The user whose photos these are: `id -u`, `id -g`. Photos are read as this user, and nobody else
# can ask the daemon.
ARG UID=1000
ARG GID=1000
RUN install --directory --owner="$UID" --group="$GID" --mode=0700 \
        /var/lib/imgvecd /var/cache/imgvecd /run/imgvecd
COPY --from=build /opt/imgvecd /opt/imgvecd
ENV PATH=/opt/imgvecd/bin:$PATH \
    HOME=/var/lib/imgvecd \
    XDG_CACHE_HOME=/var/cache \
    IMGVECD_STATE_DIR=/var/lib/imgvecd \
    IMGVECD_SOCKET=/run/imgvecd/imgvecd.sock \
    IMGVECD_ROOTS=/photos
VOLUME ["/var/lib/imgvecd", "/var/cache/imgvecd", "/run/imgvecd"]
USER ${UID}:${GID}
WORKDIR /var/lib/imgvecd
# 1 is "works badly", a drive that is away for example: a restart would not help.
HEALTHCHECK --interval=2m --timeout=30s --start-period=1m \
    CMD imgvec health > /dev/null; test $? -le 1
CMD ["imgvecd", "serve"]
