# Everything for a machine with nothing but Docker: Mesa's OpenGL, the suite, the agents.
#   docker build -t natural-mujoco . && docker run --rm natural-mujoco doctor
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN pip install --no-cache-dir "/src[agents]" && rm -rf /src

# Videos and what is prepared of them. Any user may write there.
ENV NATURAL_MUJOCO_HOME=/cache
RUN mkdir -m 1777 /cache
VOLUME /cache

WORKDIR /work
ENTRYPOINT ["natural-mujoco"]
CMD ["--help"]
