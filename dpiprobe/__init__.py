"""dpiprobe: who stops a TLS connection, with which technique, where on the path, and how sure that is.

The rooms of this package stand in the order in which data walks; each imports only from rooms to its left:
wire, capture, tls, flow, observe, signature, plan, verdict, explain, cases, report, probe, lab, run, cli.
"""

__version__ = "0.1.0"
