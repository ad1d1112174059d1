// node src/main.js: serve until SIGTERM or SIGINT, then finish what was begun.

import { enabled } from "./flags.js";
import { VERSION, serve } from "./server.js";

const STOP_SECONDS = 10;

try {
  const host = process.env.HOST ?? "127.0.0.1";
  const server = serve(enabled("NEW_FEE_SCHEDULE") ? "graduated" : "standard");
  server.on("error", refuse);
  server.listen(Number(process.env.PORT ?? "8080"), host, () => {
    console.log(`settlement ${VERSION} serves http://${host}:${server.address().port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
      setTimeout(() => process.exit(1), STOP_SECONDS * 1000).unref();
    });
  }
} catch (error) {
  refuse(error);
}

function refuse(error) {
  console.error(`settlement cannot start: ${error.message}`);
  process.exit(2);
}
