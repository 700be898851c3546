"""One module a stage of the workflow: what its job computes, from files to files."""
