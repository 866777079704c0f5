"""Recording the ClientHellos of real programs: `make hellos`. What it writes is dpiprobe/tls/clients/data; see docs/clients.md."""
