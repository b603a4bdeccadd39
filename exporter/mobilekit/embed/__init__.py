"""Embed: a bundle into an Android or iOS app, with the check that the app's runtime takes it. Never builds an app."""

from mobilekit.embed.check import Finding
from mobilekit.embed.place import Embedded, Removed, embed, remove

__all__ = ["Embedded", "Finding", "Removed", "embed", "remove"]
