# The error desk: KCL on Java beside Python, one user without rights, nothing written but /var/lib/headrace.
#
#   docker build -f infra/container/error_desk.Dockerfile -t headrace-error-desk .

# Give digests for a build that can be repeated: --build-arg BASE=python@sha256:... --build-arg JAVA=...
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG JAVA=docker.io/library/eclipse-temurin:17-jre

FROM ${JAVA} AS java

FROM ${BASE} AS build
WORKDIR /build
COPY infra/container/build.lock infra/container/error_desk.lock infra/container/error_desk_build.lock infra/container/error_desk.in infra/container/kcl.sha256 ./
RUN ["python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement=build.lock"]
RUN ["python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement=error_desk_build.lock"]
RUN ["python", "-m", "venv", "--without-pip", "/opt/headrace"]
# amazon_kclpy has no wheel: to build it fetches KCL's jars, which must be those that were tested.
RUN ["python", "-m", "pip", "wheel", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--require-hashes", "--only-binary=:all:", "--no-binary=amazon_kclpy", "--wheel-dir=/wheels", "--requirement=error_desk.lock"]
COPY pyproject.toml README.md ./
COPY headrace headrace
COPY stream_jobs stream_jobs
COPY cli cli
RUN ["python", "-m", "pip", "wheel", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir=/wheels", "."]
RUN ["python", "-m", "pip", "--python=/opt/headrace/bin/python", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-index", "--find-links=/wheels", "--requirement=error_desk.in"]
RUN ["python", "-m", "pip", "--python=/opt/headrace/bin/python", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--no-index", "--find-links=/wheels", "headrace"]
RUN ["sha256sum", "--check", "--strict", "--quiet", "kcl.sha256"]
RUN ["/opt/headrace/bin/python", "-m", "compileall", "-q", "/opt/headrace/lib"]

FROM ${BASE}
COPY --from=java /opt/java/openjdk /opt/java
COPY --from=build /opt/headrace /opt/headrace
RUN ["install", "--directory", "--owner=65532", "--group=65532", "--mode=0750", "/var/lib/headrace"]
# KCL's settings and the shards' signs of life; what counts is in DynamoDB and in the warehouse.
VOLUME ["/var/lib/headrace"]
USER 65532:65532
WORKDIR /var/lib/headrace
ENV PATH=/opt/headrace/bin:/usr/bin:/bin \
    JAVA_HOME=/opt/java \
    JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=/var/lib/headrace \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    HEADRACE_STATE=/var/lib/headrace \
    HEADRACE_LOG_FORMAT=json \
    HEADRACE_HEALTH_PORT=9000
EXPOSE 9000
STOPSIGNAL SIGTERM
# Whether it answers: one that waits for the warehouse says so, and is left to wait.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1:' + os.environ['HEADRACE_HEALTH_PORT'], timeout=4); c.request('GET', '/healthz'); c.getresponse()"]
ENTRYPOINT ["python", "-m", "stream_jobs.error_desk"]
