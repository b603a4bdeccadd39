"""CLI: thin. Each command's file parses options, calls one function of the pipeline, and prints what it returned."""
