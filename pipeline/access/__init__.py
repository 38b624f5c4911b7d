"""Who may ask a server of ours for what: named tokens with roles, limits, and where a request comes from."""
