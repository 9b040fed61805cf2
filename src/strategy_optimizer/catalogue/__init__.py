"""What tasks can name: strategies by version, and datasets with their content.

Nothing here runs code of users in the process that asks: what has to be run or read is run and read in a child process
with limits.
"""
