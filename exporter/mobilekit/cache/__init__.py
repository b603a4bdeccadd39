"""Cache: what a stage made, kept under the hash of all that went into it. Any entry may vanish at any time."""

from mobilekit.cache.key import Key, code_sha256, digest
from mobilekit.cache.place import cache_root, largest_bytes
from mobilekit.cache.store import Cache, Held

__all__ = ["Cache", "Held", "Key", "cache_root", "code_sha256", "digest", "largest_bytes"]
