"""Who may do what: keys, passwords, roles, the policy of all routes, rate limits. It knows no web framework."""
