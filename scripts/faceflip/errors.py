"""The one exception that is meant for the reader of the screen."""


class UserError(Exception):
    """Something outside the program is wrong: a file, a key, an argument.

    The message is all that a person gets to see (the traceback goes to the log), so it names the file and the row, key
    or HDF5 path, says what was expected, and what to do about it. Several faults of one kind are told in one error.
    """
