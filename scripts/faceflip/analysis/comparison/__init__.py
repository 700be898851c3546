"""Finished runs beside each other: what sets them apart, their tables, and their attempts one by one."""
