"""The perturbation store: what an attack found, in files that can be trusted and looked into.

The format is HDF5 and specified in ``docs/reference/store-format.md``. A *shard* is written by `StoreWriter`,
`write_joined_view` joins the shards of one attack, and `open_store` reads both.
"""

from faceflip.store.header import StoreHeader
from faceflip.store.reader import Block, JoinedStore, Shard, Store, find_store, open_store
from faceflip.store.view import write_joined_view
from faceflip.store.writer import StoreWriter

__all__ = ["Block", "JoinedStore", "Shard", "Store", "StoreHeader", "StoreWriter"]
__all__ += ["find_store", "open_store", "write_joined_view"]
