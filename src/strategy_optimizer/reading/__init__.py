"""What can be read of tasks: pages of their trials, exports, analyses, predictions, comparisons, reports.

It knows the store and no web framework. What takes long is run in child processes, which `api.computing` starts.
"""
