"""Bundle: the folder between Python and the phone, its manifest and its integrity. Never imports torch."""

from mobilekit.bundle.device import DeviceBench, import_device_benches, kept_device_benches, read_device_bench
from mobilekit.bundle.manifest import SCHEMA_VERSION, Artifact, Manifest
from mobilekit.bundle.store import MANIFEST_FILE, Bundle

__all__ = [
    "MANIFEST_FILE",
    "SCHEMA_VERSION",
    "Artifact",
    "Bundle",
    "DeviceBench",
    "Manifest",
    "import_device_benches",
    "kept_device_benches",
    "read_device_bench",
]
