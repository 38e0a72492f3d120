# fsrbench in a container, for a CPU: docker build -t fsrbench .
# For NVIDIA GPUs: docker build --build-arg TORCH=cu128 -t fsrbench:cuda .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /src
RUN pip install --no-cache-dir "hatchling>=1.27"
COPY pyproject.toml README.md LICENSE ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /requirements.txt
COPY configs configs
COPY prompts prompts
COPY src src
RUN python -m hatchling build -t wheel -d /dist

FROM python:${PYTHON}-slim-bookworm
# What OpenCV opens windows with: it is linked, though nothing is shown.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
# From what changes seldom to what changes often: torch, then what fsrbench needs, then fsrbench.
ARG TORCH=cpu
RUN pip install --no-cache-dir torch torchvision --index-url "https://download.pytorch.org/whl/${TORCH}"
COPY --from=wheel /requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir -r /tmp/requirements.txt
ARG EXTRAS=ray
COPY --from=wheel /dist /tmp/dist
RUN pip install --no-cache-dir "$(ls /tmp/dist/*.whl)[${EXTRAS}]"

# Whoever runs it may be another user (docker run --user), and must be able to keep weights.
RUN useradd --create-home fsrbench && install -d -m 1777 /weights /work
ENV FSRBENCH_CACHE=/weights MPLCONFIGDIR=/tmp/matplotlib
VOLUME /weights
USER fsrbench
WORKDIR /work
RUN fsrbench doctor
ENTRYPOINT ["fsrbench"]
CMD ["--help"]
