"""``python3 -m settlement.probe``: the image's HEALTHCHECK; exit 0 when the service is well."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8080")), timeout=2)
try:
    connection.request("GET", "/api/health")
    healthy = connection.getresponse().status == 200
except OSError:
    healthy = False
sys.exit(0 if healthy else 1)
