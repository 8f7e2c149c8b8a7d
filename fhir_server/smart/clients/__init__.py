"""Clients: the apps and software that may ask for tokens, and how they prove who they are."""

from fhir_server.smart.clients.client import Client, ClientKind
from fhir_server.smart.clients.register import Clients

__all__ = ["Client", "ClientKind", "Clients"]
