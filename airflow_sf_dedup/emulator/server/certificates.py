"""A certificate for https on this machine, made on the spot."""

from __future__ import annotations

import os
import ssl
import tempfile

#: Where the emulator listens: on this machine alone.
HOST = "127.0.0.1"


class Certificate:
    """A certificate for this machine, signed by an authority of its own."""

    def __init__(self, context: ssl.SSLContext, ca_file: str) -> None:
        self.context = context
        self.ca_file = ca_file

    @classmethod
    def issue(cls) -> Certificate:
        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(context)
        handle, ca_file = tempfile.mkstemp(prefix="emulated-org-", suffix=".pem")
        os.close(handle)
        authority.cert_pem.write_to_path(ca_file)
        return cls(context, ca_file)
