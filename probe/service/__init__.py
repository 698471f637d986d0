"""The running service, in layers: what it is told, built of, given anew, asked, and how it runs."""

from probe.service.running import Service

__all__ = ["Service"]
