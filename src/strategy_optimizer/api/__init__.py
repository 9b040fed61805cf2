"""The HTTP and WebSocket interface of the service; it never computes, and imports no user's code."""
