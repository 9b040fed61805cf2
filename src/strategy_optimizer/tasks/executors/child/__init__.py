"""What runs in the processes below a pool: a guard, and the worker that it watches.

These modules are started by their folder, not through the package, and use the standard library alone: a guard is there
in hundredths of a second and needs a few megabytes, and a worker imports nothing but what its function needs.
"""
