"""open_clip on torch: any of its models, loaded and run."""

from imgvecd.adapters.openclip.model import OpenClipModel

__all__ = ["OpenClipModel"]
