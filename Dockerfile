# The environment of the workflow, with the workflow in it; docs/guides/container.md says how to build and use it.
FROM debian:bookworm-slim

# Triton and torch.compile build their kernels by a compiler while they run.
RUN apt-get update --quiet=2 \
    && apt-get install --quiet=2 --yes --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

# Installed as the Makefile does, in a layer that lasts until the lock changes.
ARG ADV_LIB=0.2.8
ARG INSTALL="/opt/venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --quiet --no-cache-dir"
WORKDIR /faceflip
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
    && $INSTALL --no-deps --requirement requirements.lock \
    && $INSTALL --no-deps adv-lib==$ADV_LIB

# Compiled here, because whoever runs it may not write here.
COPY . ./
RUN $INSTALL --no-deps --no-build-isolation --editable . \
    && /opt/venv/bin/python -m compileall -q scripts

ENV PATH=/opt/venv/bin:$PATH
# What NVIDIA's container toolkit brings in: CUDA and nvidia-smi.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /data
CMD ["bash"]
