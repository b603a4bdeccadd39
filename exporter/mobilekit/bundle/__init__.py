"""Bundle: the folder between Python and the phone, its manifest and its integrity. Never imports torch."""

from mobilekit.bundle.manifest import SCHEMA_VERSION, Artifact, Manifest
from mobilekit.bundle.store import MANIFEST_FILE, Bundle

__all__ = ["MANIFEST_FILE", "SCHEMA_VERSION", "Artifact", "Bundle", "Manifest"]
