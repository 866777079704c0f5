"""Hellos as no client sends them: named variations, each of which tests one thing. `catalogue` lists them, `apply` carries them out."""
