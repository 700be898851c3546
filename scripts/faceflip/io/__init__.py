"""Files that appear whole or not at all, tidy tables whose bytes are guarded, inventories of finished runs."""
