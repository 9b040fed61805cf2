"""Exit codes."""

DONE = 0
WORK_FAILED = 1  # the work failed, or `check` found a problem
CALL_WRONG = 2  # the call, the data or the strategy is wrong
NO_EDGE = 3  # nothing worth deploying was found, with --require-edge
INTERRUPTED = 130  # Ctrl-C, as shells count it: 128 + SIGINT
PIPE_CLOSED = 141  # whoever read the output has gone: 128 + SIGPIPE
