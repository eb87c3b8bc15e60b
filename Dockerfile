# Two images from one build: `--target server` has the server and spotctl, `--target agent` the agent alone.

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      pkg-config librabbitmq-dev default-libmysqlclient-dev libmicrohttpd-dev libcurl4-openssl-dev libssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources ./Sources
COPY Tests ./Tests
RUN swift build -c release --static-swift-stdlib --product spot-optimizer-server \
    && swift build -c release --static-swift-stdlib --product spotctl \
    && swift build -c release --static-swift-stdlib --product spot-optimizer-agent \
    && mkdir /out \
    && cp "$(swift build -c release --show-bin-path)"/spot-optimizer-server /out/ \
    && cp "$(swift build -c release --show-bin-path)"/spotctl /out/ \
    && cp "$(swift build -c release --show-bin-path)"/spot-optimizer-agent /out/

FROM debian:12-slim AS agent
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      librabbitmq4 libcurl4 libssl3 libstdc++6 ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/spot-optimizer spot-optimizer
COPY --from=build /out/spot-optimizer-agent /usr/local/bin/
USER spot-optimizer
WORKDIR /var/lib/spot-optimizer
ENTRYPOINT ["/usr/local/bin/spot-optimizer-agent"]

FROM debian:12-slim AS server
# curl is for the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      librabbitmq4 libmariadb3 libmicrohttpd12 libcurl4 libssl3 libstdc++6 ca-certificates tzdata curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/spot-optimizer spot-optimizer \
    && install -d -m 700 -o spot-optimizer -g spot-optimizer /var/lib/spot-optimizer/keys \
    && install -d -m 755 -o spot-optimizer -g spot-optimizer /var/lib/spot-optimizer/public-keys
COPY --from=build /out/spot-optimizer-server /out/spotctl /usr/local/bin/
USER spot-optimizer
WORKDIR /var/lib/spot-optimizer
EXPOSE 5000
ENTRYPOINT ["/usr/local/bin/spot-optimizer-server"]
