# mouv and its test programs, in /src, run by ctest as a user that is not root.
# Build from the repository's root: docker build -f docker/tests.Dockerfile -t mouv-tests .

ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY scripts/setup /src/scripts/setup
RUN /src/scripts/setup build \
    && apt-get install -y --no-install-recommends libcmocka-dev libcurl4-openssl-dev python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# MongoDB's specification tests are not part of this tree: mounted at /spec and /spec-2, they are run too.
RUN cmake --preset release -DMOUV_BUILD_BENCH=OFF -DMOUV_SPEC_TESTS=/spec -DMOUV_SPEC_TESTS_2=/spec-2 \
    && cmake --build --preset release \
    && useradd --system mouv && chown -R mouv build
USER mouv
# The suites that speak to the server of MONGODB_URI, or to none.
CMD ["ctest", "--preset", "release", "--label-regex", "integration|internal|spec|cookbook|examples|tutorial"]
