"""A new key and certificate for everything below .test and for 127.0.0.1."""

import base64
import hashlib
import subprocess
from pathlib import Path


class Certificate:
    """A certificate of a new key. With `spki` Chromium trusts this key and no other."""

    def __init__(self, directory: Path) -> None:
        self.file, self.key = directory / "certificate.pem", directory / "key.pem"
        self._openssl(
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=test"
            f" -addext subjectAltName=DNS:*.test,IP:127.0.0.1 -keyout {self.key} -out {self.file}"
        )
        public = self._openssl(f"pkey -in {self.key} -pubout -outform DER")
        self.spki = base64.b64encode(hashlib.sha256(public).digest()).decode()

    def _openssl(self, words: str) -> bytes:
        command = ["openssl", *words.split()]
        return subprocess.run(command, check=True, capture_output=True).stdout
