"""Where samples come from, slab by slab: whatever is read here may be larger than memory."""

from .opening import as_source, open_source
from .source import Source, slabs

__all__ = ["Source", "as_source", "open_source", "slabs"]
