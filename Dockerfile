# syntax=docker/dockerfile:1
# The release of Python that the tests run on, on a Debian whose OpenSSL (3.5) shakes hands in half the time of 3.0.
FROM python:3.11-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/probe
# Dependencies first: this layer is built again only when they change.
COPY requirements/run.txt requirements/run.txt
RUN /opt/probe/bin/pip install --no-compile --no-deps --require-hashes -r requirements/run.txt
# curl: libcurl, for HTTP/2 and HTTP/3, proxies, digest, NTLM and signatures of AWS. apprise: a hundred alert channels.
ARG EXTRAS=
COPY requirements/curl.txt requirements/apprise.txt requirements/
RUN for extra in $EXTRAS; do \
      /opt/probe/bin/pip install --no-compile --no-deps --require-hashes -r "requirements/$extra.txt" || exit 1; done
COPY pyproject.toml README.md ./
COPY checks checks
COPY thresholds thresholds
COPY exporters exporters
COPY probe probe
RUN /opt/probe/bin/pip install --no-compile --no-deps --no-build-isolation . \
 && /opt/probe/bin/pip uninstall --yes --quiet pip setuptools \
 && python -m compileall -q -j 0 /opt/probe/lib

FROM python:3.11-slim-trixie
LABEL org.opencontainers.image.title="probe" \
      org.opencontainers.image.description="Synthetic monitoring and uptime from one YAML file"
RUN groupadd --system --gid 10001 probe \
 && useradd --system --uid 10001 --gid probe --no-create-home --home-dir /data --shell /usr/sbin/nologin probe \
 && install --directory --owner probe --group probe --mode 0750 /data
COPY --from=build /opt/probe /opt/probe
ENV PATH=/opt/probe/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/-/healthy', timeout=4)"]
ENTRYPOINT ["probe"]
CMD ["run", "/etc/probe/probe.yml"]
