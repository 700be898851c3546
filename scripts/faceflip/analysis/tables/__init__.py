"""The tables, one module each: `compute` returns the tidy frame, `sheets` lays it out for people."""
