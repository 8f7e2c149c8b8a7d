"""The verbs of the command line, one file a verb; only `__main__` lists them."""
