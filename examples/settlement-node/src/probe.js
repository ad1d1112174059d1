// node src/probe.js: the image's HEALTHCHECK; exit 0 when the service is well.

const address = `http://127.0.0.1:${process.env.PORT ?? "8080"}/api/health`;
try {
  const answer = await fetch(address, { signal: AbortSignal.timeout(2000) });
  process.exitCode = answer.status === 200 ? 0 : 1;
} catch {
  process.exitCode = 1;
}
