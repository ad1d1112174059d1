# The example service for Node (examples/settlement-node): `docker build .` in this folder.
# Two stages: the first installs, tests and throws the development dependencies away; the second
# takes what is left. With the machine's own Node and no network the tests build it as well.

FROM node:20-alpine AS builder
WORKDIR /app
# What is installed depends on these files alone, so that a change of the service installs nothing.
COPY examples/settlement-node/package.json examples/settlement-node/package-lock.json examples/settlement-node/.npmrc ./
COPY examples/settlement-node/packages/ ./packages/
RUN npm ci
COPY examples/settlement-node/RELEASE ./
COPY examples/settlement-node/src/ ./src/
COPY examples/settlement-node/test/ ./test/
RUN npm test && npm prune --omit=dev

FROM node:20-alpine AS runtime
LABEL org.opencontainers.image.title="settlement-node" \
      org.opencontainers.image.description="Example service: settles trades and normalises references" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080
WORKDIR /app
RUN addgroup -g 1001 appuser && adduser -D -H -u 1001 -G appuser appuser
# Owned by root: the service may read itself and change nothing.
COPY --from=builder /app/node_modules/ ./node_modules/
COPY --from=builder /app/src/ ./src/
COPY --from=builder /app/package.json /app/RELEASE ./
# appuser, by number: Kubernetes' runAsNonRoot does not look names up.
USER 1001:1001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["node", "src/probe.js"]
CMD ["node", "src/main.js"]
