"""Workers: they lease tasks from the store, run each in a child process, and give back what they cannot finish."""
