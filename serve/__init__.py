"""Speech as a service: text in by HTTP or WebSocket, labelled sound out, for whoever holds a key."""
