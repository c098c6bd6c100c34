"""The web page behind ingress."""

from .page import INGRESS_ADDRESSES, SUPERVISOR_ADDRESSES, create_panel

__all__ = ["INGRESS_ADDRESSES", "SUPERVISOR_ADDRESSES", "create_panel"]
